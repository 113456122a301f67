"""Without a service: the plugin, or the cleanup command, is killed at a system call.

What the runtime does then (it calls again) or the node (the service starts) makes all as if
nothing had been; meanwhile no destination is without its route, no displaced route is lost.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.crash import folder
from tests.crash.folder import OWN_PLAIN, OWN_TAKING
from tests.crash.play import play_all
from tests.crash.stage import Quiet, Stage, State, check_copies, wreck
from tests.crash.strace import NAMES, Call, Killer, Recorder, inject, read
from tests.node.node import until
from tests.node.service import LOG

Figure = Callable[[str, str], None]
Turn = tuple[str, str]  # verb, NIC


class Case(NamedTuple):
    """The call that is killed, and what came before it: the snapshot's text, calls in peace."""

    text: str
    turn: Turn
    own: tuple[list[str], list[str]]  # before and after
    before: tuple[Turn, ...] = ()


CASES = {
    "a-nic-is-added": Case(folder.PLAIN, ("ADD", "eth0"), ([], OWN_PLAIN)),
    "the-default-route-is-displaced": Case(folder.TAKING, ("ADD", "eth0"), ([], OWN_TAKING)),
    "a-second-nic-is-added": Case(
        folder.PLAIN, ("ADD", "eth1"), (OWN_PLAIN, OWN_PLAIN), (("ADD", "eth0"),)
    ),
    "a-nic-is-deleted": Case(
        folder.PLAIN, ("DEL", "eth1"), (OWN_PLAIN, OWN_PLAIN), (("ADD", "eth0"), ("ADD", "eth1"))
    ),
    "the-last-nic-is-deleted": Case(
        folder.TAKING, ("DEL", "eth0"), (OWN_TAKING, OWN_TAKING), (("ADD", "eth0"),)
    ),
}


def run(stage: Stage, turn: Turn) -> None:
    """A call in peace, which must succeed."""
    verb, nic = turn
    (stage.add if verb == "ADD" else stage.delete)(nic)


def traced(stage: Stage, turn: Turn, notes: Path, *options: str) -> int:
    """A call under strace; its exit code."""
    prefix = ("strace", "-s", "64", "-o", str(notes), *options)
    return stage.call(*turn, prefix=prefix).returncode


def begin(stage: Stage, case: Case) -> State:
    """A new pod, as it is before the call; the service that wrote the snapshot is gone."""
    stage.new_pod()
    for turn in case.before:
        run(stage, turn)
    state = stage.state()
    assert state.sight.own() == case.own[0]
    return state


def call_again(stage: Stage, turn: Turn) -> None:
    """The runtime calls once more."""
    run(stage, turn)


def start_service(stage: Stage, turn: Turn) -> None:
    """A service comes before the runtime calls once more."""
    stage.service.start()
    run(stage, turn)


WAYS = (call_again, start_service)


@pytest.mark.parametrize("name", CASES)
def test_a_killed_plugin_is_made_good_where(
    stage: Stage,
    name: str,
    rng: random.Random,
    soak: bool,
    figure: Figure,
) -> None:
    """Whatever system call it is killed at."""
    case = CASES[name]
    stage.leave_snapshot(case.text)
    begin(stage, case)
    run(stage, case.turn)  # the first of all calls makes the log's folder
    before = begin(stage, case)
    assert traced(stage, case.turn, stage.folder / "calls", "-e", f"trace={','.join(NAMES)}") == 0
    after = stage.state()
    assert after.sight.own() == case.own[1]
    if after.record is not None:  # else DEL has left the routes to the namespace's end
        check_copies(after)

    def kill(call: Call, way: Callable[[Stage, Turn], None]) -> bool:
        assert begin(stage, case) == before
        code = traced(stage, case.turn, stage.folder / "killed", *inject(call))
        if code == 0:
            assert stage.state() == after
            return False
        assert code in (-signal.SIGKILL, 128 + signal.SIGKILL)
        wreck(stage, before, after)
        way(stage, case.turn)
        stage.await_state(after, "where it ends")
        stage.service.kill()
        return True

    def play(call: Call) -> bool:
        return all(kill(call, way) for way in (WAYS if soak else (rng.choice(WAYS),)))

    calls = [call for call in read(stage.folder / "calls") if call.changes]
    said = play_all(calls, play, rng, soak)
    figure(f"plugin alone killed where {name.replace('-', ' ')}", said)
    stage.end_pod()


def test_a_killed_cleanup_command_can_be_run_again(
    stage: Stage, rng: random.Random, soak: bool, figure: Figure
) -> None:
    """Whatever system call it is killed at."""
    stage.leave_snapshot(folder.TAKING)
    made = stage.new_pod().look().routes

    def begin() -> State:
        stage.service.start()
        stage.hold_pod()
        quiet = Quiet(stage.service.pid)
        until(lambda: stage.the_pod.look().own() == OWN_TAKING and quiet(), "where it begins")
        stage.service.kill()
        return stage.state()

    def clean(call: Call | None, notes: Path) -> None:
        command = stage.nursery.start("cleanup", log=LOG, held=True)
        with Killer(command.pid, call, notes) if call else Recorder(command.pid, notes) as strace:
            command.send_signal(signal.SIGCONT)
            command.wait(30)
        if isinstance(strace, Recorder):
            calls.extend(call for call in strace.calls() if call.changes)

    calls: list[Call] = []
    before = begin()
    clean(None, stage.folder / "calls")
    after = stage.state()
    assert after.sight.routes == made
    check_copies(before)

    def play(call: Call) -> bool:
        assert begin() == before
        clean(call, stage.folder / "killed")
        killed = "killed by SIGKILL" in (stage.folder / "killed").read_text()
        if killed:
            wreck(stage, before, after)
            stage.nursery.start("cleanup", log=LOG).wait(30)
        assert stage.state() == after
        return killed

    figure("cleanup command killed", play_all(calls, play, rng, soak))
    stage.end_pod()
