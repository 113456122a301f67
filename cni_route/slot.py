"""One key's list of routes, and operations that never leave it without a route. Pure.

A Slot is the only way to write operations: each method knows what the kernel's list looks like by
then, sends REPLACE only where it hits the route that is meant, and otherwise puts the new route
in before the old one goes out. So an operation list that opens a gap cannot be written, except by
`take_all`, which says so.
"""

from __future__ import annotations

from collections.abc import Sequence

from cni_route.address import AF_INET6
from cni_route.model import KernelRoute, Operation, Verb


def is_gatewayed(route: KernelRoute) -> bool:
    """The IPv6 kind that merges into multipath (rt6_qualify_for_ecmp in net/ip6_route.h)."""
    return bool(route.hops) and route.hops[0].via is not None and not route.nexthop_id


def hit_by_replace(routes: Sequence[KernelRoute], new: KernelRoute) -> int | None:
    """Which of a key's routes NLM_F_REPLACE would overwrite; None: it would only be added.

    IPv4 (fib_table_insert): the first. IPv6 (fib6_add_rt2node): the first of its kind, else the
    first of all.
    """
    if not routes:
        return None
    if new.key.family == AF_INET6:
        for index, route in enumerate(routes):
            if is_gatewayed(route) == is_gatewayed(new):
                return index
    return 0


def is_same(left: KernelRoute, right: KernelRoute) -> bool:
    """Whether two routes of one key do the same, whoever wrote them."""
    return left == right or left._replace(protocol=right.protocol) == right


def missing_part(route: KernelRoute, routes: Sequence[KernelRoute]) -> KernelRoute | None:
    """What of a route is not in a key's list yet: None, the route, or some of its hops.

    An IPv6 route may be there merged into a multipath, whole or in part.
    """
    if route in routes:
        return None
    if route.key.family != AF_INET6 or not is_gatewayed(route):
        return route
    there = {h for r in routes if r.key == route.key and is_gatewayed(r) for h in r.hops}
    hops = tuple(hop for hop in route.hops if hop not in there)
    return route._replace(hops=hops) if hops else None


def exchange(there: KernelRoute, new: KernelRoute) -> Operation:
    """What Slot.swap comes to for a key whose only route is `there`: REPLACE can hit no other."""
    assert there.key == new.key
    return Operation("replace", new)


class Slot:
    """The list under one key as it will be once the operations written so far are done."""

    __slots__ = ("gatewayed", "operations", "routes", "takes_only")

    def __init__(self, routes: Sequence[KernelRoute]) -> None:
        self.routes = list(routes)
        self.operations: list[Operation] = []
        self.takes_only = True  # nothing is put in
        self.gatewayed = False  # something put in needs a gateway to be there

    def put(self, new: KernelRoute) -> None:
        """Put a route in front (IPv4), behind (IPv6), or as the first of an empty key."""
        if not self.routes:
            self._say("add", new)
            self.routes.append(new)
        elif new.key.family == AF_INET6:
            self._say("append", new)
            self._append6(new)
        else:
            self._say("prepend", new)
            self.routes.insert(0, new)

    def swap(self, old: KernelRoute, new: KernelRoute) -> None:
        """Let `new` take the place of `old`: in one step where REPLACE can hit only `old`.

        Under an IPv4 key with other routes it does not: were `old` gone by then (a link that
        flaps takes it without a word), REPLACE would hit one of those. An IPv6 multipath goes in
        hop by hop, as a part of it may be there already; the first takes the place of `old`.
        """
        if len(new.hops) > 1 and new.key.family == AF_INET6:
            first, *others = (new._replace(hops=(hop,)) for hop in new.hops)
            self.swap(old, first)
            for other in others:
                self.put(other)
            return
        index = self.routes.index(old)
        alone = len(self.routes) == 1 or new.key.family == AF_INET6
        if alone and hit_by_replace(self.routes, new) == index:
            self._say("replace", new)
            self.routes[index] = new
        else:
            self.put(new)
            self.drop(old)

    def drop(self, old: KernelRoute) -> None:
        """Delete one of several routes by its exact attributes; another one stays."""
        if len(self.routes) < 2:
            raise ValueError(f"dropping the only route to {old.key.dst} would open a gap")
        self._say("delete", old)
        self.routes.remove(old)

    def take_all(self, routes: Sequence[KernelRoute]) -> None:
        """Delete routes that nobody wants any more, the last one of the key included."""
        for route in routes:
            self._say("delete", route)
            self.routes.remove(route)

    def _append6(self, new: KernelRoute) -> None:
        """As the kernel does: a gatewayed route joins the gatewayed one of its key."""
        if is_gatewayed(new):
            for index, route in enumerate(self.routes):
                if is_gatewayed(route):
                    self.routes[index] = route._replace(hops=route.hops + new.hops)
                    return
        self.routes.append(new)

    def _say(self, verb: Verb, route: KernelRoute) -> None:
        self.operations.append(Operation(verb, route))
        if verb != "delete":
            self.takes_only = False
            self.gatewayed = self.gatewayed or is_gatewayed(route)
