"""The fake kernel against the running one: whatever happens to both, both show the same after it.

Each rule does one thing to a real namespace and to a fake one, then compares what was refused,
both routing tables, the links and the policy rules. What is left out of the comparison, or never
generated, says why where it is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import TypeVar

import hypothesis.strategies as st
import pytest
from hypothesis import Phase, note, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cni_route.address import Address, Prefix
from cni_route.model import KernelRoute, Operation, PolicyRule, Verb
from tests.contract.real_world import RealWorld
from tests.contract.worlds import open_world, outcome
from tests.fakes import text
from tests.fakes.links import is_link_local
from tests.fakes.namespace import FakeNamespace
from tests.kernel import shapes

T = TypeVar("T")

SOAK = os.environ.get("CNI_ROUTE_SOAK", "") not in ("", "0")
EXAMPLES = 1500 if SOAK else 60  # 3 to 7 a second
STEPS = 25
# A difference shows in its last step, whatever led there; to shrink it takes five minutes.
PHASES = [phase for phase in Phase if SOAK or phase not in (Phase.shrink, Phase.explain)]
TABLES = (254, shapes.OTHER_TABLE)


class FakeVersusReal(RuleBasedStateMachine):
    """Both kernels, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.real = self.stack.enter_context(open_world("real"))
        self.fake = self.stack.enter_context(open_world("fake"))
        self.worlds = (self.real, self.fake)
        assert isinstance(self.fake.driver, FakeNamespace)
        self.pod = self.fake.driver
        self.without_carrier: set[str] = set()

    def teardown(self) -> None:
        self.stack.close()

    @initialize(two=st.booleans())
    def start(self, two: bool) -> None:
        self.link("eth0", "10.1.0.2/24", "2001:db8:1::2/64")
        if two:
            self.link("eth1", "10.2.0.2/24", "2001:db8:2::2/64")

    def link(self, name: str, *addresses: str) -> None:
        indexes = [world.driver.add_link(name, *addresses) for world in self.worlds]
        assert indexes[0] == indexes[1], "the kernels count their links alike"

    # ------------------------------------------------------------ routes and rules

    def both(self, operation: Operation) -> None:
        """Send one operation to both; the outcome must be the same."""
        real, fake = (outcome(world.send(operation)) for world in self.worlds)
        note(f"{operation.verb} {said(operation)} -> {real}")
        assert real[0] == fake[0], f"real {real}, fake {fake}: {operation}"
        if fake[1]:
            assert real[1].rstrip(".") == fake[1].rstrip("."), f"the words differ: {operation}"

    def indexes(self) -> dict[str, int]:
        links = self.fake.table.links().items()
        return {name: link.ifindex for name, link in links if not link.loopback}

    def own(self) -> list[Address]:
        """The addresses that are there now, link-local ones aside."""
        return [
            a.address
            for link in self.fake.table.links().values()
            for a in link.addresses
            if not link.loopback and not is_link_local(a.address)
        ]

    def any_route(self, data: st.DataObject) -> KernelRoute:
        return data.draw(shapes.routes(self.indexes(), self.own()))

    @rule(data=st.data(), verb=shapes.VERBS)
    def new_route(self, data: st.DataObject, verb: Verb) -> None:
        route = self.any_route(data)
        self.both(Operation(verb, route))

    @rule(data=st.data(), verb=shapes.VERBS_FOR_SEEN, table=st.sampled_from(TABLES))
    def route_like_a_present_one(self, data: st.DataObject, verb: Verb, table: int) -> None:
        present = [r for r in self.fake.table.dump(table) if not r.transient]
        if present:
            route = data.draw(st.sampled_from(present))
            route = data.draw(shapes.varied(route, self.indexes()))
            self.both(Operation(verb, route))

    @rule(data=st.data(), count=st.integers(2, 4))
    def batch(self, data: st.DataObject, count: int) -> None:
        operations = []
        for _ in range(count):
            route = self.any_route(data)
            operations.append(Operation(data.draw(shapes.VERBS), route))
            note(f"in a batch: {operations[-1].verb} {said(operations[-1])}")
        real, fake = (
            [(operations.index(r.operation), r.errno) for r in world.send(*operations)]
            for world in self.worlds
        )
        assert real == fake

    @rule(rule=shapes.RULES, verb=shapes.RULE_VERBS)
    def policy_rule(self, rule: PolicyRule, verb: Verb) -> None:
        self.both(Operation(verb, rule))

    # ------------------------------------------------------------ links and addresses

    @rule(name=shapes.LINKS)
    def toggle(self, name: str) -> None:
        link = self.fake.table.links().get(name)
        for world in self.worlds:
            if link is None:
                world.driver.add_link(name)
            elif link.up:
                world.driver.set_down(name)
            else:
                world.driver.set_up(name)

    @rule(name=shapes.LINKS)
    def flap(self, name: str) -> None:
        link = self.fake.table.links().get(name)
        if link is not None and link.up:
            for world in self.worlds:
                world.driver.set_down(name)
                world.driver.set_up(name)

    @rule(name=shapes.LINKS)
    def carrier(self, name: str) -> None:
        if name in self.fake.table.links():
            self.without_carrier ^= {name}
            for world in self.worlds:
                world.driver.set_carrier(name, name not in self.without_carrier)

    @rule(name=shapes.LINKS)
    def remove(self, name: str) -> None:
        self.without_carrier.discard(name)
        if name in self.fake.table.links():
            for world in self.worlds:
                world.driver.remove_link(name)

    @rule(data=st.data(), name=shapes.LINKS)
    def address(self, data: st.DataObject, name: str) -> None:
        link = self.fake.table.links().get(name)
        if link is None:
            return
        present = [f"{a.address}/{a.length}" for a in link.addresses]
        address = data.draw(st.sampled_from([*shapes.ADDRESSES[name], *present]))
        there = address in present
        note(f"{name}: {'remove' if there else 'add'} {address}")
        for world in self.worlds:
            if there:
                world.driver.remove_address(name, address)
            else:
                world.driver.add_address(name, address)

    @rule(words=shapes.NEXTHOPS)
    def nexthop(self, words: str) -> None:
        real, fake = (succeeds(world.driver.nexthop, words) for world in self.worlds)
        note(f"nexthop add {words} -> {real}")
        assert real == fake, f"nexthop {words}: real {real}, fake {fake}"

    @rule(identity=shapes.NEXTHOP_IDS)
    def remove_nexthop(self, identity: int) -> None:
        real, fake = (succeeds(w.driver.remove_nexthop, identity) for w in self.worlds)
        assert real == fake

    @rule(address=shapes.REMOTE, data=st.data(), bound=st.booleans())
    def look_up(self, address: str, data: st.DataObject, bound: bool) -> None:
        """Where a packet goes; of several equal ways the kernel may take any."""
        sources = [str(a) for a in self.own() if (":" in address) == (len(a) == 16)]
        source = data.draw(st.sampled_from(sources)) if bound and sources else ""
        names = {link.ifindex: name for name, link in self.fake.table.links().items()}
        hops = self.pod.paths(address, source)
        fake = [(names[hop.dev], str(hop.via or "")) for hop in hops]
        # A gateway that was an address of our own when the route came is never asked for packets.
        fake += [(names[hop.dev], "") for hop in hops if str(hop.via) in shapes.OWN]
        assert isinstance(self.real.driver, RealWorld)
        real = self.real.driver.path(address, source)
        note(f"{address} from {source or 'nowhere'}: {real}")
        assert (real in fake) if fake else real is None, f"real {real}, fake {fake}"

    # ------------------------------------------------------------ the comparison

    @invariant()
    def both_show_the_same(self) -> None:
        for table in TABLES:
            real, fake = (by_destination(world.table.dump(table)) for world in self.worlds)
            assert real == fake, f"table {table}\nreal {words(real)}\nfake {words(fake)}"
        real_links, fake_links = (dict(world.table.links()) for world in self.worlds)
        assert real_links == fake_links
        assert self.real.table.rules() == self.fake.table.rules()


def succeeds(act: Callable[[T], object], argument: T) -> bool:
    """Whether `ip`, or what stands for it, did what it was told."""
    try:
        act(argument)
    except RuntimeError:
        return False
    return True


def said(operation: Operation) -> str:
    """What an operation is about, in words."""
    if isinstance(operation.subject, PolicyRule):
        return str(operation.subject)
    return f"{text.show(operation.subject, {})} table {operation.subject.key.table}"


Listed = dict[tuple[Prefix, "Prefix | None"], list[KernelRoute]]


def by_destination(routes: Iterable[KernelRoute]) -> Listed:
    """Each destination's routes in their order.

    The order of destinations is left out: the seam promises none.
    """
    listed: Listed = {}
    for route in routes:
        listed.setdefault((route.key.dst, route.source), []).append(route)
    return listed


def words(listed: Listed) -> list[str]:
    """The routes as `ip route` would show them, devices by index."""
    return [text.show(route, {}) for routes in listed.values() for route in routes]


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: no network namespace can be made")
def test_the_fake_kernel_behaves_as_the_real_one() -> None:
    run_state_machine_as_test(
        FakeVersusReal,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            phases=PHASES,
        ),
    )
