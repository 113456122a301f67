"""Changes of a pod, each the same with and without faults; and what must hold whatever happens."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cni_route.address import AF_INET
from cni_route.displace import backup_of
from cni_route.model import KernelRoute
from cni_route.reconcile import DEFAULTS, Options, Outcome
from cni_route.view import EMPTY, View
from tests.unit.pods import FakePod, rule, view_of

FOREIGN = (
    "10.9.0.0/16 via 10.244.1.1 dev eth0",
    "10.9.0.0/16 via 10.244.1.4 dev eth0 metric 50",
    "10.8.0.0/16 dev eth0 proto static",
    "10.8.0.0/16 via 10.244.1.9 dev eth0 proto 17",  # behind the one before
    "fd00:9::/48 via fd00:244::1 dev eth0 metric 1024",
    "fd00:8::/48 dev eth0 metric 1024",
    "fd00:8::/48 via fd00:244::4 dev eth0 metric 1024",
)
# somebody is served at every moment
SERVED = ("192.0.2.1", "10.9.0.1", "10.8.0.1", "2001:db8::1", "fd00:9::1", "fd00:8::1")

FREE = (rule("172.16.0.0/16"), rule("172.17.0.0/16", via="10.124.2.1"), rule("fd00:7::/64"))
IN_THE_WAY = (
    rule("default", via="10.124.2.1"),
    rule("10.9.0.0/16"),
    rule("10.8.0.0/16", via="10.124.2.1"),
    rule("default6", via="fd00:124::1"),
    rule("fd00:9::/48", via="fd00:124::1"),
    rule("fd00:8::/48"),
)
MOVED = (
    rule("172.16.0.0/16", "eth0"),
    rule("172.17.0.0/16", "eth0", "10.244.1.1"),
    rule("fd00:7::/64", "eth0", "fd00:244::1"),
    rule("default", via="10.124.2.9"),
    rule("10.9.0.0/16", via="10.124.2.1"),
    rule("fd00:9::/48", via="fd00:124::9"),
)
NOTHING = EMPTY
CLEANUP = Options(bare=True)


class Scenario(NamedTuple):
    """A change: what was wanted before, and what is from now on."""

    name: str
    before: View
    after: View
    options: Options = DEFAULTS


SCENARIOS = (
    Scenario("add", NOTHING, view_of(*FREE)),
    Scenario("change", view_of(*FREE), view_of(*MOVED[:3])),
    Scenario("displace", NOTHING, view_of(*IN_THE_WAY)),
    Scenario("change-displacing", view_of(*FREE, *IN_THE_WAY), view_of(*MOVED)),
    Scenario("restore", view_of(*FREE, *IN_THE_WAY), view_of(*FREE)),
    Scenario("cleanup", view_of(*FREE, *IN_THE_WAY), NOTHING, CLEANUP),
)


class Place:
    """A pod on which scenarios are run; `pod.kernel.faults` is where faults are asked for."""

    def __init__(self, folder: Path) -> None:
        self.pod = FakePod(folder)
        for words in FOREIGN:
            self.pod.ns.route(words, "append")
        self.original = self.pod.ns.dump()
        self.seen = {address: self.pod.ns.watch(address) for address in SERVED}

    @property
    def foreign(self) -> list[KernelRoute]:
        """What was there before us, but for the kernel's own."""
        return [route for route in self.original if route.protocol != 2]

    def go(self, view: View, options: Options = DEFAULTS, *, restart: bool = False) -> Outcome:
        """One pass, looking at the kernel."""
        self.pod.memory.doubt()
        return self.pod.go(view, options, fresh=restart)

    def try_go(self, view: View, options: Options = DEFAULTS) -> Outcome | OSError:
        """One pass, however it ends."""
        try:
            return self.go(view, options)
        except OSError as error:
            return error

    def check(self, ended: Outcome | OSError) -> None:
        """What must hold after any pass, whatever went wrong in it."""
        pod = self.pod
        assert pod.kernel.open_tables == []
        with pod.sandboxes.lock("pod1", 0.0):
            pass
        for address, routes in self.seen.items():
            assert None not in routes, f"{address} had no route for a while"
        assert pod.said == []
        self.check_nothing_foreign_is_lost()
        if isinstance(ended, Outcome):
            for verdict in ended.verdicts:
                assert verdict.outcome != "failed" or (ended.retry and verdict.reason)

    def check_nothing_foreign_is_lost(self) -> None:
        """Each foreign route is where it was, or in the record and (its NIC up) in a copy."""
        record = self.pod.sandboxes.load("pod1")
        assert record is not None
        there = self.pod.ns.dump()
        recorded = {entry.route for entry in record.displaced}
        for route in self.foreign:
            copied = any(
                copy.key == backup_of(route, 115).key and set(route.hops) <= set(copy.hops)
                for copy in there
            )
            kept = any(
                r.key == route.key
                and r.protocol == route.protocol
                and set(route.hops) <= set(r.hops)
                for r in there
            )
            assert kept or (route in recorded and copied), f"{route} is lost"


@contextmanager
def place() -> Iterator[Place]:
    """A fresh pod with a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield Place(Path(folder))


Content = tuple[list[KernelRoute], frozenset[KernelRoute]]


def content(made: Place, *, ordered: bool = True) -> Content:
    """The table in its order, and the copies of displaced routes, whose order means nothing.

    Not `ordered`: without regard to the order of several IPv6 routes under one key. Where one of
    them was refused when it was put back, it comes behind the others later.
    """
    routes = made.pod.ns.dump()
    copies = frozenset(route for route in routes if route.protocol == 115)
    others = [route for route in routes if route.protocol != 115]
    if not ordered:
        four = [route for route in others if route.key.family == AF_INET]
        others = four + sorted(others[len(four) :], key=repr)
    return others, copies


@cache
def as_it_should_end(scenario: Scenario, *, ordered: bool) -> tuple[Content, Content]:
    """The tables that scenario and cleanup end with where nothing goes wrong."""
    with place() as made:
        original = content(made, ordered=ordered)
        made.go(scenario.before)
        outcome = made.go(scenario.after, scenario.options)
        assert not outcome.retry
        made.check(outcome)
        return content(made, ordered=ordered), original


def suffer(
    scenario: Scenario,
    ask: Callable[[Place], object],
    *,
    restart: bool = False,
    ordered: bool = True,
) -> bool:
    """Run a scenario with the fault that `ask` asks for, then a pass without one, then cleanup.

    False once the fault does not happen any more: the scenario is over before it.
    """
    whole, original = as_it_should_end(scenario, ordered=ordered)
    with place() as made:
        made.go(scenario.before)
        ask(made)
        ended = made.try_go(scenario.after, scenario.options)
        if made.pod.kernel.faults.unused():
            assert content(made, ordered=ordered) == whole
            return False
        made.check(ended)
        if content(made, ordered=ordered) != whole:
            assert isinstance(ended, OSError) or ended.retry, "nobody would come back to it"
        # a service that goes on is told of nothing: what it remembers must do
        again = made.pod.go(scenario.after, scenario.options, fresh=restart)
        made.check(again)
        assert content(made, ordered=ordered) == whole
        assert not again.retry
        made.check(made.go(NOTHING, CLEANUP))
        assert content(made, ordered=ordered) == original
    return True
