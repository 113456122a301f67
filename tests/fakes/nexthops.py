"""Nexthop objects (`ip nexthop`) of one fake namespace."""

from __future__ import annotations

import errno

from cni_route.address import AF_INET, AF_INET6
from cni_route.model import Hop
from tests.fakes.refused import Refused


class Nexthops:
    """Single next hops by their id; groups are not modelled."""

    def __init__(self) -> None:
        self._by_id: dict[int, Hop] = {}

    def add(self, identity: int, hop: Hop) -> None:
        if identity in self._by_id:
            raise Refused(errno.EEXIST)
        self._by_id[identity] = hop

    def remove(self, identity: int) -> None:
        if identity not in self._by_id:
            raise Refused(errno.ENOENT)
        del self._by_id[identity]

    def check(self, identity: int) -> None:
        """Refuse an id that is neither 0 nor known."""
        if identity and identity not in self._by_id:
            raise Refused(errno.EINVAL, "Nexthop id does not exist")

    def hops(self, identity: int) -> tuple[Hop, ...]:
        """What a route with this object shows as its next hops."""
        self.check(identity)
        return (self._by_id[identity],)

    def family(self, identity: int) -> int:
        """Of its gateway; one without a gateway is IPv4 here, as `ip nexthop` makes it."""
        via = self._by_id[identity].via
        return AF_INET6 if via is not None and via.family == AF_INET6 else AF_INET

    def on(self, dev: int) -> list[int]:
        """The ids of those that leave by a device."""
        return [identity for identity, hop in self._by_id.items() if hop.dev == dev]
