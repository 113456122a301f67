"""A rival that takes our route again and again is named, and met with patience."""

from __future__ import annotations

from pathlib import Path

import pytest

from cni_route.memory import Memory
from cni_route.view import EMPTY
from tests.unit.pods import FakePod, rule, view_of

VIEW = view_of(rule("172.16.0.0/16"), rule("172.17.0.0/16"))
OURS = "172.16.0.0/16 dev eth1 proto 114"


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pod(tmp_path: Path, clock: Clock) -> FakePod:
    made = FakePod(tmp_path)
    made.memory = Memory(clock)
    made.go(VIEW)
    return made


def take(pod: FakePod, times: int, clock: Clock) -> None:
    """The rival replaces our route, and a pass follows, a second apart."""
    for _ in range(times):
        clock.now += 1
        pod.ns.route("172.16.0.0/16 dev eth0 proto bird".replace("bird", "12"), "replace")
        pod.memory.doubt()
        pod.go(VIEW)


def test_four_times_are_taken_back(pod: FakePod, clock: Clock) -> None:
    take(pod, 4, clock)
    assert OURS in pod.routes(114)


def test_the_fifth_time_within_a_minute_it_is_contested(pod: FakePod, clock: Clock) -> None:
    take(pod, 5, clock)
    assert OURS not in pod.routes(114)
    outcome = pod.go(VIEW)
    assert [(v.outcome, v.code) for v in outcome.verdicts] == [
        ("failed", "Contested"),
        ("applied", ""),
    ]
    assert outcome.verdicts[0].reason.startswith(
        "a route of protocol bird (12) took its place 5 times within 60 s"
    )
    assert outcome.retry
    writes = pod.kernel.writes
    clock.now += 4
    pod.go(VIEW)
    assert pod.kernel.writes == writes
    clock.now += 2
    pod.go(VIEW)
    assert OURS in pod.routes(114)


def test_the_pauses_grow(pod: FakePod, clock: Clock) -> None:
    take(pod, 5, clock)
    clock.now += 6
    pod.go(VIEW)
    assert OURS in pod.routes(114)
    take(pod, 1, clock)
    clock.now += 6
    pod.go(VIEW)
    assert OURS not in pod.routes(114)
    clock.now += 6
    pod.go(VIEW)
    assert OURS in pod.routes(114)


def test_slow_takers_are_no_rivals(pod: FakePod, clock: Clock) -> None:
    for _ in range(10):
        clock.now += 20
        take(pod, 1, clock)
        assert OURS in pod.routes(114)


def test_a_flapping_link_is_no_rival(pod: FakePod, clock: Clock) -> None:
    for _ in range(8):
        clock.now += 1
        pod.ns.set_down("eth1")
        pod.ns.set_up("eth1")
        pod.memory.doubt(link_changed=True)
        outcome = pod.go(VIEW)
        assert OURS in pod.routes(114)
        assert {v.outcome for v in outcome.verdicts} == {"applied"}


def test_deletions_count_as_well(pod: FakePod, clock: Clock) -> None:
    for _ in range(5):
        clock.now += 1
        pod.ns.route("172.16.0.0/16 dev eth1 proto 114 scope link", "delete")
        pod.memory.doubt()
        pod.go(VIEW)
    assert OURS not in pod.routes(114)
    assert "somebody deleted it 5 times" in pod.go(VIEW).verdicts[0].reason


def test_what_was_contested_goes_when_its_rule_goes(pod: FakePod, clock: Clock) -> None:
    take(pod, 5, clock)
    pod.go(EMPTY)
    assert pod.routes(114) == []
    assert "172.16.0.0/16 dev eth0 proto 12" in pod.routes()
