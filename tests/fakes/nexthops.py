"""Nexthop objects (`ip nexthop`) of one fake namespace."""

from __future__ import annotations

import errno

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

    def hops(self, identity: int) -> tuple[Hop, ...] | None:
        hop = self._by_id.get(identity)
        return None if hop is None else (hop,)

    def on(self, dev: int) -> list[int]:
        """The ids of those that leave by a device."""
        return [identity for identity, hop in self._by_id.items() if hop.dev == dev]
