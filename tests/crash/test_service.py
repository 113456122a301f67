"""The service is killed at a system call, started again, and all is as if nothing had been.

Meanwhile no destination is without its route, and no displaced route is lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.crash import folder
from tests.crash.folder import OWN_CHANGED, OWN_PLAIN, OWN_TAKING
from tests.crash.play import Scenario, play, play_all, rehearse
from tests.crash.stage import NEWS_FILE, Stage, State

Figure = Callable[[str, str], None]


def with_routes(text: str, *nics: str) -> Callable[[Stage], None]:
    """A pod that has been added by the ADDs of these NICs, with these Routes in the folder."""

    def begin(stage: Stage) -> None:
        stage.write(text)
        stage.hold_pod(*nics)

    return begin


def adding(stage: Stage) -> None:
    """A pod that the service has not heard of."""
    stage.write(folder.PLAIN)
    stage.new_pod()


def running(stage: Stage) -> None:
    """All is done, and nothing is paused."""
    with_routes(folder.TAKING)(stage)
    stage.service.reload()


def without_news(stage: Stage) -> None:
    """The object that is to come is not there yet."""
    stage.node.path(NEWS_FILE).unlink(missing_ok=True)
    with_routes(folder.PLAIN)(stage)


def write(text: str) -> Callable[[Stage], None]:
    """Somebody edits the Route."""
    return lambda stage: stage.write(text)


def clean(stage: Stage) -> None:
    """Somebody asks for a cleanup; where the service dies, there is no answer."""

    def ask() -> None:
        with suppress(OSError):
            stage.clean()

    stage.meanwhile(ask)


def clean_again(stage: Stage, before: State) -> None:
    """A new service gives the pod what is wanted; another cleanup takes it out."""
    stage.joined()
    stage.await_state(before, "the routes are back")
    stage.clean()


SCENARIOS = {
    "a-pod-is-added": Scenario(
        adding,
        lambda stage: stage.meanwhile(lambda: stage.add("eth0", "eth1")),
        ([], OWN_PLAIN),
    ),
    "a-route-is-edited": Scenario(
        with_routes(folder.PLAIN), write(folder.CHANGED), (OWN_PLAIN, OWN_CHANGED)
    ),
    "a-route-is-edited-and-eth1-had-no-add": Scenario(
        with_routes(folder.PLAIN, "eth0"), write(folder.CHANGED), (OWN_PLAIN, OWN_CHANGED)
    ),
    "the-default-route-moves": Scenario(
        with_routes(folder.PLAIN), write(folder.TAKING), (OWN_PLAIN, OWN_TAKING)
    ),
    "the-default-route-returns": Scenario(
        with_routes(folder.TAKING), write(folder.PLAIN), (OWN_TAKING, OWN_PLAIN)
    ),
    "everything-is-cleaned-up": Scenario(running, clean, (OWN_TAKING, []), again=clean_again),
    "a-pod-is-deleted": Scenario(
        with_routes(folder.PLAIN),
        lambda stage: stage.meanwhile(lambda: stage.delete("eth1", "eth0")),
        (OWN_PLAIN, OWN_PLAIN),
    ),
    "an-object-comes-that-no-pod-needs": Scenario(
        without_news,
        lambda stage: stage.write(folder.NEWS, NEWS_FILE),
        (OWN_PLAIN, OWN_PLAIN),
    ),
    "it-starts-with-work-to-do": Scenario(
        with_routes(folder.PLAIN),
        write(folder.TAKING),
        (OWN_PLAIN, OWN_TAKING),
        starting=True,
    ),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_service_goes_on_where(
    stage: Stage, name: str, rng: random.Random, soak: bool, figure: Figure
) -> None:
    """Whatever system call it is killed at."""
    scenario = SCENARIOS[name]
    stage.write(folder.PLAIN)
    stage.service.start()
    made = stage.new_pod().look()
    rehearsal = rehearse(stage, scenario)
    said = play_all(rehearsal.calls, lambda call: play(stage, scenario, rehearsal, call), rng, soak)
    figure(f"service killed where {name.replace('-', ' ')}", said)
    leave(stage, made.foreign())


def leave(stage: Stage, made: list[dict[str, object]]) -> None:
    """In the end nothing of ours is left."""
    stage.hold_pod()
    stage.clean()
    sight = stage.the_pod.look()
    assert sight.routes == made
    stage.end_pod()
