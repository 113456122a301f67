"""The loop on the fake kernel: what makes a pod dirty, and what becomes of it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.model import Pod, Service
from cni_route.view import EMPTY, build
from sync_service.loop import Timing
from tests.unit.loop_node import DEADLINE, OWN, RULE, Node, wait
from tests.unit.pods import rule, svc, view_of


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def running(node: Node) -> Iterator[Node]:
    """The same with the loop's thread at work; `node.loop` may be replaced only before."""
    thread = threading.Thread(target=node.loop.run, daemon=True)
    thread.start()
    yield node
    node.loop.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()


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
    for _ in range(100):
        running.loop.doubt_all()
    wait(lambda: running.own("a") == running.own("b") == [OWN])
    assert len(running.entered) < 20, "a flood of floods is not followed at every turn"


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
    thread = threading.Thread(target=node.loop.run, daemon=True)
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
    assert os.listdir(running.sandboxes.folder) == [], "no lock file is left behind"
