"""The loop on the fake kernel: what makes a pod dirty, what becomes of it, and who goes first."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cni_route.model import Pod, Service
from cni_route.reconcile import Options
from cni_route.record import Record
from cni_route.sandbox import NamespaceError, Sandboxes
from cni_route.view import EMPTY, View, build, touched
from sync_service import loop
from sync_service.ledger import Ledger
from sync_service.loop import Loop, Timing
from sync_service.passes import Door, Passes
from sync_service.store import News
from tests.fakes.fake_kernel import FakeKernel
from tests.fakes.namespace import FakeNamespace
from tests.unit.pods import rule, svc, view_of, words

DEADLINE = 10.0


class Node:
    """Pods on the fake kernel, looked after by a loop; paths of namespaces are ns/NAME."""

    def __init__(self, folder: Path) -> None:
        self.kernel = FakeKernel()
        self.said: list[str] = []
        self.sandboxes = Sandboxes(str(folder), self.said.append)
        self.namespaces: dict[str, FakeNamespace] = {}
        self.heard: list[str] = []
        self.forgotten: list[str] = []
        self.ledger = Ledger()
        self.timing = Timing(0.001, 0.01, 1000)
        self.view = EMPTY
        self.entered: list[str] = []
        self.passes = Passes(
            self.kernel,
            self.sandboxes,
            self.ledger,
            gone=lambda record: record.netns not in self.namespaces,
            heard=lambda container_id, _: not self.heard.append(container_id),  # type: ignore[func-returns-value]
            way=Door(self.enter, lambda _: None),
        )
        self.loop = self.make_loop()

    def make_loop(self, paused: bool = False) -> Loop:
        return Loop(
            self.passes,
            self.ledger,
            lambda: self.timing,
            Options(),
            paused=paused,
            forgotten=self.forgotten.append,
        )

    def enter(self, path: str) -> tuple[int, int]:
        self.entered.append(path)
        if path not in self.namespaces:
            raise NamespaceError(errno.ENOENT, f"the network namespace {path!r} is gone")
        return self.namespaces[path].descriptor, self.namespaces[path].inode

    def add(self, name: str, *, adopt: bool = True) -> Record:
        made = self.kernel.make()
        made.add_link("eth0", "10.244.1.5/24")
        made.add_link("eth1", "10.124.2.5/24")
        made.route("default via 10.244.1.1 dev eth0")
        self.namespaces[f"ns/{name}"] = made
        record = Record(f"c-{name}", f"ns/{name}", made.inode, "d", name, f"u-{name}")
        self.sandboxes.save(record)
        if adopt:
            self.loop.adopt(record)
        return record

    def see(self, view: View, complete: bool = True) -> None:
        self.loop.see(News(view, touched(self.view, view), complete))
        self.view = view

    def own(self, name: str) -> list[str]:
        namespace = self.namespaces[f"ns/{name}"]
        names = {link.ifindex: dev for dev, link in namespace.links().items()}
        return [words(r, names) for r in namespace.dump() if r.protocol in (114, 115)]

    def state(self, name: str) -> str:
        found = self.ledger.get(f"c-{name}")
        return "" if found is None else found.state


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def running(node: Node) -> Iterator[Node]:
    """The same with the loop's thread at work; `node.loop` may be replaced only before."""
    thread = threading.Thread(target=node.loop.run)
    thread.start()
    yield node
    node.loop.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.0005)


RULE = "172.16.0.0/16"
OWN = "172.16.0.0/16 dev eth1 proto 114"


def test_pods_that_are_known_get_what_the_view_wants(running: Node) -> None:
    running.add("a")
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("a") == [OWN])
    running.add("b")
    wait(lambda: running.own("b") == [OWN])
    running.see(EMPTY)
    wait(lambda: running.own("a") == running.own("b") == [])
    wait(lambda: running.state("a") == running.state("b") == "ok")
    assert running.heard == ["c-a", "c-b"]
    wait(lambda: running.kernel.open_tables == [])


def test_before_the_source_is_complete_nothing_is_taken_out(running: Node) -> None:
    running.add("a")
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("a") == [OWN])
    running.see(view_of(rule("172.17.0.0/16")), complete=False)
    wait(lambda: len(running.own("a")) == 2)
    running.see(view_of(rule("172.17.0.0/16")), complete=True)
    wait(lambda: running.own("a") == ["172.17.0.0/16 dev eth1 proto 114"])


def test_only_pods_that_are_touched_are_looked_at(running: Node) -> None:
    for name in "abc":
        running.add(name)
    running.see(view_of(rule(RULE)))
    wait(lambda: all(running.own(name) == [OWN] for name in "abc"))
    routes = list(running.view.routes.values())
    running.entered.clear()
    running.see(build(routes, pods=[Pod("d", "b", "u-b")]))
    running.see(build(routes, pods=[Pod("d", "b", "u-b"), Pod("d", "c", "mirror")]))
    wait(lambda: running.entered == ["ns/b", "ns/c"])
    running.see(build(routes, [Service("d", "x")], [Pod("d", "b", "u-b"), Pod("d", "c", "mirror")]))
    running.add("e")
    wait(lambda: running.own("e") == [OWN])
    assert running.entered == ["ns/b", "ns/c", "ns/e"]


def test_a_service_flips_in_all_pods(running: Node) -> None:
    for name in "abc":
        running.add(name)
    for dev in ("eth0", "eth1", "eth0"):
        running.see(view_of(svc("nginx", dev), services={"nginx": "10.96.0.1"}))
        for name in "abc":
            wait(lambda n=name, d=dev: running.own(n) == [f"10.96.0.1/32 dev {d} proto 114"])


def test_what_is_deleted_by_hand_comes_back_with_the_event(running: Node) -> None:
    running.add("a")
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("a") == [OWN])
    namespace = running.namespaces["ns/a"]
    for _ in range(3):
        namespace.route(f"{RULE} dev eth1 proto 114 scope link", "delete")
        running.loop.event("c-a")
        wait(lambda: running.own("a") == [OWN])
    running.loop.event("c-nobody")


def test_lost_events_make_everything_doubtful(running: Node) -> None:
    for name in "ab":
        running.add(name)
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("a") == running.own("b") == [OWN])
    for name in "ab":
        running.namespaces[f"ns/{name}"].route(f"{RULE} dev eth1 proto 114 scope link", "delete")
    running.loop.doubt_all()
    wait(lambda: running.own("a") == running.own("b") == [OWN])


def test_the_sweep_finds_what_no_event_told(running: Node) -> None:
    running.timing = Timing(0.001, 0.01, 0.02)
    running.add("a")
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("a") == [OWN])
    running.namespaces["ns/a"].route(f"{RULE} dev eth1 proto 114 scope link", "delete")
    wait(lambda: running.own("a") == [OWN])


def test_what_fails_is_tried_for_ever_and_said_once(
    running: Node, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(20):
        running.kernel.faults.fail("dump", errno=errno.ENOBUFS)
    running.add("a")
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("a") == [OWN])
    wait(lambda: running.state("a") == "ok")
    wait(lambda: "d/a: is well again" in caplog.messages or len(caplog.messages) > 0)
    assert caplog.messages.count("d/a: No buffer space available") == 1


def test_one_pods_mistake_is_its_own(running: Node, caplog: pytest.LogCaptureFixture) -> None:
    bad = running.add("bad", adopt=False)
    running.namespaces["ns/bad"].dump = None  # type: ignore[assignment, method-assign]
    running.loop.adopt(bad)
    running.add("good")
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("good") == [OWN])
    wait(lambda: running.state("bad") == "failed")
    found = running.ledger.get("c-bad")
    assert found is not None
    assert found.error.startswith("a mistake in cni-route: TypeError")
    assert any("a pass ended in a mistake" in message for message in caplog.messages)


def test_a_namespace_that_is_gone_takes_its_record_along(running: Node) -> None:
    running.add("a")
    wait(lambda: running.state("a") == "ok")
    del running.namespaces["ns/a"]
    running.loop.event("c-a")
    wait(lambda: running.forgotten == ["c-a"])
    assert running.sandboxes.ids() == []
    assert running.ledger.pods() == ()
    assert not running.loop.knows("c-a")


def test_a_namespace_that_cannot_be_opened_keeps_its_record(node: Node) -> None:
    node.add("a")
    made = node.namespaces.pop("ns/a")
    node.passes._gone = lambda _: False  # the path is there, and yet it cannot be opened
    thread = threading.Thread(target=node.loop.run)
    thread.start()
    wait(lambda: node.state("a") == "failed")
    assert node.sandboxes.ids() == ["c-a"]
    node.namespaces["ns/a"] = made
    wait(lambda: node.state("a") == "ok")
    node.loop.stop()
    thread.join(DEADLINE)


def test_another_namespace_under_the_path_is_not_touched(running: Node) -> None:
    running.add("a")
    wait(lambda: running.state("a") == "ok")
    other = running.kernel.make()
    other.add_link("eth1", "10.124.2.9/24")
    running.namespaces["ns/a"] = other
    running.see(view_of(rule(RULE)))
    wait(lambda: running.state("a") == "failed")
    assert running.own("a") == []
    assert "another one now" in running.ledger.get("c-a").error  # type: ignore[union-attr]


def test_a_record_that_was_removed_is_forgotten(running: Node) -> None:
    running.add("a")
    wait(lambda: running.state("a") == "ok")
    running.sandboxes.remove("c-a")
    running.loop.check("c-a")
    wait(lambda: running.forgotten == ["c-a"])


# ---------------------------------------------------------------- asked from outside


def test_an_add_makes_its_own_pass_and_the_loop_knows_the_pod(running: Node) -> None:
    running.see(view_of(rule(RULE)))
    record = running.add("a", adopt=False)
    descriptor = running.namespaces["ns/a"].descriptor
    outcome = running.loop.pass_over(record, descriptor, False)
    assert outcome.written == 1
    assert running.own("a") == [OWN]
    assert running.state("a") == "ok"
    running.see(EMPTY)
    wait(lambda: running.own("a") == [])
    assert running.loop.pass_over(record, descriptor, True).planned == ()


def test_the_loop_stands_aside_for_adds(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_ADDS_FIRST", DEADLINE)
    for name in "abcd":
        node.add(name)
    node.see(view_of(rule(RULE)))
    record = node.add("new", adopt=False)
    inside, go_on = threading.Event(), threading.Event()
    node.passes._heard = lambda key, _: key != "c-new" or (inside.set() or go_on.wait(DEADLINE))

    def add() -> None:
        node.loop.pass_over(record, node.namespaces["ns/new"].descriptor, False)
        node.entered.append("the ADD is done")

    threads = [threading.Thread(target=add), threading.Thread(target=node.loop.run)]
    threads[0].start()
    assert inside.wait(DEADLINE)
    threads[1].start()
    go_on.set()
    wait(lambda: all(node.own(name) == [OWN] for name in ("a", "b", "c", "d", "new")))
    node.loop.stop()
    for thread in threads:
        thread.join(DEADLINE)
    assert node.entered[0] == "the ADD is done"


def test_paused_writes_nothing_and_reports_as_if(node: Node) -> None:
    node.loop = node.make_loop(paused=True)
    node.add("a")
    thread = threading.Thread(target=node.loop.run)
    thread.start()
    node.see(view_of(rule(RULE)))
    wait(lambda: bool((s := node.ledger.get("c-a")) and s.verdicts))
    assert node.kernel.writes == 0
    assert {v.outcome for v in node.ledger.get("c-a").verdicts} == {"observed"}  # type: ignore[union-attr]
    assert node.loop.paused
    node.loop.set_paused(False)
    wait(lambda: node.own("a") == [OWN])
    node.loop.stop()
    thread.join(DEADLINE)


def test_cleanup_leaves_nothing_and_stays_paused(running: Node) -> None:
    for name in "ab":
        running.add(name)
    running.add("c")
    view = view_of(rule(RULE), rule("default", via="10.124.2.1"))
    running.see(view)
    wait(lambda: all(len(running.own(name)) == 3 for name in "abc"))
    wait(lambda: all(running.state(name) == "ok" for name in "abc"))
    running.kernel.faults.fail("dump", errno=errno.EIO)
    first, second, third = running.loop.cleanup()
    assert (first.left, first.error) == (0, "Input/output error")
    for cleaned in (second, third):
        assert (cleaned.left, cleaned.error) == (0, "")
        assert cleaned.removed > 0
    assert running.own("b") == running.own("c") == []
    assert running.loop.paused
    running.see(view_of(rule("172.18.0.0/16")))
    wait(lambda: {v.outcome for v in running.ledger.get("c-b").verdicts} == {"observed"})  # type: ignore[union-attr]
    assert running.own("b") == []
    again = running.loop.cleanup()
    assert [(c.left, c.error) for c in again] == [(0, "")] * 3
    running.loop.set_paused(False)
    wait(lambda: running.own("b") == ["172.18.0.0/16 dev eth1 proto 114"])


def test_a_look_sees_the_pod_as_it_is(running: Node) -> None:
    running.add("a")
    running.see(view_of(rule(RULE)))
    wait(lambda: running.own("a") == [OWN])
    running.namespaces["ns/a"].route(f"{RULE} dev eth1 proto 114 scope link", "delete")
    seen = running.loop.look("c-a")
    assert seen is not None
    assert [str(r.key.dst) for r in seen.wanted] == [RULE]
    assert RULE not in [str(r.key.dst) for r in seen.actual]
    assert running.loop.look("c-nobody") is None


def test_a_look_does_first_what_is_pending(node: Node) -> None:
    node.add("a")
    node.see(view_of(rule(RULE)))
    seen = node.loop.look("c-a")
    assert seen is not None
    assert RULE in [str(r.key.dst) for r in seen.actual]
    assert seen.state == "ok"


def test_who_can_wait_waits_until_nothing_is_to_be_done(node: Node) -> None:
    node.add("a")
    node.see(view_of(rule(RULE)))
    began = time.monotonic()
    node.loop.rest(0.05)
    assert time.monotonic() - began >= 0.05, "a pod is dirty, and nobody is at it"
    thread = threading.Thread(target=node.loop.run)
    thread.start()
    node.loop.rest(DEADLINE)
    assert node.own("a") == [OWN]
    node.loop.stop()
    thread.join(DEADLINE)
    node.loop.rest(DEADLINE)


def test_stop_leaves_all_routes_and_ends_behind_the_pod_in_hand(node: Node) -> None:
    for name in "abc":
        node.add(name)
    node.see(view_of(rule(RULE)))
    node.passes._heard = lambda *_: node.loop.stop() is None
    node.loop.run()
    assert len(node.entered) == 1
    assert node.own("a") == [OWN]
