"""A scenario, played once in peace to see how it ends, and then once more for each kill."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from typing import NamedTuple

from tests.crash.stage import Quiet, Stage, State, check_copies, wreck
from tests.crash.strace import Call, Killer, Recorder, sample
from tests.node.node import until
from tests.node.service import PATIENCE

MOST = 0.8  # of the kills must come: threads may do this first, and then that
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
            lambda: stage.service.is_dead() or (stage.state() == after and quiet()),
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
    stage.await_state(after, "where it ends")
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

    In the long run all, and of each thread and name more, until the scenario ends unharmed.
    """
    chosen = calls if soak else sample(calls, rng)
    missed = []
    for call in chosen:
        with named(call):
            if not play_one(call):
                missed.append(str(call))
    kills = len(chosen) - len(missed)
    assert kills >= MOST * len(chosen), missed
    more = 0
    if soak:
        for last in {(call.thread, call.name): call for call in calls}.values():
            call = last._replace(number=last.number + 1, text="")
            with named(call):
                while play_one(call):
                    more += 1
                    call = call._replace(number=call.number + 1)
    beyond = f" and {more} more" if more else ""
    return f"{kills} kills at {len(chosen)} of {len(calls)} calls{beyond}"


__all__ = ["Rehearsal", "Scenario", "named", "play", "play_all", "rehearse"]
