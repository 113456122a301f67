"""What is remembered of one pod between passes, so that a pass costs only what changed.

Held by whoever makes the passes (the service, one a sandbox); a pass without one starts from
nothing and comes to the same result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import NamedTuple

from cni_route.contest import Contest
from cni_route.displace import Shade, Shadow, is_backup
from cni_route.kernel import Table
from cni_route.model import KernelRoute, Key, Link, Pod, PolicyRule, Verdict
from cni_route.plan import table_of
from cni_route.record import Displaced, Record
from cni_route.refused import Meaning
from cni_route.resolve import gateways_of, nics_of, resolve, shape_of
from cni_route.shape import Nic, Resolution, Shape, Terms
from cni_route.view import EMPTY, View

Routes = Mapping[Key, tuple[KernelRoute, ...]]


class Marks(NamedTuple):
    """The protocols that tell our routes and our copies from foreign ones."""

    own: int
    backup: int


class Memory:
    """The table after the last pass, what was resolved, and what the kernel refused.

    All mappings are replaced, never changed: whoever got one keeps it as it was.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.doubtful = True
        self.link_changed = False  # since the last look
        self.contest = Contest()
        self.clock = clock
        self.links: Mapping[str, Link] = {}
        self.up: frozenset[int] = frozenset()
        self.table: Routes = {}
        self.previous: Routes = {}
        self.copies: tuple[KernelRoute, ...] = ()
        self.refused: dict[Key, Meaning] = {}
        self.stamp: tuple[int, int] | None = None
        self.record: Record | None = None
        self.resolution = Resolution()
        self._dump: tuple[KernelRoute, ...] = ()  # that `table` was made of, if it was
        self._foreign: tuple[KernelRoute, ...] = ()
        self._nics: tuple[tuple[str, Nic], ...] = ()
        self._nics_of: Record | None = None  # whose attachments and displaced routes went in
        self._shape: Shape | None = None
        self._view: View = EMPTY
        self._settled = False  # whether `table` is what a whole pass left behind
        self.is_fresh = True  # no pass over this record has ended yet: what copies say counts

    def doubt(self, link_changed: bool = False) -> None:
        """The kernel may hold something else by now: look again in the next pass.

        `link_changed`: a link or an address changed, so the kernel itself may have taken routes.
        Called from any thread: a pass forgets its doubts before it looks, never after.
        """
        self.link_changed = self.link_changed or link_changed
        self.doubtful = True

    def unsettle(self) -> None:
        """A pass has left something undone: whatever the next look shows, all is planned anew."""
        self._settled = False
        self.doubtful = True

    # ------------------------------------------------------------ the table

    def look(self, table: Table, marks: Marks) -> bool:
        """Read interfaces and main table; whether anything is not as it was known."""
        self.doubtful = False
        link_changed, self.link_changed = self.link_changed, False
        links = dict(table.links())
        routes = table.dump()
        settled, self._settled = self._settled, False
        if settled and routes == self._dump and links == self.links:
            # equal routes are mostly the same objects, so this costs next to nothing
            self._settled = True
            return False
        self._dump = routes
        self.previous = self.table if settled else {}
        self.table = _shared(table_of(routes), self.resolution.wanted)
        self.copies = tuple(r for r in routes if is_backup(r, marks.backup))
        self._foreign = tuple(r for r in routes if r.protocol not in marks)
        self._nics_of = None
        if self.previous and links == self.links and not link_changed:
            self.contest.look(self.previous, self.table, self.resolution.wanted, self.clock())
        self.links = links
        self.up = frozenset(link.ifindex for link in links.values() if link.up)
        return True

    def settle(self, after: Routes) -> None:
        """Take over what acknowledged operations made of the lists."""
        if after:
            self._dump = ()  # of another table
            table = {**self.table, **after}
            for key, routes in after.items():
                if not routes:
                    del table[key]
            self.table = table

    def name_of(self, route: KernelRoute | PolicyRule) -> str:
        """The name of a route's (first) device."""
        for link in self.links.values():
            if isinstance(route, KernelRoute) and route.hops and link.ifindex == route.hops[0].dev:
                return link.name
        return "the device"

    # ------------------------------------------------------------ what is wanted

    def resolve(self, view: View, pod: Pod, record: Record, terms: Terms) -> frozenset[Key] | None:
        """Bring the resolution up to date; return the keys that may differ, None for all."""
        if self._nics_of is not record:
            told = ((a.ifname, g) for a in record.attachments for g in a.gateways)
            bound = (d.bound(self.links) for d in record.displaced)
            displaced = (route for route in bound if route is not None)
            gateways = gateways_of(self.links, told, (*self._foreign, *displaced))
            self._nics = nics_of(self.links, gateways)
            self._nics_of = record
        shape = shape_of(view, pod, self._nics, terms)
        old, before = self._view, self._shape
        if view is old and shape == before:
            return frozenset()
        # its decisions are by place: with other filters, the same ones are another shape
        same_shape = shape == before and view.filters == old.filters
        self.resolution = resolve(view, shape, old if same_shape else None)
        self._view, self._shape = view, shape
        return view.change_since(old).keys if same_shape else None

    def wanted(self) -> Mapping[Key, KernelRoute | None]:
        """What the pod should have, without what the kernel refused in this pass."""
        if not self.refused:
            return self.resolution.wanted
        wanted = {**self.resolution.wanted}
        for key, why in self.refused.items():
            if why.passing:
                wanted[key] = None
            else:
                wanted.pop(key, None)
        return wanted

    def applied(self) -> frozenset[Key]:
        """The keys of the own routes that are in the kernel."""
        if not self.refused:
            return self.resolution.applied
        return self.resolution.applied.difference(self.refused)

    def verdicts(self) -> Mapping[Key | None, tuple[Verdict, ...]]:
        """All verdicts by key; under None those of rules without a destination."""
        if not self.refused:
            return self.resolution.said
        said = {**self.resolution.said}
        for key, why in self.refused.items():
            said[key] = tuple(
                v._replace(outcome="failed", code=why.code, reason=why.reason)
                if v.outcome == "applied"
                else v
                for v in said.get(key, ())
            )
        return said

    def finish(self) -> None:
        """Note that a pass has ended: what is in `table` is what it left behind."""
        self._settled = not self.doubtful
        self.previous = {}
        if self.is_fresh:  # then nothing was resolved yet when it looked
            self.table = _shared(self.table, self.resolution.wanted)
        self.is_fresh = False


def _shared(table: Routes, wanted: Mapping[Key, KernelRoute | None]) -> Routes:
    """The table with the resolution's own objects where it holds the like.

    All pods of one shape share those: a dump of 100 routes in 250 pods costs no memory.
    """
    shared: dict[Key, tuple[KernelRoute, ...]] = {}
    for key, routes in table.items():
        want = wanted.get(key)
        if want is not None and len(routes) == 1 and routes[0] == want:
            shared[want.key] = (want,)
        else:
            shared[key] = routes
    return shared


# ---------------------------------------------------------------- shadow and record


def bound_shadow(
    displaced: Iterable[Displaced], links: Mapping[str, Link]
) -> tuple[Shadow, tuple[Displaced, ...]]:
    """What is displaced by today's interface indexes, and what has no interface now."""
    shadow: dict[Key, tuple[Shade, ...]] = {}
    unbound = []
    for entry in displaced:
        route = entry.bound(links)
        if route is None:
            unbound.append(entry)
        else:
            shade = Shade(route, entry.behind)
            shadow[route.key] = (*shadow.get(route.key, ()), shade)
    return shadow, tuple(unbound)


def named_shadow(shadow: Shadow, links: Mapping[str, Link]) -> tuple[Displaced, ...]:
    """The shadow with its devices by name, as a record keeps it."""
    names = {link.ifindex: name for name, link in links.items()}
    return tuple(
        Displaced(s.route, tuple(names.get(hop.dev, "") for hop in s.route.hops), s.behind)
        for shades in shadow.values()
        for s in shades
    )
