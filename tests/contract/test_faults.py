"""The fake kernel's own side: faults happen when they were asked for, and are missed otherwise."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from cni_route.model import Operation
from tests.fakes.fake_kernel import FakeKernel, FakeTable
from tests.fakes.faults import Call
from tests.fakes.namespace import FakeNamespace
from tests.fakes.refused import Refused

OURS = "10.9.0.0/16 via 10.2.0.1 dev eth1 proto 114"
CALLS: tuple[Call, ...] = ("links", "dump", "rules", "apply")


class Fixture:
    """One pod with two NICs, and a table open on it."""

    def __init__(self) -> None:
        self.kernel = FakeKernel()
        self.faults = self.kernel.faults
        self.pod: FakeNamespace = self.kernel.make()
        self.pod.add_link("eth0", "10.1.0.2/24", "2001:db8:1::2/64")
        self.pod.add_link("eth1", "10.2.0.2/24")
        self.table: FakeTable = self.kernel.open(self.pod.descriptor)

    def add(self, *destinations: str) -> list[int]:
        """Add link routes on eth1; the errnos of the refusals."""
        operations = [
            Operation("add", self.pod.parse(f"{dst} dev eth1 proto 114")) for dst in destinations
        ]
        return [r.errno for r in self.table.apply(self.pod.batch(*operations))]

    def own(self) -> list[str]:
        return [str(r.key.dst) for r in self.pod.dump() if r.protocol == 114]

    def call(self, name: Call) -> None:
        if name == "apply":
            self.add("10.9.0.9")
        else:
            getattr(self.table, name)()


@pytest.fixture
def at() -> Iterator[Fixture]:
    made = Fixture()
    yield made
    assert made.faults.unused() == []


def test_a_fault_that_does_not_happen_is_told() -> None:
    faults = Fixture().faults
    faults.fail("dump", errno=errno.EINTR)
    faults.refuse(errno=errno.EPERM)
    faults.overrun(done=3)
    assert faults.unused() == [
        "dump raises EINTR",
        "refuse with EPERM",
        "ENOBUFS after 3 operations",
    ]


@pytest.mark.parametrize("name", CALLS)
def test_the_nth_call_fails(at: Fixture, name: Call) -> None:
    at.faults.fail(name, errno=errno.EIO, nth=2)
    at.call(name)
    with pytest.raises(OSError, match="Input/output error"):
        at.call(name)
    at.call("links")


def test_open_fails(at: Fixture) -> None:
    at.faults.fail("open", errno=errno.EMFILE)
    with pytest.raises(OSError, match="Too many open files"):
        at.kernel.open(at.pod.descriptor)
    assert at.kernel.open_tables == [at.table]


def test_a_call_that_fails_afterwards_is_done(at: Fixture) -> None:
    at.faults.fail("apply", errno=errno.EIO, when="after")
    with pytest.raises(OSError, match="Input/output error"):
        at.add("10.9.0.1")
    assert at.own() == ["10.9.0.1/32"]


def test_the_nth_operation_is_refused_and_only_that(at: Fixture) -> None:
    at.faults.refuse(errno=errno.EPERM, nth=2)
    assert at.add("10.9.0.1", "10.9.0.2", "10.9.0.3") == [errno.EPERM]
    assert at.own() == ["10.9.0.1/32", "10.9.0.3/32"]
    assert [entry.errno for entry in at.kernel.log] == [0, errno.EPERM, 0]


def test_operations_that_match_are_refused_so_many_times(at: Fixture) -> None:
    at.faults.refuse(lambda o: "10.9.0.2" in str(o.subject), errno=errno.EAGAIN, times=2)
    assert at.add("10.9.0.1", "10.9.0.2") == [errno.EAGAIN]
    assert at.add("10.9.0.3", "10.9.0.2") == [errno.EAGAIN]
    assert at.add("10.9.0.2") == []


@pytest.mark.parametrize("done", [0, 1, 3])
def test_an_overrun_leaves_the_first_ones_done(at: Fixture, done: int) -> None:
    at.faults.overrun(done=done)
    with pytest.raises(OSError, match="No buffer space"):
        at.add("10.9.0.1", "10.9.0.2", "10.9.0.3", "10.9.0.4")
    assert len(at.own()) == at.kernel.writes == done


def test_a_rival_comes_between_two_calls(at: Fixture) -> None:
    at.add("10.9.0.1")
    at.faults.rival(lambda: at.pod.route("10.9.0.1 dev eth1", "delete"), call="apply")
    before = at.table.dump()
    assert at.add("10.9.0.2") == []
    assert at.own() == ["10.9.0.2/32"]
    assert at.table.dump() != before


def test_a_rival_comes_between_two_operations(at: Fixture) -> None:
    at.faults.rival_at_operation(lambda: at.pod.set_down("eth1"), nth=2)
    assert at.add("10.9.0.1", "10.9.0.2") == [errno.ENETDOWN]
    assert at.own() == []


@pytest.mark.parametrize("name", CALLS)
def test_a_namespace_that_vanishes(at: Fixture, name: Call) -> None:
    at.faults.rival(lambda: at.kernel.vanish(at.pod), call=name)
    for _ in range(2):
        with pytest.raises(OSError, match="No such device"):
            at.call(name)
    at.table.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        at.kernel.open(at.pod.descriptor)


# ---------------------------------------------------------------- what tests look at


def test_observers_see_the_table_after_every_operation(at: Fixture) -> None:
    seen: list[tuple[str, int]] = []
    at.pod.observe(lambda operation: seen.append((operation.verb, len(at.own()))))
    at.faults.refuse(errno=errno.EPERM, nth=2)
    at.add("10.9.0.1", "10.9.0.2", "10.9.0.3")
    assert seen == [("add", 1), ("add", 2)]


def test_a_watch_shows_a_gap(at: Fixture) -> None:
    at.pod.route("10.9.0.0/16 via 10.1.0.1 dev eth0")
    seen = at.pod.watch("10.9.0.1")
    route = at.pod.parse(OURS)
    old = at.pod.parse("10.9.0.0/16 via 10.1.0.1 dev eth0")
    at.table.apply(at.pod.batch(Operation("delete", old), Operation("add", route)))
    assert seen == [None, route]


def test_look_ups(at: Fixture) -> None:
    at.pod.route("default via 10.1.0.1 dev eth0")
    at.pod.route("default via 10.2.0.1 dev eth1 table 1000")
    at.pod.route("blackhole 10.66.0.0/16")
    at.pod.rule("from 10.2.0.2 lookup 1000 pref 100")
    ways = {
        "10.1.0.9": [2],
        "10.66.0.1": [],
        "192.0.2.1": [2],
    }
    assert {to: [hop.dev for hop in at.pod.paths(to)] for to in ways} == ways
    assert [hop.dev for hop in at.pod.paths("192.0.2.1", "10.2.0.2")] == [3]
    assert at.pod.lookup("10.66.0.1") is not None
    assert at.pod.lookup("2001:db8:9::1") is None


def test_what_others_do_raises_where_it_is_refused(at: Fixture) -> None:
    with pytest.raises(Refused):
        at.pod.route("10.9.0.0/16 via 10.99.0.1 dev eth0")
    assert at.kernel.writes == 0
