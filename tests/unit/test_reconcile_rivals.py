"""Others who write in the midst of a pass: nothing of theirs is lost, and nothing of ours for long.

A second namespace has the same life without us: after cleanup, ours has the same routes.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import NamedTuple

import pytest

from cni_route.address import AF_INET6
from cni_route.model import KernelRoute
from cni_route.reconcile import Outcome
from cni_route.slot import is_same
from cni_route.view import EMPTY
from tests.fakes.fake_kernel import FakeKernel
from tests.fakes.faults import Call, When
from tests.fakes.namespace import FakeNamespace
from tests.fakes.refused import Refused
from tests.unit.pods import FakePod, rule, view_of
from tests.unit.scenarios import (
    CLEANUP,
    FOREIGN,
    SCENARIOS,
    Place,
    Scenario,
    as_it_should_end,
    content,
    place,
)

CALLS: tuple[Call, ...] = ("open", "links", "dump", "apply", "close")


class Rival(NamedTuple):
    """What somebody else does: `ip route VERB WORDS`."""

    name: str
    verb: str
    words: str


RIVALS = (
    Rival("another destination", "add", "10.7.0.0/16 via 10.244.1.1 dev eth0"),
    Rival("ours, free so far", "add", "172.16.0.0/16 dev eth0"),
    Rival("ours, free so far, IPv6", "add", "fd00:7::/64 dev eth0 metric 1024"),
    Rival("ours, behind", "append", "10.9.0.0/16 via 10.244.1.7 dev eth0 proto 18"),
    Rival("default, behind", "append", "default via 10.244.1.7 dev eth0 proto 18"),
    Rival("ours, behind, IPv6", "append", "fd00:8::/48 via fd00:244::7 dev eth0 metric 1024"),
    Rival("a displaced one goes", "delete", "10.9.0.0/16 via 10.244.1.1 dev eth0 proto boot"),
    Rival("a default goes", "delete", "default6 via fd00:244::1 dev eth0 metric 1024 proto boot"),
    Rival("one behind goes", "delete", "10.8.0.0/16 via 10.244.1.9 dev eth0 proto 17"),
)
# those that come to stand exactly where the next REPLACE hits
USURPERS = (
    Rival("default, before", "prepend", "default via 10.244.1.7 dev eth0 proto 18"),
    Rival("default, instead", "replace", "default via 10.244.1.7 dev eth0 proto 18"),
    Rival("default, merged", "append", "default6 via fd00:244::7 dev eth0 metric 1024"),
)


class Twins(NamedTuple):
    """The pod that we work in, and one that we never saw."""

    ours: Place
    theirs: FakeNamespace

    def let(self, rival: Rival) -> None:
        """A rival acts in both, or (where it is refused in ours) in none."""
        try:
            self.ours.pod.ns.route(rival.words, rival.verb)
        except Refused:
            return
        self.theirs.route(rival.words, rival.verb)
        self.ours.pod.memory.doubt()  # as the listener would


def twin() -> FakeNamespace:
    """A namespace as the pod's is before any pass."""
    made = FakeKernel().make()
    made.add_link("eth0", "10.244.1.5/24", "fd00:244::5/64")
    made.add_link("eth1", "10.124.2.5/24", "fd00:124::5/64")
    made.route("default via 10.244.1.1 dev eth0")
    made.route("default via fd00:244::1 dev eth0 metric 1024")
    for words in FOREIGN:
        made.route(words, "append")
    return made


def routes(namespace: FakeNamespace) -> list[str]:
    """All routes, without regard to their order under one key: rivals' luck decides that.

    An IPv6 multipath hop by hop: in which order they stand, and whose protocol is shown of them,
    means nothing either.
    """
    found = []
    for route in namespace.dump():
        if len(route.hops) > 1 and route.key.family == AF_INET6:
            found += [repr((route.key, hop)) for hop in route.hops]
        else:
            found.append(repr(route._replace(hops=tuple(sorted(route.hops, key=repr)))))
    return sorted(found)


def is_served(made: Place, outcome: Outcome) -> None:
    """What is wanted is what counts."""
    table: dict[object, list[KernelRoute]] = {}
    for route in made.pod.ns.dump():
        table.setdefault(route.key, []).append(route)
    for key, want in outcome.wanted_by_key.items():
        assert want is not None
        assert is_same(table[key][0], want)


Ask = Callable[[Place, Callable[[], None]], None]


def meets(scenario: Scenario, rival: Rival, ask: Ask) -> bool:
    """Run a scenario into which a rival comes; False where it is over before."""
    with place() as made:
        twins = Twins(made, twin())
        assert routes(twins.theirs) == routes(made.pod.ns)
        made.go(scenario.before)
        ask(made, lambda: twins.let(rival))
        ended = made.try_go(scenario.after, scenario.options)
        if made.pod.kernel.faults.unused():
            return False
        assert isinstance(ended, Outcome)
        # the listener's doubt is all that the next pass has to go by
        outcome = made.pod.go(scenario.after, scenario.options)
        is_served(made, outcome)
        assert not outcome.retry
        sent = made.pod.kernel.writes
        made.go(scenario.after, scenario.options)
        assert made.pod.kernel.writes == sent, "it does not come to rest"
        made.go(EMPTY, CLEANUP)
        ours, theirs = routes(made.pod.ns), routes(twins.theirs)
        if rival.verb in ("delete", "replace"):
            # what goes just when it is displaced comes back: better one too many than one lost
            left = twins.theirs.dump()
            gone = {repr(route) for route in made.original if route not in left}
            ours = [route for route in ours if route not in gone]
        assert ours == theirs
    return True


def at_call(call: Call, nth: int) -> Ask:
    return lambda made, act: made.pod.kernel.faults.rival(act, call=call, nth=nth)


def at_operation(nth: int) -> Ask:
    return lambda made, act: made.pod.kernel.faults.rival_at_operation(act, nth=nth)


@pytest.mark.parametrize("rival", [*RIVALS, *USURPERS], ids=lambda rival: rival.name)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_rival_at_any_call(scenario: Scenario, rival: Rival) -> None:
    happened = 0
    for call in CALLS:
        if call == "apply" and rival in USURPERS:
            continue  # see the last test of these
        for nth in count(1):

            def ask(
                made: Place, act: Callable[[], None], call: Call = call, nth: int = nth
            ) -> None:
                made.pod.kernel.faults.rival(act, call=call, nth=nth)

            if not meets(scenario, rival, ask):
                break
            happened += 1
    assert happened >= len(CALLS) - 1


@pytest.mark.parametrize("rival", RIVALS, ids=lambda rival: rival.name)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_rival_between_any_two_operations(scenario: Scenario, rival: Rival) -> None:
    for nth in count(1):
        if not meets(scenario, rival, at_operation(nth)):
            break
    assert nth > 3


# NLM_F_REPLACE names no route. To put one in, and delete the other by its attributes, would do.
blind = pytest.mark.xfail(strict=True, reason="REPLACE hits whoever stands first by then")


@blind
@pytest.mark.parametrize("rival", USURPERS, ids=lambda rival: rival.name)
@pytest.mark.parametrize(
    "scenario",
    [s for s in SCENARIOS if s.name in ("displace", "change-displacing", "restore")],
    ids=lambda scenario: scenario.name,
)
def test_a_rival_between_look_and_write_in_the_very_place(scenario: Scenario, rival: Rival) -> None:
    assert meets(scenario, rival, at_call("apply", 1))


def flaps(scenario: Scenario, ask: Ask) -> bool:
    """Run a scenario in which eth1 goes, and comes back later; False where it is over before."""
    whole, original = as_it_should_end(scenario, ordered=True)
    with place() as made:
        pod = made.pod
        made.go(scenario.before)

        def act() -> None:
            pod.ns.set_down("eth1")
            pod.memory.doubt(link_changed=True)

        ask(made, act)
        ended = made.try_go(scenario.after, scenario.options)
        if pod.kernel.faults.unused():
            return False
        assert isinstance(ended, Outcome)
        made.check_nothing_foreign_is_lost()
        pod.go(scenario.after, scenario.options)
        made.check_nothing_foreign_is_lost()
        pod.ns.set_up("eth1")
        pod.ns.add_address("eth1", "fd00:124::5/64")
        pod.memory.doubt(link_changed=True)
        outcome = pod.go(scenario.after, scenario.options)
        assert content(made) == whole
        assert not outcome.retry
        made.go(EMPTY, CLEANUP)
        assert content(made) == original
    return True


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_link_that_goes_at_any_call(scenario: Scenario) -> None:
    takes_back = scenario.name in ("change-displacing", "restore", "cleanup")
    points = [
        at_call(call, nth)
        for call in CALLS
        for nth in (1, 2)
        if not (call == "apply" and takes_back)  # see the next test
    ]
    assert sum(flaps(scenario, ask) for ask in points) >= len(CALLS)


@pytest.mark.parametrize("name", ["change-displacing", "restore", "cleanup"])
def test_a_link_that_goes_when_a_displaced_route_is_put_back(name: str) -> None:
    """Ours is gone by then, and the one that stood behind it has its place."""
    (scenario,) = (s for s in SCENARIOS if s.name == name)
    points = [at_call("apply", 1), *(at_operation(nth) for nth in range(1, 30))]
    assert sum(flaps(scenario, ask) for ask in points) > len(CALLS)


@pytest.mark.parametrize("name", ["add", "change", "displace"])
def test_a_link_that_goes_between_any_two_operations(name: str) -> None:
    (scenario,) = (s for s in SCENARIOS if s.name == name)
    assert sum(flaps(scenario, at_operation(nth)) for nth in range(1, 30)) >= 3


# ---------------------------------------------------------------- doubts


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_a_doubt_in_the_midst_of_a_pass_is_not_lost(tmp_path: Path, call: Call, when: When) -> None:
    """Ours is deleted at some moment of a pass, and told at once: the next pass puts it back."""
    view = view_of(rule("172.16.0.0/16"), rule("default", via="10.124.2.1"))

    def happens(nth: int) -> bool:
        pod = FakePod(tmp_path / f"{nth}")
        pod.go(view)

        def act() -> None:
            pod.ns.route("172.16.0.0/16 dev eth1 proto 114 scope link", "delete")
            pod.memory.doubt()

        pod.memory.doubt()
        pod.kernel.faults.rival(act, call=call, nth=nth, when=when)
        pod.go(view)
        if pod.kernel.faults.unused():
            return False
        pod.go(view)
        assert "172.16.0.0/16 dev eth1 proto 114" in pod.routes(114)
        return True

    points = next(nth for nth in count(1) if not happens(nth)) - 1
    # an unchanged pod is looked at once, and nothing is sent
    assert points == (0 if call == "apply" else 1)


def test_without_a_doubt_an_unchanged_pod_is_not_even_opened(tmp_path: Path) -> None:
    pod = FakePod(tmp_path)
    view = view_of(rule("172.16.0.0/16"))
    pod.go(view)
    opened: list[str] = []
    pod.kernel.faults.rival(lambda: opened.append("opened"), call="open")
    pod.go(view)
    assert opened == []
    pod.memory.doubt()
    pod.go(view)
    assert opened == ["opened"]
