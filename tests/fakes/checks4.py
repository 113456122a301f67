"""What an IPv4 route must be to be taken (net/ipv4/fib_semantics.c, fib_create_info)."""

from __future__ import annotations

import errno
from collections.abc import Callable

from cni_route.address import AF_INET, AF_INET6, Address
from cni_route.model import MAIN_TABLE, SCOPE_LINK, Hop, KernelRoute
from tests.fakes.links import FakeLink, Links, network_of
from tests.fakes.nexthops import Nexthops
from tests.fakes.refused import REJECTS, THROW, Refused
from tests.fakes.rules import LOCAL_TABLE, Rules


class Checks4:
    """`lookup` is Fib4's; `hop6` checks the IPv6 gateway that an IPv4 route may have."""

    def __init__(
        self,
        links: Links,
        rules: Rules,
        nexthops: Nexthops,
        lookup: Callable[[Address, int, int, int], KernelRoute | None],
        hop6: Callable[[KernelRoute, Hop], Hop],
    ) -> None:
        self._links = links
        self._rules = rules
        self._nexthops = nexthops
        self._lookup = lookup
        self._hop6 = hop6

    def route(self, route: KernelRoute) -> KernelRoute:
        """The route as it will be kept; raises Refused."""
        if route.nexthop_id:
            route = route._replace(hops=self._nexthops.hops(route.nexthop_id))
            if route.type in REJECTS:
                return route
        elif route.type in REJECTS:
            if route.hops:
                raise Refused(
                    errno.EINVAL,
                    "Gateway, device and multipath can not be specified for this route type",
                )
        elif not route.hops:
            raise Refused(errno.ENODEV)
        else:
            route = route._replace(hops=tuple(self.hop(route, hop) for hop in route.hops))
        if route.type in REJECTS:
            return route
        if route.src is not None and self._links.owner(route.src) is None:
            raise Refused(errno.EINVAL, "Invalid prefsrc address")
        return route

    def hop(self, route: KernelRoute, hop: Hop) -> Hop:
        """A next hop of a route as it will be kept; raises Refused."""
        if hop.via is not None and hop.via.family == AF_INET6:
            return self._hop6(route, hop)
        link = self._links.find(hop.dev)
        if hop.via is None:
            if hop.onlink:
                raise Refused(
                    errno.EINVAL,
                    "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set",
                )
            if link is None:
                raise Refused(errno.ENODEV)
            if not link.up:
                raise Refused(errno.ENETDOWN, "Device for nexthop is not up")
            return hop
        if hop.onlink:
            return self._onlink(route, hop, link)
        return self._gateway(route, hop)

    def _onlink(self, route: KernelRoute, hop: Hop, link: FakeLink | None) -> Hop:
        assert hop.via is not None
        if route.scope >= SCOPE_LINK:
            raise Refused(errno.EINVAL, "Nexthop has invalid scope")
        if link is None:
            raise Refused(errno.ENODEV, "Nexthop device required for onlink")
        if not link.up:
            raise Refused(errno.ENETDOWN, "Nexthop device is not up")
        if self._owner(hop.via, 0) is not None or self._is_broadcast(hop.via, 0):
            raise Refused(errno.EINVAL, "Nexthop has invalid gateway")
        return hop

    def _gateway(self, route: KernelRoute, hop: Hop) -> Hop:
        """A gateway must be reached by a route of a nearer scope (fib_check_nh_v4_gw)."""
        assert hop.via is not None
        scope = max(route.scope + 1, SCOPE_LINK)
        found = self._resolve(hop.via, route.key.table, scope, hop.dev)
        if isinstance(found, FakeLink):
            if not found.up:
                raise Refused(errno.ENETDOWN)
            return hop._replace(dev=found.index)
        if found is None or found.type in REJECTS:
            error = errno.ENETUNREACH if found is None else REJECTS[found.type]
            raise Refused(error, "Nexthop has invalid gateway")
        dev = hop.dev or found.hops[0].dev
        return hop._replace(dev=dev)

    def _resolve(
        self, via: Address, table: int, scope: int, dev: int
    ) -> KernelRoute | FakeLink | None:
        """The route towards a gateway, or the link whose own address it is."""
        if table != MAIN_TABLE:
            found = self._lookup(via, table, scope, dev)
            if found is not None and found.type not in REJECTS:
                return found
        for number in self._rules.tables(AF_INET, None):
            if number == LOCAL_TABLE:
                link = self._owner(via, dev)
                if link is not None:
                    return link
                if scope <= SCOPE_LINK and self._is_broadcast(via, dev):
                    raise Refused(errno.EINVAL, "Nexthop has invalid gateway")
                continue
            found = self._lookup(via, number, scope, dev)
            if found is not None and found.type != THROW:
                return found
        return None

    # The local table (255) is not kept: what it would say follows from the addresses.

    def _owner(self, address: Address, dev: int) -> FakeLink | None:
        """The link (`dev` or, for 0, any) whose own address this is."""
        for link in self._links:
            if dev in (0, link.index) and address in [a.address for a in link.addresses]:
                return link
        return None

    def _is_broadcast(self, address: Address, dev: int) -> bool:
        """Whether it is the last address of a network of that link (0: any)."""
        for link in self._links:
            if not link.up or dev not in (0, link.index):
                continue
            for own in link.of_family(AF_INET):
                first = int.from_bytes(network_of(own).address, "big")
                last = first | (1 << 32 - own.length) - 1
                if own.length < 31 and address == last.to_bytes(4, "big"):
                    return True
        return False
