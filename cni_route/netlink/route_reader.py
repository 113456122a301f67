"""Bytes -> routes.

Reading normalises, so that what the kernel shows compares equal with what was written: no
priority is 0 for IPv4, RTA_PREF medium is left out, state flags are dropped, types without a
device have no hops (IPv6 shows them on lo), attributes that only answer a look-up are ignored.
"""

from __future__ import annotations

from typing import NamedTuple

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

PREF_MEDIUM = b"\0"
EXPIRES_AT = 8  # rta_cacheinfo.rta_expires, in clock ticks
KEPT_BY_KERNEL = frozenset((2, 3, 4, 5))  # RTN_LOCAL, _BROADCAST, _ANYCAST, _MULTICAST
WITHOUT_DEVICE = frozenset((6, 7, 8, 9))  # RTN_BLACKHOLE, _UNREACHABLE, _PROHIBIT, _THROW
OF_A_HOP = (RTA_FLOW, RTA_ENCAP_TYPE, RTA_ENCAP)
IGNORED = (RTA_IIF, RTA_CACHEINFO, RTA_MARK, RTA_MFC_STATS, RTA_EXPIRES, RTA_PAD, RTA_UID)


def decode_route(data: bytes, start: int, end: int) -> KernelRoute | None:
    """The route in data[start:end]; None for what the kernel keeps for itself.

    That is: local, broadcast, anycast, multicast and cloned ones, and other families.
    """
    if end - start < 12 or end > len(data):
        raise WireError("a route without its header")
    family, dst_len, src_len, tos, table, protocol, scope, kind, flags = RTMSG.unpack_from(
        data, start
    )
    if family not in (AF_INET, AF_INET6) or kind in KEPT_BY_KERNEL or flags & RTM_F_CLONED:
        return None
    found = dict(attributes(data, start + 12, end))
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
        kind = (
            TYPE_UNICAST  # what is shown is the nexthop object's nature; deleting asks the route's
        )
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
    metrics = dict(attributes(value, 0, len(value)))
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
        inner = dict(attributes(several, start + 8, start + length))
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
    """Decodes the routes of one dump, which repeat themselves.

    A pod's routes to one NIC differ in their destination alone, and the kernel writes RTA_TABLE
    and RTA_DST first. So all other bytes of such a message are decoded once and remembered.
    """

    def __init__(self, table: int) -> None:
        self._table = table
        self._known: dict[bytes, _Pattern] = {}

    def read(self, data: bytes, start: int, end: int) -> KernelRoute | None:
        """As decode_route; None too for a route of another table."""
        head = start + 24
        tail = head + SIZES.get(data[start : start + 1], 0)
        pattern = self._known.get(data[start:head] + data[tail:end])
        if pattern is None or tail > end:
            return self._learn(data, start, end)
        host_bits, length, key, rest = pattern
        dst = data[head:tail]
        if _from_bytes(dst, "big") & host_bits:
            return self._learn(data, start, end)
        prefix = _new(Prefix, (_new_address(Address, dst), length))
        return _new(KernelRoute, (_new(Key, (prefix, *key)), *rest))

    def _learn(self, data: bytes, start: int, end: int) -> KernelRoute | None:
        route = decode_route(data, start, end)
        if route is None or route.key.table != self._table:
            return None
        head = start + 24
        tail = head + len(route.key.dst.address)
        regular = (
            tail <= end
            and data[start + 12 : start + 16] == TABLE_FIRST
            and data[start + 20 : head] == DST_SECOND[tail - head]
            and all(kind != RTA_DST for kind, _ in attributes(data, tail, end))
        )
        if regular:
            length = route.key.dst.length
            self._known[data[start:head] + data[tail:end]] = _Pattern(
                (1 << (tail - head) * 8 - length) - 1, length, route.key[1:], route[1:]
            )
        return route
