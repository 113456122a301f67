"""What reporters read of a pass."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cni_route.model import Verdict
from cni_route.reconcile import Outcome
from cni_route.record import Record
from sync_service.ledger import Ledger, PodState
from tests.unit.pods import FakePod, rule, view_of


def outcome(*outcomes: str, **more: object) -> Outcome:
    record = Record("c1", "/netns", 1, "d", "web", "u1")
    verdicts = tuple(Verdict("r", f"spec.route[{i}]", o) for i, o in enumerate(outcomes))  # type: ignore[arg-type]
    return Outcome(record, {None: verdicts}, {}, {}, {})._replace(**more)


@pytest.mark.parametrize(
    ("left", "state"),
    [
        (outcome(), "ok"),
        (outcome("applied", "filtered", "skipped", "observed", "conflict"), "ok"),
        (outcome("applied", "pending"), "pending"),
        (outcome("deferred"), "pending"),
        (outcome("applied", retry=True), "pending"),
        (outcome("pending", "failed", retry=True), "failed"),
        (outcome("applied", error="it broke"), "failed"),
    ],
)
def test_a_pods_state_in_one_word(left: Outcome, state: str) -> None:
    ledger = Ledger()
    ledger.note(left, 5.0)
    found = ledger.get("c1")
    assert found is not None
    assert (found.state, found.error, found.updated) == (state, left.error, 5.0)
    assert (found.namespace, found.name, found.uid, found.netns) == ("d", "web", "u1", "/netns")
    assert found.verdicts == left.verdicts


def test_what_a_real_pass_left_is_all_there(tmp_path: Path) -> None:
    pod = FakePod(tmp_path)
    ledger = Ledger()
    ledger.note(pod.go(view_of(rule("172.16.0.0/16"))), 1.0)
    (state,) = ledger.pods()
    assert state.state == "ok"
    assert [str(route.key.dst) for route in state.wanted] == ["172.16.0.0/16"]
    assert set(state.wanted) <= set(state.actual)
    assert {link.name for link in state.links} == {"lo", "eth0", "eth1"}


def test_pods_are_sorted_and_can_be_dropped() -> None:
    ledger = Ledger()
    for number, (namespace, name) in enumerate([("b", "a"), ("a", "z"), ("a", "y"), ("a", "y")]):
        ledger.put(PodState(f"c{number}", namespace, name, "", ""))
    assert [s.container_id for s in ledger.pods()] == ["c2", "c3", "c1", "c0"]
    ledger.drop("c0")
    ledger.drop("c0")
    assert ledger.get("c0") is None
    assert len(ledger.pods()) == 3


def test_it_can_be_read_while_it_is_written() -> None:
    ledger = Ledger()
    end = threading.Event()

    def write() -> None:
        number = 0
        while not end.is_set():
            ledger.put(PodState(f"c{number % 500}", "d", str(number), "", ""))
            ledger.drop(f"c{(number * 7) % 500}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            ledger.pods()
    finally:
        end.set()
        writer.join()
