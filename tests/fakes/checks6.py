"""What an IPv6 route must be to be taken (net/ipv6/route.c, ip6_route_info_create)."""

from __future__ import annotations

import errno
from typing import Protocol

from cni_route.address import AF_INET, AF_INET6, Address
from cni_route.model import MAIN_TABLE, Hop, KernelRoute
from tests.fakes.links import FakeLink, Links, is_link_local
from tests.fakes.nexthops import Nexthops
from tests.fakes.refused import REJECTS, THROW, Refused
from tests.fakes.rules import Rules

BOOT_PROTOCOL = 3  # what IPv6 makes of none


class Lookup(Protocol):
    """Fib6.lookup."""

    def __call__(
        self, address: Address, table: int, dev: int = 0, prefer: int = 0
    ) -> KernelRoute | None: ...


class Checks6:
    """`lookup` is Fib6's."""

    def __init__(self, links: Links, rules: Rules, nexthops: Nexthops, lookup: Lookup) -> None:
        self._links = links
        self._rules = rules
        self._nexthops = nexthops
        self._lookup = lookup

    def route(self, route: KernelRoute) -> KernelRoute:
        """The route of one hop as it will be kept; raises Refused."""
        route = route._replace(scope=0, protocol=route.protocol or BOOT_PROTOCOL)
        if route.nexthop_id:
            if route.source is not None:
                raise Refused(errno.EINVAL, "Nexthops can not be used with source routing")
            hops = self._nexthops.hops(route.nexthop_id)
            if self._nexthops.family(route.nexthop_id) == AF_INET:
                raise Refused(errno.EINVAL, "IPv6 routes can not use an IPv4 nexthop")
            route = route._replace(hops=hops)
        elif route.type in REJECTS:
            route = route._replace(hops=())
        elif not route.hops:
            raise Refused(errno.ENODEV)
        else:
            route = route._replace(hops=(self.hop(route, route.hops[0]),))
        if route.src is not None and self._links.owner(route.src) is None:
            raise Refused(errno.EINVAL, "Invalid source address")
        return route

    def hop(self, route: KernelRoute, hop: Hop) -> Hop:
        """A next hop of a route as it will be kept; raises Refused."""
        link = self._links.find(hop.dev)
        if hop.dev and link is None:
            raise Refused(errno.ENODEV)
        if hop.onlink:
            if link is None:
                raise Refused(errno.ENODEV, "Nexthop device required for onlink")
            if not link.up:
                raise Refused(errno.ENETDOWN, "Nexthop device is not up")
        if hop.via is not None:
            hop = self._gateway(route, hop, link)
            link = self._links.find(hop.dev)
        if link is None:
            raise Refused(errno.ENODEV)
        if not link.up:
            raise Refused(errno.ENETDOWN, "Nexthop device is not up")
        return hop

    def _gateway(self, route: KernelRoute, hop: Hop, link: FakeLink | None) -> Hop:
        assert hop.via is not None
        if is_link_local(hop.via) and link is not None:
            local = hop.via in [a.address for a in link.addresses]
        else:
            local = self._links.owner(hop.via) is not None
        if local:
            raise Refused(errno.EINVAL, "Gateway can not be a local address")
        if is_link_local(hop.via):
            if not hop.dev:
                raise Refused(errno.EINVAL, "Egress device not specified")
            return hop
        if hop.onlink:
            found = self._lookup(hop.via, MAIN_TABLE, prefer=hop.dev)
            if found is None or not found.key.dst.length or found.type in REJECTS:
                return hop
            if found.hops[0].dev != hop.dev:
                raise Refused(errno.EINVAL, "Nexthop has invalid gateway or device mismatch")
            return hop
        found = self._lookup(hop.via, route.key.table, hop.dev)
        if found is None or not _is_direct(found):
            found = self._by_rules(hop)
        if found is None or not _is_direct(found):
            raise Refused(errno.EHOSTUNREACH)
        return hop._replace(dev=found.hops[0].dev)

    def _by_rules(self, hop: Hop) -> KernelRoute | None:
        """What the first table that has an answer says about a gateway."""
        assert hop.via is not None
        for table in self._rules.tables(AF_INET6, None):
            found = self._lookup(hop.via, table, hop.dev)
            if found is not None and found.type != THROW:
                return found
        return None


def _is_direct(route: KernelRoute) -> bool:
    return bool(route.hops) and route.hops[0].via is None
