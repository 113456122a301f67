"""A scenario, played once in peace to see how it ends, and then once more for each kill."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

from tests.crash.stage import Quiet, Stage, State, check_copies, whole, wreck
from tests.crash.strace import Call, Killer, Recorder, sample
from tests.node.node import until
from tests.node.service import PATIENCE

TRIES = 3  # threads do this first or that, and in its own time: a call may come next time
LEAST = 0.7  # of the kills that must come
SECONDS = 6.0  # of one scenario, where only a sample is played
ANY = -1  # in place of a thread's number: by whichever comes first


class Scenario(NamedTuple):
    """`begin` brings the stage to where it begins, from wherever it is; `act` lets it happen.

    `own`: our routes at the begin and at the end. `again` is what people and runtimes do once
    there is a service again. `starting`: it happens by the service's being started, after `act`.
    """

    begin: Callable[[Stage], None]
    act: Callable[[Stage], None]
    own: tuple[list[str], list[str]]
    again: Callable[[Stage, State], None] = lambda stage, _before: stage.joined()
    starting: bool = False


class Rehearsal(NamedTuple):
    """How it begins and ends, and the calls on the way that change something."""

    before: State
    after: State
    calls: list[Call]


def rehearse(stage: Stage, scenario: Scenario) -> Rehearsal:
    """Play it in peace."""
    scenario.begin(stage)
    quiet = Quiet(stage.service.pid)
    until(lambda: _is_at(stage, scenario.own[0]) and quiet(), "where it begins")
    before = stage.state()
    pid = _set_out(stage, scenario)
    with Recorder(pid, stage.folder / "calls") as recorder:
        _let_happen(stage, scenario)
        stage.joined()
        quiet = Quiet(pid)
        until(lambda: _is_at(stage, scenario.own[1]) and quiet(), "where it ends")
    after = stage.state()
    for state in (before, after):
        check_copies(state)
    calls = recorder.calls()
    if scenario.starting:  # its threads do not exist yet when strace comes
        calls = sorted({call._replace(thread=ANY): None for call in calls})
        calls = [next(same) for _, same in groupby(calls, lambda c: (c.name, c.number))]
    return Rehearsal(before, after, [call for call in calls if call.changes])


def _is_at(stage: Stage, own: list[str]) -> bool:
    return stage.the_pod.look().own() == own and stage.has_followed()


def _has_come_to(stage: Stage, after: State) -> bool:
    return stage.is_alone() and stage.state() == after


def _set_out(stage: Stage, scenario: Scenario) -> int:
    """The process in which it will happen."""
    if scenario.starting:
        stage.service.kill()
        scenario.act(stage)
        stage.service.fork()
    return stage.service.pid


def _let_happen(stage: Stage, scenario: Scenario) -> None:
    if scenario.starting:
        stage.service.send(signal.SIGCONT)
    else:
        scenario.act(stage)


def play(stage: Stage, scenario: Scenario, rehearsal: Rehearsal, call: Call) -> bool:
    """Play it and kill the service at a call; whether it came to that."""
    before, after, _ = rehearsal
    scenario.begin(stage)
    stage.await_state(before, "where it begins")
    pid = _set_out(stage, scenario)
    with Killer(pid, call, stage.folder / "killed"):
        _let_happen(stage, scenario)
        quiet = Quiet(pid)
        until(
            lambda: stage.service.is_dead() or (_has_come_to(stage, after) and quiet()),
            "it ends, or is killed",
            PATIENCE,
        )
    if not stage.service.is_dead():
        stage.joined()
        return False
    stage.service.kill()
    wreck(stage, before, after)
    stage.service.start()
    scenario.again(stage, before)
    stage.await_state(after, "where it ends", lambda there: whole(there, before, after))
    return True


@contextmanager
def named(call: Call) -> Iterator[None]:
    """Say with a failure where the kill came."""
    try:
        yield
    except Exception as error:
        raise AssertionError(f"killed at {call}: {error}") from error


def play_all(
    calls: list[Call], play_one: Callable[[Call], bool], rng: random.Random, soak: bool
) -> str:
    """Play the calls, or a sample of them; a line about it.

    In the long run all, and of each thread and name more, until the scenario ends unharmed. Else
    one of each name, and more of each as long as there is time.
    """
    end = time.monotonic() + SECONDS
    played, missed = 0, []
    for number, chosen in enumerate([calls] if soak else sample(calls, rng)):
        if number and time.monotonic() > end:
            break
        for call in chosen:
            with named(call):
                if not any(play_one(call) for _ in range(TRIES)):
                    missed.append(str(call))
        played += len(chosen)
    assert len(missed) <= (1 - LEAST) * played, missed
    more = _play_on(calls, play_one) if soak else 0
    beyond = f" and {more} more" if more else ""
    return f"{played - len(missed)} kills at {played} of {len(calls)} calls{beyond}"


def _play_on(calls: list[Call], play_one: Callable[[Call], bool]) -> int:
    more = 0
    for last in {(call.thread, call.name): call for call in calls}.values():
        call = last._replace(number=last.number + 1, text="")
        with named(call):
            while play_one(call):
                more += 1
                call = call._replace(number=call.number + 1)
    return more


__all__ = ["Rehearsal", "Scenario", "named", "play", "play_all", "rehearse"]
