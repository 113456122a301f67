"""What the loop does when it is asked: ADDs first, pauses, looks, cleanups, the end."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.contest import TIMES
from cni_route.view import EMPTY
from sync_service import loop
from tests.unit.loop_node import DEADLINE, OWN, RULE, Node, wait
from tests.unit.pods import rule, view_of


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

    threads = [
        threading.Thread(target=add, daemon=True),
        threading.Thread(target=node.loop.run, daemon=True),
    ]
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
    thread = threading.Thread(target=node.loop.run, daemon=True)
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


def test_cleanups_are_nobodys_contest(running: Node) -> None:
    running.add("a")
    running.see(view_of(rule(RULE)))
    for _ in range(TIMES + 1):
        wait(lambda: running.own("a") == [OWN])
        running.loop.cleanup()
        running.loop.set_paused(False)
    wait(lambda: running.own("a") == [OWN])


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
    thread = threading.Thread(target=node.loop.run, daemon=True)
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
