"""Bytes -> routes.

Reading normalises, so that what the kernel shows compares equal with what was written: no
priority is 0 for IPv4, RTA_PREF medium is left out, state flags are dropped, types without a
device have no hops (IPv6 shows them on lo), attributes that only answer a look-up are ignored.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import TYPE_UNICAST, Hop, KernelRoute, Key
from cni_route.netlink.layout import (
    NEXTHOP,
    RTA_CACHEINFO,
    RTA_DST,
    RTA_ENCAP,
    RTA_ENCAP_TYPE,
    RTA_EXPIRES,
    RTA_FLOW,
    RTA_GATEWAY,
    RTA_IIF,
    RTA_MARK,
    RTA_METRICS,
    RTA_MFC_STATS,
    RTA_MULTIPATH,
    RTA_NH_ID,
    RTA_OIF,
    RTA_PAD,
    RTA_PREF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_SRC,
    RTA_TABLE,
    RTA_UID,
    RTA_VIA,
    RTAX_MTU,
    RTM_F_CLONED,
    RTMSG,
    RTN_BLACKHOLE,
    RTNH_F_ONLINK,
    RTPROT_RA,
)
from cni_route.netlink.wire import ATTRIBUTE, WireError, attributes, number

__all__ = ["RouteReader", "decode_route"]

T = TypeVar("T")

REMEMBERED = 8192  # messages or patterns; some 3 MB, where every pod's are its own
PREF_MEDIUM = b"\0"
EXPIRES_AT = 8  # rta_cacheinfo.rta_expires, in clock ticks
KEPT_BY_KERNEL = frozenset((2, 3, 4, 5))  # RTN_LOCAL, _BROADCAST, _ANYCAST, _MULTICAST
WITHOUT_DEVICE = frozenset((6, 7, 8, 9))  # RTN_BLACKHOLE, _UNREACHABLE, _PROHIBIT, _THROW
OF_A_HOP = (RTA_FLOW, RTA_ENCAP_TYPE, RTA_ENCAP)
IGNORED = (RTA_IIF, RTA_CACHEINFO, RTA_MARK, RTA_MFC_STATS, RTA_EXPIRES, RTA_PAD, RTA_UID)


def decode_route(body: bytes) -> KernelRoute | None:
    """One route; None for what the kernel keeps for itself.

    That is: local, broadcast, anycast, multicast and cloned ones, and other families.
    """
    if len(body) < 12:
        raise WireError("a route without its header")
    family, dst_len, src_len, tos, table, protocol, scope, kind, flags = RTMSG.unpack_from(body)
    if family not in (AF_INET, AF_INET6) or kind in KEPT_BY_KERNEL or flags & RTM_F_CLONED:
        return None
    found = dict(attributes(body, 12))
    transient = _transient(family, protocol, found)
    for ignored in IGNORED:
        found.pop(ignored, None)
    if found.get(RTA_PREF) == PREF_MEDIUM:
        del found[RTA_PREF]
    key = Key(
        _prefix(family, found.pop(RTA_DST, None), dst_len),
        number(found.pop(RTA_PRIORITY, bytes(4))),
        tos,
        number(found.pop(RTA_TABLE)) if RTA_TABLE in found else table,
    )
    source = _prefix(family, found.pop(RTA_SRC, None), src_len) if src_len else None
    src = _address(family, found.pop(RTA_PREFSRC)) if RTA_PREFSRC in found else None
    mtu, metrics = _decode_metrics(found.pop(RTA_METRICS, b""))
    nexthop_id = number(found.pop(RTA_NH_ID, bytes(4)))
    hops = _decode_hops(family, found, flags)
    if kind in WITHOUT_DEVICE:
        hops = ()
    if nexthop_id and kind == RTN_BLACKHOLE:
        kind = TYPE_UNICAST  # shown is the nexthop object's nature; a delete wants the route's
    extra = tuple(sorted(found.items()))
    return KernelRoute(
        key, hops, protocol, scope, kind, src, mtu, nexthop_id, metrics, extra, transient, source
    )


def _transient(family: int, protocol: int, found: dict[int, bytes]) -> bool:
    if family == AF_INET6 and protocol == RTPROT_RA:
        return True
    cache = found.get(RTA_CACHEINFO, b"")
    return any(cache[EXPIRES_AT : EXPIRES_AT + 4]) or any(found.get(RTA_EXPIRES, b""))


def _address(family: int, value: bytes) -> Address:
    if len(value) != (4 if family == AF_INET else 16):
        raise WireError(f"an address of {len(value)} bytes")
    return Address(value)


def _prefix(family: int, value: bytes | None, length: int) -> Prefix:
    address = _address(family, bytes(4 if family == AF_INET else 16) if value is None else value)
    try:
        return Prefix(address, length)
    except ValueError as mistake:
        raise WireError(str(mistake)) from None


def _decode_metrics(value: bytes) -> tuple[int, tuple[tuple[int, bytes], ...]]:
    metrics = dict(attributes(value))
    mtu = number(metrics.pop(RTAX_MTU, bytes(4)))
    return mtu, tuple(sorted(metrics.items()))


def _decode_hops(family: int, found: dict[int, bytes], flags: int) -> tuple[Hop, ...]:
    """Take the next hops out of a route's attributes: one by itself, or a list."""
    hops = []
    dev = number(found.pop(RTA_OIF, bytes(4)))
    single = _decode_hop(family, found, dev, 1, flags)
    if dev or single.via or single.extra:
        hops.append(single)
    several = found.pop(RTA_MULTIPATH, b"")
    start, end = 0, len(several)
    while end - start >= 8:
        length, hop_flags, hop_weight, dev = NEXTHOP.unpack_from(several, start)
        if length < 8 or length > end - start:
            raise WireError(f"a next hop of {length} bytes where {end - start} are left")
        inner = dict(attributes(several[: start + length], start + 8))
        hops.append(_decode_hop(family, inner, dev, hop_weight + 1, hop_flags))
        start += length + 3 & ~3
    return tuple(hops)


def _decode_hop(family: int, found: dict[int, bytes], dev: int, weight: int, flags: int) -> Hop:
    via = None
    if RTA_GATEWAY in found:
        via = _address(family, found.pop(RTA_GATEWAY))
    elif RTA_VIA in found:
        value = found.pop(RTA_VIA)
        if len(value) not in (6, 18):
            raise WireError(f"a gateway of {len(value)} bytes")
        via = Address(value[2:])
    extra = tuple((kind, found.pop(kind)) for kind in OF_A_HOP if kind in found)
    return Hop(dev, via, weight, bool(flags & RTNH_F_ONLINK), extra)


class _Pattern(NamedTuple):
    """All of a route but its destination."""

    host_bits: int  # must be clear in the destination
    length: int
    key: tuple[int, int, int]  # metric, ToS, table
    rest: tuple[object, ...]  # the fields behind the key


SIZES = {bytes((AF_INET,)): 4, bytes((AF_INET6,)): 16}
TABLE_FIRST = ATTRIBUTE.pack(8, RTA_TABLE)
DST_SECOND = {4: ATTRIBUTE.pack(8, RTA_DST), 16: ATTRIBUTE.pack(20, RTA_DST)}

_new = tuple.__new__
_new_address = bytes.__new__
_from_bytes = int.from_bytes


class RouteReader:
    """decode_route with a memory, for dumps: their routes repeat themselves.

    From pod to pod whole messages do: each is decoded once, and all tables share the route. Within
    a pod all but the destination does, and the kernel writes RTA_TABLE and RTA_DST first: so the
    other bytes are decoded once. Threads may share a reader; what it remembers is bounded.
    """

    def __init__(self) -> None:
        self._routes: dict[bytes, KernelRoute] = {}
        self._patterns: dict[bytes, _Pattern] = {}

    def read(self, body: bytes) -> KernelRoute | None:
        """As decode_route."""
        return self._routes.get(body) or self._read(body)

    def _read(self, body: bytes) -> KernelRoute | None:
        tail = 24 + SIZES.get(body[:1], 0)
        pattern = self._patterns.get(body[:24] + body[tail:])
        if pattern is None or tail > len(body):
            return self._learn(body)
        host_bits, length, key, rest = pattern
        dst = body[24:tail]
        if _from_bytes(dst, "big") & host_bits:
            return self._learn(body)
        prefix = _new(Prefix, (_new_address(Address, dst), length))
        route = _new(KernelRoute, (_new(Key, (prefix, *key)), *rest))
        _remember(self._routes, body, route)
        return route

    def _learn(self, body: bytes) -> KernelRoute | None:
        route = decode_route(body)
        if route is None:
            return None
        tail = 24 + len(route.key.dst.address)
        regular = (
            tail <= len(body)
            and body[12:16] == TABLE_FIRST
            and body[20:24] == DST_SECOND[tail - 24]
            and all(kind != RTA_DST for kind, _ in attributes(body, tail))
        )
        if regular:
            length = route.key.dst.length
            host_bits = (1 << (tail - 24) * 8 - length) - 1
            pattern = _Pattern(host_bits, length, route.key[1:], route[1:])
            _remember(self._patterns, body[:24] + body[tail:], pattern)
        _remember(self._routes, body, route)
        return route


def _remember(known: dict[bytes, T], body: bytes, value: T) -> None:
    if len(known) >= REMEMBERED:
        known.clear()
    known[body] = value
