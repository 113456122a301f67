"""Nothing foreign is hurt: two namespaces go through the same life, one of them without us.

Rules come and go, links flap, addresses go, other programs write routes under our keys, the
service restarts or loses its record. After every pass the pod has exactly what is wanted; after
cleanup the namespace that we worked in has the table of the one that we never saw.

What a flap took from the other namespace, and we put back, is the one difference that is allowed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

import hypothesis.strategies as st
from hypothesis import note
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from cni_route.address import AF_INET, Address, Prefix
from cni_route.memory import Memory
from cni_route.model import KernelRoute, Key, Route, Rule
from cni_route.plan import table_of
from cni_route.reconcile import DEFAULTS, Options, Outcome, reconcile
from cni_route.record import Record
from cni_route.sandbox import Sandboxes
from cni_route.slot import is_gatewayed, is_same
from cni_route.view import EMPTY, View, build
from tests.contract.worlds import World, open_world
from tests.fakes import text

ADDRESSES = {
    "eth0": ("10.1.0.2/24", "2001:db8:1::2/64"),
    "eth1": ("10.2.0.2/24", "2001:db8:2::2/64"),
}
KERNEL = 2  # routes that the kernel makes of addresses

# what CNI plugins and others leave in a pod: every shape that can share a key with a rule of ours
FOREIGN = (
    "default via 10.1.0.1 dev eth0",
    "default via 10.1.0.4 dev eth0 proto static",
    "default via 10.2.0.1 dev eth1 proto 17",
    "default via 10.1.0.1 dev eth0 metric 100",
    "default via 10.1.0.9 dev eth0 onlink proto 18",
    "10.9.0.0/16 dev eth0",
    "10.9.0.0/16 via 10.1.0.1 dev eth0 proto static",
    "10.9.0.0/16 nexthop via 10.1.0.1 dev eth0 weight 3 nexthop via 10.2.0.1 dev eth1",
    "10.9.0.0/16 nhid 7",
    "10.9.0.0/16 via 10.1.0.1 dev eth0 tos 8",
    "10.9.0.0/16 via 10.1.0.1 dev eth0 metric 100",
    "10.9.0.0/16 dev eth1 mtu 1400 src 10.2.0.2",
    "blackhole 10.9.0.0/16 proto 19",
    "default6 via 2001:db8:1::1 dev eth0 metric 1024",
    "default6 via 2001:db8:1::4 dev eth0 metric 1024",
    "default6 via 2001:db8:1::1 dev eth0 metric 50",
    "2001:db8:9::/48 dev eth0 metric 1024",
    "2001:db8:9::/48 dev eth1 metric 1024 proto static",
    "2001:db8:9::/48 via 2001:db8:1::1 dev eth0 metric 1024",
    "2001:db8:9::/48 metric 1024 nexthop via 2001:db8:1::1 dev eth0 "
    "nexthop via 2001:db8:2::1 dev eth1",
    "2001:db8:9::/48 nhid 8 metric 1024",
    "2001:db8:9::/48 via 2001:db8:1::1 dev eth0 metric 100",
)


def network(dst: str, dev: str, via: str = "", metric: int | None = None) -> Rule:
    """A rule for one of the destinations above."""
    gateway = Address.parse(via) if via else None
    return Rule("", dev, Prefix.parse(dst), None, gateway, metric)


RULES = (
    network("0.0.0.0/0", "eth1", "10.2.0.1"),
    network("0.0.0.0/0", "eth0", "10.1.0.4"),
    network("0.0.0.0/0", "eth1", "10.2.0.1", 100),
    network("10.9.0.0/16", "eth1"),
    network("10.9.0.0/16", "eth1", "10.2.0.1"),
    network("10.9.0.0/16", "eth0", "10.1.0.1"),
    network("10.9.0.0/16", "eth1", "10.2.0.1", 100),
    network("10.9.0.0/16", "eth1", "192.0.2.1"),  # a gateway that is not on-link
    network("10.77.0.0/16", "eth1"),
    network("::/0", "eth1", "2001:db8:2::1"),
    network("::/0", "eth1", "2001:db8:2::1", 50),
    network("2001:db8:9::/48", "eth1"),
    network("2001:db8:9::/48", "eth0"),
    network("2001:db8:9::/48", "eth1", "2001:db8:2::1"),
    network("2001:db8:9::/48", "eth0", "2001:db8:1::1"),
    network("2001:db8:9::/48", "eth1", "2001:db8:2::1", 100),
)
LINKS = st.sampled_from(["eth0", "eth1"])


def view_of(rules: Iterable[Rule]) -> View:
    """One Route; of two rules for one key the first stands, as a document's would."""
    numbered = [r._replace(path=f"spec.route[{i}]") for i, r in enumerate(rules)]
    return build([Route("machine", tuple(numbered))])


class ForeignMachine(RuleBasedStateMachine):
    """See above; a subclass says on which kernel (`kind`)."""

    kind = "fake"

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.ours = self.stack.enter_context(open_world(self.kind))
        self.theirs = self.stack.enter_context(open_world(self.kind))
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.sandboxes = Sandboxes(folder, note)
        self.sandboxes.save(Record("pod", "/netns", self.ours.driver.inode, "default", "web", "u"))
        self.minutes = 0.0
        self.memory = Memory(self.clock)
        self.view = EMPTY
        self.lost: set[KernelRoute] = set()  # by flaps, where we were not
        self.unseen = False  # a foreign route came while nobody looked

    def clock(self) -> float:
        """Another minute at each look: nobody here is a rival that fights for a key."""
        self.minutes += 1
        return self.minutes * 61

    # ------------------------------------------------------------ life

    @initialize(foreign=st.lists(st.tuples(st.sampled_from(FOREIGN), st.booleans()), max_size=8))
    def start(self, foreign: list[tuple[str, bool]]) -> None:
        for world in (self.ours, self.theirs):
            for name, addresses in ADDRESSES.items():
                world.driver.add_link(name, *addresses)
            world.driver.nexthop("id 7 via 10.1.0.1 dev eth0")
            world.driver.nexthop("id 8 via 2001:db8:1::1 dev eth0")
        self.write("default via 10.1.0.1 dev eth0", "append")
        self.write("default6 via 2001:db8:1::1 dev eth0 metric 1024", "append")
        for words, before in foreign:
            self.write(words, "prepend" if before else "append")
        note(f"begins with {self.theirs.shown()}")

    def write(self, words: str, verb: str) -> None:
        """Somebody else's `ip route`, in both namespaces, or (where one would refuse) in none.

        A second one of a route that is displaced is refused there only; an IPv6 route with the
        very hop of one of ours is refused here only.
        """
        route = text.parse_route(words, self.ours.table.links())
        for own in self.ours.table.dump():
            if own.key == route.key and own.protocol == 114 and own.hops[0] in route.hops:
                return
        there = table_of(self.theirs.table.dump()).get(route.key, ())
        kinds = [is_gatewayed(r) for r in there]
        between = is_gatewayed(route) and kinds[-1:] == [False] and True in kinds
        if route.key.family != AF_INET and (between or route in there):
            # a route between two hops is left out of dumps; a replace can make two of the same
            return
        try:
            self.theirs.driver.route(words, verb)
        except Exception as error:
            note(f"{verb} {words}: {error}")
            return
        self.ours.driver.route(words, verb)

    def pass_over(self, options: Options = DEFAULTS, view: View | None = None) -> Outcome:
        record = self.sandboxes.load("pod")
        assert record is not None
        return reconcile(
            record,
            self.view if view is None else view,
            self.ours.kernel,
            self.sandboxes,
            namespace=self.ours.driver.descriptor,
            options=options,
            memory=self.memory,
        )

    def settle(self) -> None:
        """A pass, and all that must hold after it."""
        self.unseen = False
        outcome = self.pass_over()
        note(f"table {self.ours.shown()}")
        self.check(outcome)
        again = self.pass_over()
        assert again.written == 0 or outcome.retry, "a second pass writes nothing"

    @rule(chosen=st.lists(st.sampled_from(RULES), max_size=5))
    def edit(self, chosen: list[Rule]) -> None:
        self.view = view_of(chosen)
        self.settle()

    @rule()
    def restart(self) -> None:
        self.memory = Memory(self.clock)
        self.settle()

    @rule(chosen=st.lists(st.sampled_from(RULES), max_size=5))
    def edit_while_away(self, chosen: list[Rule]) -> None:
        self.memory = Memory(self.clock)
        self.edit(chosen)

    @rule(words=st.sampled_from(FOREIGN))
    def foreign_append(self, words: str) -> None:
        if not self.is_lost(words):
            self.write(words, "append")
            self.memory.doubt()
            self.settle()

    @rule(words=st.sampled_from(FOREIGN))
    def foreign_append_while_away(self, words: str) -> None:
        if not self.is_lost(words):
            self.memory = Memory(self.clock)
            self.write(words, "append")
            self.unseen = True

    @rule(words=st.sampled_from(FOREIGN))
    def foreign_replace(self, words: str) -> None:
        """Whoever replaces our route means the one that it stands in for.

        Where it stands before one that was not in our way (appended later), only ours is hit.
        """
        self.settle()
        key = text.parse_route(words, self.theirs.table.links()).key
        first = table_of(self.theirs.table.dump()).get(key, ())[:1]
        there = table_of(self.ours.table.dump()).get(key, ())
        behind_ours = any(r.protocol == 114 for r in there) and set(first) <= set(there)
        if not self.is_lost(words) and not (first and behind_ours):
            self.write(words, "replace")
            self.memory.doubt()
            self.settle()

    def is_lost(self, words: str) -> bool:
        """Whether a flap took it: it is not compared any more, so it is not written again."""
        route = bare(text.parse_route(words, self.theirs.table.links()))
        return any(route.key == lost.key for lost in self.lost)

    @rule(words=st.sampled_from([f for f in FOREIGN if "6" not in f.split()[0] and ":" not in f]))
    def foreign_prepend(self, words: str) -> None:
        if not self.is_lost(words):
            self.write(words, "prepend")
            self.memory.doubt()
            self.settle()

    @rule()
    def our_routes_deleted_by_hand(self) -> None:
        self.see()
        for route in self.ours.table.dump():
            if route.protocol == 114 and len(route.hops) == 1:
                words = text.show(route, self.names())
                self.ours.driver.route(words, "delete")
        self.memory.doubt()
        self.settle()

    # ------------------------------------------------------------ links and addresses

    @rule(name=LINKS)
    def flap(self, name: str) -> None:
        with self.losing():
            for world in (self.ours, self.theirs):
                world.driver.set_down(name)
                world.driver.set_up(name)
                self.readdress(world, name)

    @rule(name=LINKS)
    def down_a_while(self, name: str) -> None:
        with self.losing():
            for world in (self.ours, self.theirs):
                world.driver.set_down(name)
        for world in (self.ours, self.theirs):
            world.driver.set_up(name)
            self.readdress(world, name)
        self.memory.doubt()
        self.settle()

    @rule(name=LINKS)
    def address_goes_and_comes(self, name: str) -> None:
        with self.losing():
            for world in (self.ours, self.theirs):
                world.driver.remove_address(name, ADDRESSES[name][0])
        for world in (self.ours, self.theirs):
            world.driver.add_address(name, ADDRESSES[name][0])
        self.memory.doubt()
        self.settle()

    def readdress(self, world: World, name: str) -> None:
        """The IPv6 address that a link loses when it goes down; nexthop objects likewise."""
        address = ADDRESSES[name][1]
        there = {str(a.address) for a in world.table.links()[name].addresses}
        if address.split("/")[0] not in there:
            world.driver.add_address(name, address)
        if name == "eth0":
            world.driver.nexthop("id 7 via 10.1.0.1 dev eth0")
            world.driver.nexthop("id 8 via 2001:db8:1::1 dev eth0")

    def losing(self) -> ExitStack:
        """Around what makes the kernel drop routes: notes which, and has a pass at the end."""
        self.see()
        stack = ExitStack()
        before = set(self.theirs.table.dump())

        def note_losses() -> None:
            after = set(self.theirs.table.dump())
            gone = {r for r in before if not any(is_part(r, s) for s in after)}
            self.lost |= {bare(r) for r in gone if r.protocol != KERNEL}
            self.memory.doubt()
            self.settle()

        stack.callback(note_losses)
        return stack

    def see(self) -> None:
        """Before our route vanishes: whether one that came meanwhile stood before it or behind
        it cannot be told any more then; it would be put before what was displaced."""
        if self.unseen:
            self.settle()

    # ------------------------------------------------------------ what must hold

    def names(self) -> dict[int, str]:
        return {link.ifindex: name for name, link in self.ours.table.links().items()}

    def check(self, outcome: Outcome) -> None:
        table = table_of(self.ours.table.dump())
        for key, routes in table.items():
            own = [r for r in routes if r.protocol == 114]
            wanted = outcome.wanted_by_key.get(key)
            if key in outcome.wanted_by_key and wanted is None:
                continue  # the rule holds the key while its link is down
            assert all(r == wanted for r in own), f"{own} is not {wanted}"
            assert len(own) <= 1
        for key, wanted in outcome.wanted_by_key.items():
            if wanted is None:
                continue
            routes = table.get(key, ())
            assert routes, f"nothing at {key.dst}"
            assert is_same(routes[0], wanted), f"{routes[0]} counts, not {wanted}"
            assert key.family == AF_INET or len(routes) == 1

    @precondition(lambda self: hasattr(self, "ours"))
    @invariant()
    def nothing_of_the_kernels_is_ours(self) -> None:
        assert all(r.protocol != 114 or r.key.table == 254 for r in self.ours.table.dump())

    def teardown(self) -> None:
        try:
            if self.ours.table.links().get("eth0"):
                self.clean_up()
        finally:
            self.stack.close()

    def clean_up(self) -> None:
        """Our routes go; what is left is the table of the namespace that we never saw."""
        self.memory.doubt()
        outcome = self.pass_over(Options(bare=True), EMPTY)
        assert not outcome.owed, outcome.owed
        assert outcome.error == ""
        ours, theirs = (self.foreign(world) for world in (self.ours, self.theirs))
        differing = {k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)}
        assert not differing, [(ours.get(k), theirs.get(k)) for k in differing]

    def foreign(self, world: World) -> Mapping[Key, list[KernelRoute]]:
        """All routes, but those that a flap took from the namespace without us.

        Multipath that a loss has thinned is compared without the lost hops, and without regard to
        the order of its hops, which means nothing.
        """
        found: dict[Key, list[KernelRoute]] = {}
        lost = {(bare(r).key, r.protocol, hop) for r in self.lost for hop in r.hops}
        for route in world.table.dump():
            if bare(route) in self.lost:
                continue
            hops = tuple(h for h in route.hops if (route.key, route.protocol, h) not in lost)
            if hops or not route.hops:
                left = route._replace(hops=tuple(sorted(hops))) if is_gatewayed(route) else route
                found.setdefault(route.key, []).append(left)
        return found


def bare(route: KernelRoute) -> KernelRoute:
    """A route without what the kernel shows of a nexthop object."""
    return route._replace(hops=()) if route.nexthop_id else route


def is_part(route: KernelRoute, other: KernelRoute) -> bool:
    """Whether `other` is the route, or the multipath that it was merged into."""
    return other == route or (
        is_gatewayed(route)
        and other.key == route.key
        and len(other.hops) > 1
        and set(route.hops) <= set(other.hops)
    )
