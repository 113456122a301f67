"""Foreign routes that ours stand in for: their copies in the kernel, and who they were. Pure.

A displaced route lives on twice: in the sandbox's record, and as a backup in the kernel (protocol
115, a metric that says what it was), which carries the traffic should ours vanish.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cni_route.address import AF_INET6
from cni_route.model import KernelRoute, Key
from cni_route.slot import is_gatewayed

BACKUP_METRIC = 0xFF000000  # and above: (metric << 8) + protocol of the displaced route
LARGEST_METRIC = 0xFFFF  # of a route that can be displaced: more does not fit in there


class Shade(NamedTuple):
    """A displaced route as the kernel had it, and what stood behind it under its key."""

    route: KernelRoute
    behind: tuple[KernelRoute, ...] = ()


Shadow = Mapping[Key, tuple[Shade, ...]]


def why_not(route: KernelRoute) -> str:
    """Why a foreign route cannot be displaced; empty where it can."""
    if route.transient:
        return "the route in the way expires or comes from a router advertisement"
    if route.key.metric > LARGEST_METRIC:
        return f"the route in the way has metric {route.key.metric}; up to {LARGEST_METRIC} can be"
    return ""


def backup_of(route: KernelRoute, protocol: int) -> KernelRoute:
    """The copy of a displaced route that goes into the kernel.

    A nexthop object is copied by its hops: an IPv6 delete that does not name an object hits the
    first route of the key and protocol that has one (ip6_route_del), whatever was meant.
    """
    metric = BACKUP_METRIC + (route.key.metric << 8) + route.protocol
    return route._replace(key=route.key._replace(metric=metric), protocol=protocol, nexthop_id=0)


def is_backup(route: KernelRoute, protocol: int) -> bool:
    """Whether a route is a copy that we made."""
    return route.protocol == protocol and route.key.metric >= BACKUP_METRIC


def original_of(backup: KernelRoute) -> KernelRoute:
    """The displaced route that a backup was made of."""
    number = backup.key.metric - BACKUP_METRIC
    return backup._replace(key=backup.key._replace(metric=number >> 8), protocol=number & 0xFF)


def backups_of(shades: Iterable[Shade], protocol: int) -> dict[Key, list[KernelRoute]]:
    """The copies that should be in the kernel, by their key.

    Two gatewayed IPv6 routes of one key and protocol make one multipath there, as they would
    have under their own key.
    """
    copies: dict[Key, list[KernelRoute]] = {}
    for shade in shades:
        copy = backup_of(shade.route, protocol)
        there = copies.setdefault(copy.key, [])
        if copy.key.family == AF_INET6 and is_gatewayed(copy):
            for index, other in enumerate(there):
                if is_gatewayed(other):
                    more = tuple(h for h in copy.hops if h not in other.hops)
                    there[index] = other._replace(hops=other.hops + more)
                    break
            else:
                there.append(copy)
        else:
            there.append(copy)
    return copies


def adopted(shadow: Shadow, copies: Iterable[KernelRoute]) -> dict[Key, tuple[Shade, ...]]:
    """The shadow, completed by backups that no record speaks of: the record was lost."""
    whole = dict(shadow)
    for copy in copies:
        lost = original_of(copy)
        known = whole.get(lost.key, ())
        if not _accounted(lost, known):
            whole[lost.key] = (*known, Shade(lost))
    return whole


def _accounted(lost: KernelRoute, known: Sequence[Shade]) -> bool:
    same = [s.route for s in known if s.route.protocol == lost.protocol]
    if any(route._replace(nexthop_id=0) == lost for route in same):
        return True
    # a merged IPv6 copy stands for several displaced routes: each of its hops is one's
    hops = {hop for route in same for hop in route.hops}
    return bool(lost.hops) and is_gatewayed(lost) and hops.issuperset(lost.hops)
