"""When to look again: the agenda, the pauses after failures, the calm after events."""

from __future__ import annotations

import itertools
import random

from hypothesis import given
from hypothesis import strategies as st

from sync_service.agenda import Agenda, Calm, pause

TIMES = st.integers(0, 20).map(float)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(TIMES, st.none()))), TIMES)
def test_an_agenda_is_a_table_of_the_earliest_times(
    steps: list[tuple[str, float | None]], now: float
) -> None:
    agenda: Agenda[str] = Agenda()
    model: dict[str, float] = {}
    for key, when in steps:
        if when is None:
            agenda.drop(key)
            model.pop(key, None)
        else:
            agenda.add(key, when)
            model[key] = min(when, model.get(key, when))
        assert agenda.next() == min(model.values(), default=None)
        assert all((key in agenda) == (key in model) for key in "abc")
    taken = agenda.take(now)
    assert sorted(taken) == sorted(key for key, when in model.items() if when <= now)
    assert [model[key] for key in taken] == sorted(model[key] for key in taken)
    assert agenda.next() == min((w for w in model.values() if w > now), default=None)


def test_pauses_double_up_to_the_cap_and_never_end() -> None:
    chance = random.Random(1)
    for failures in (1, 2, 3, 10, 1000, 10**6):
        longest = min(30.0, 0.25 * 2.0 ** min(failures - 1, 50))
        for _ in range(50):
            assert longest / 2 <= pause(failures, 0.25, 30, chance) <= longest


def test_the_first_event_is_acted_upon_at_once() -> None:
    calm = Calm()
    assert calm.event(100.0) == 100.0
    assert calm.event(110.0) == 110.0, "and after a rest the next one, too"


def test_a_table_that_never_rests_is_looked_at_once_a_second_in_the_end() -> None:
    calm = Calm()
    now, looks = 0.0, []
    while now < 60:
        now = max(now + 0.001, calm.event(now))  # an event a millisecond after each look
        looks.append(now)
    assert sum(look <= 1 for look in looks) <= 12
    assert 55 <= len(looks) <= 75
    assert max(b - a for a, b in itertools.pairwise(looks)) <= 1.01


def test_a_burst_is_followed_to_its_end_soon() -> None:
    """A NIC that is made again says five or six things in a row."""
    calm = Calm()
    last = 0.0
    for event in (0.0, 0.001, 0.003, 0.006, 0.01, 0.02):
        last = max(last, calm.event(max(event, last)))
    assert last < 0.1
