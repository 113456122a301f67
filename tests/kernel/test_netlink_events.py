"""The listener: what others do in several namespaces is heard, what we do is not."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from errno import EBADF, EINVAL
from typing import NamedTuple

import pytest

from cni_route.address import AF_INET, Address, Prefix
from cni_route.model import (
    SCOPE_LINK,
    Batch,
    Hop,
    KernelRoute,
    LinkAddress,
    Operation,
    PolicyRule,
    key_of,
)
from cni_route.netlink import channel
from cni_route.netlink.events import Event, Listener, assign_nsid
from cni_route.netlink.table import NetlinkKernel
from tests.kernel.namespaces import (
    DEADLINE_SECONDS,
    Namespace,
    bare,
    descriptors,
    needs_root,
    pod,
)

pytestmark = needs_root


class Host(NamedTuple):
    """A namespace that stands for the host's, and a listener in it."""

    space: Namespace
    listener: Listener

    def assign(self, space: Namespace) -> int:
        return self.space.call(lambda: assign_nsid(space.descriptor))

    def hear(self, enough: Callable[[list[Event]], bool]) -> list[Event]:
        """All events until there are enough."""
        heard: list[Event] = []
        while not enough(heard):
            ready, _, _ = select.select([self.listener], [], [], DEADLINE_SECONDS)
            assert ready, f"nothing more within {DEADLINE_SECONDS} s after {heard}"
            heard += self.listener.read()
        return heard


@pytest.fixture
def host() -> Iterator[Host]:
    with bare() as space, closing(space.call(Listener)) as listener:
        yield Host(space, listener)


@pytest.fixture
def two() -> Iterator[tuple[Namespace, Namespace]]:
    with pod() as one, pod() as other:
        yield one, other


def mark(space: Namespace) -> None:
    """A foreign event that ends what a test waits for."""
    space.ip("route add 10.99.99.99 dev eth0 proto 99")


def marked(events: list[Event]) -> bool:
    return any(event.route and event.route.protocol == 99 for event in events)


def test_routes_links_addresses_and_rules_of_two_namespaces(
    host: Host, two: tuple[Namespace, Namespace]
) -> None:
    first, second = (host.assign(space) for space in two)
    assert first != second
    index = two[1].index("eth1")
    two[0].ip("route add 10.5.0.0/16 via 10.0.0.1 proto 17 mtu 1300")
    two[1].ip("-6 route add 2001:db8:5::/48 dev eth0 metric 7")
    two[1].ip("-6 route del 2001:db8:5::/48 dev eth0 metric 7")
    two[0].ip("address add 10.7.0.1/30 dev eth1")
    two[0].ip("address del 10.7.0.1/30 dev eth1")
    two[0].ip("rule add pref 300 from 10.0.0.2 lookup 100 proto 17")
    two[0].ip("rule del pref 300")
    two[1].ip("link set eth1 down")
    two[1].ip("link set eth1 name net1")
    two[1].ip("link del net1")
    mark(two[1])
    heard = host.hear(marked)

    def of(nsid: int, kind: str) -> list[Event]:
        return [event for event in heard if event.nsid == nsid and event.kind == kind]

    eth0 = two[0].index("eth0")
    wanted = KernelRoute(
        key_of(Prefix.parse("10.5.0.0/16")),
        (Hop(eth0, Address.parse("10.0.0.1")),),
        protocol=17,
        mtu=1300,
    )
    assert Event(first, "route", route=wanted) in of(first, "route")
    six = [e for e in of(second, "route") if e.route and str(e.route.key.dst).endswith("5::/48")]
    assert [event.new for event in six] == [True, False]
    assert six[0].route == six[1].route
    address = LinkAddress(Address.parse("10.7.0.1"), 30)
    there = two[0].index("eth1")
    assert [e for e in of(first, "address") if e.address == address] == [
        Event(first, "address", True, ifindex=there, address=address),
        Event(first, "address", False, ifindex=there, address=address),
    ]
    rule = PolicyRule(AF_INET, 300, 100, Prefix.parse("10.0.0.2"), 17)
    assert of(first, "rule") == [
        Event(first, "rule", True, rule=rule),
        Event(first, "rule", False, rule=rule),
    ]
    links = [event for event in of(second, "link") if event.ifindex == index]
    assert any(e.name == "eth1" and not e.up and e.new for e in links)
    assert any(e.name == "net1" and e.new for e in links)
    assert (links[-1].name, links[-1].new) == ("net1", False)
    assert not of(second, "overrun")


def test_carrier_lost_is_heard(host: Host, two: tuple[Namespace, Namespace]) -> None:
    nsid = host.assign(two[0])
    two[0].ip("link set p0 down")
    heard = host.hear(lambda events: any(e.name == "eth0" and not e.carrier for e in events))
    last = [event for event in heard if event.name == "eth0"][-1]
    assert (last.nsid, last.kind, last.up, last.carrier) == (nsid, "link", True, False)


def test_a_port_that_leaves_its_bridge_is_not_gone(
    host: Host, two: tuple[Namespace, Namespace]
) -> None:
    two[0].batch("link add br0 type bridge", "link set p1 master br0")
    host.assign(two[0])
    two[0].ip("link set p1 nomaster")
    mark(two[0])
    gone = [event for event in host.hear(marked) if event.kind == "link" and not event.new]
    assert gone == []


def test_our_own_writes_are_not_heard(host: Host, two: tuple[Namespace, Namespace]) -> None:
    nsid = host.assign(two[0])
    with closing(NetlinkKernel().open(two[0].descriptor)) as table:
        eth0 = table.links()["eth0"].ifindex
        rule = PolicyRule(AF_INET, 300, 100, Prefix.parse("10.0.0.2"), 114)
        routes = [
            KernelRoute(key_of(Prefix.parse("10.5.0.0/16")), (Hop(eth0),), scope=SCOPE_LINK),
            KernelRoute(key_of(Prefix.parse("2001:db8:5::/48")), (Hop(eth0),)),
        ]
        for verb in ("add", "replace", "delete", "add"):
            operations = tuple(Operation(verb, route) for route in routes)
            assert table.apply(Batch(table.namespace, operations)) == ()
        operations = (Operation("add", rule), Operation("delete", rule))
        assert table.apply(Batch(table.namespace, operations)) == ()
        mark(two[0])
        heard = host.hear(marked)
        # the kernel tells of a new link's state when it finds the time, maybe only now
        assert [event.kind for event in heard if event.kind != "link"] == ["route"]
        # taken from us: that is heard
        two[0].ip("route del 10.5.0.0/16")
        heard = host.hear(lambda events: any(event.kind == "route" for event in events))
        (event,) = (event for event in heard if event.kind == "route")
        assert event == Event(nsid, "route", False, route=routes[0])


def test_another_process_with_our_code_is_heard(
    host: Host, two: tuple[Namespace, Namespace]
) -> None:
    host.assign(two[0])
    words = (
        "import sys; from cni_route.model import *; from cni_route.address import *;"
        "from cni_route.netlink.table import NetlinkKernel;"
        "table = NetlinkKernel().open(int(sys.argv[1]));"
        "index = table.links()['eth0'].ifindex;"
        "route = KernelRoute(key_of(Prefix.parse('10.5.0.0/16')), (Hop(index),), scope=253);"
        "assert not table.apply(Batch(table.namespace, (Operation('add', route),)));"
        "table.close()"
    )
    descriptor = two[0].descriptor
    subprocess.run(
        [sys.executable, "-c", words, str(descriptor)], pass_fds=[descriptor], check=True
    )
    (event,) = host.hear(bool)
    assert event.route
    assert str(event.route.key.dst) == "10.5.0.0/16"


def test_a_namespace_without_an_id_is_not_heard_and_one_with_a_veth_is(
    host: Host, two: tuple[Namespace, Namespace]
) -> None:
    two[0].ip("route add 10.5.0.0/16 dev eth0")
    host.space.ip("link add out type veth peer name in")
    host.space.ip(f"link set in netns /proc/{os.getpid()}/fd/{two[1].descriptor}")
    two[1].ip("route add 10.6.0.0/16 dev eth0")
    two[0].ip("route add 10.7.0.0/16 dev eth0")
    mark(two[1])
    heard = host.hear(marked)
    assert {event.nsid for event in heard} == {host.assign(two[1])}
    assert any(e.route and str(e.route.key.dst) == "10.6.0.0/16" for e in heard)


def test_the_hosts_own_events_only_on_request(host: Host, two: tuple[Namespace, Namespace]) -> None:
    host.assign(two[0])
    with closing(host.space.call(lambda: Listener(host=True))) as both:
        host.space.ip("address add 10.8.0.1/32 dev lo")
        mark(two[0])
        heard = host.hear(marked)
        assert all(event.nsid is not None for event in heard)
        own = [event for event in both.read() if event.nsid is None]
        assert LinkAddress(Address.parse("10.8.0.1"), 32) in [event.address for event in own]


def test_ids_are_assigned_once_by_however_many(host: Host) -> None:
    numbers: set[int] = set()
    for _ in range(40):
        with bare() as space:
            found: list[int] = []
            together = threading.Barrier(4)

            def assign(
                space: Namespace = space,
                found: list[int] = found,
                together: threading.Barrier = together,
            ) -> None:
                def work() -> int:
                    together.wait(DEADLINE_SECONDS)
                    return assign_nsid(space.descriptor)

                found.append(host.space.call(work))

            threads = [threading.Thread(target=assign) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(found) == 4, "one of them failed"
            assert len(set(found)) == 1
            numbers.update(found)
    assert min(numbers) >= 0


def test_only_namespaces_get_an_id(host: Host, two: tuple[Namespace, Namespace]) -> None:
    assert host.assign(two[0]) != host.assign(two[1])
    before = descriptors()
    with open("/dev/null", encoding="ascii") as other:
        for number, error in ((other.fileno(), EINVAL), (999_999, EBADF)):
            with pytest.raises(OSError, match=rf"\[Errno ({error}|{EINVAL})\]"):
                assign_nsid(number)
    assert descriptors() == before


def test_an_overflow_is_an_event_and_hearing_goes_on(
    host: Host, two: tuple[Namespace, Namespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    nsid = host.assign(two[0])
    monkeypatch.setattr(channel, "BUFFER_BYTES", 8192)
    with closing(host.space.call(Listener)) as small:
        narrow = Host(host.space, small)
        two[0].batch(*(f"route add 10.5.{n}.0/24 dev eth0" for n in range(200)))
        heard = narrow.hear(lambda events: any(e.kind == "overrun" for e in events))
        assert heard[-1] == Event(None, "overrun")
        assert len(heard) < 200
        assert small.read() == ()
        mark(two[0])
        (event,) = narrow.hear(bool)
        assert event.nsid == nsid
        assert event.route
        assert event.route.protocol == 99
    # the one with room has heard all of it
    mark_count = len([e for e in host.hear(marked) if e.kind == "route"])
    assert mark_count == 201


def test_reading_does_not_wait_and_closing_twice_is_fine(host: Host) -> None:
    assert host.listener.read() == ()
    before = descriptors()
    other = Listener()
    other.close()
    other.close()
    assert descriptors() == before


def test_after_a_namespace_has_ended_the_next_one_is_heard(host: Host) -> None:
    ended = Namespace()
    host.assign(ended)
    ended.ip("link set lo up")
    ended.close()
    with pod() as other:
        nsid = host.assign(other)
        mark(other)
        heard = host.hear(marked)
        assert heard[-1].nsid == nsid
        assert not [event for event in heard if event.kind == "overrun"]
