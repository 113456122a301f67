"""Routes <-> bytes: rtmsg and its attributes, as in linux/rtnetlink.h.

Decoding normalises, so that what the kernel shows compares equal with what was written: no
priority is 0 for IPv4, RTA_PREF medium is left out, state flags are dropped, types without a
device have no hops (IPv6 shows them on lo), attributes that only answer a look-up are ignored.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key
from cni_route.netlink.wire import (
    APPEND,
    ATTRIBUTE,
    CREATE,
    EXCL,
    HEADER,
    INTEGER,
    REPLACE,
    REQUEST,
    UNSIGNED,
    WireError,
    attribute,
    attributes,
    error,
    nested,
    number,
)

__all__ = [
    "RTM_DELROUTE",
    "RTM_GETROUTE",
    "RTM_NEWROUTE",
    "RouteReader",
    "decode_route",
    "encode_dump_request",
    "encode_route",
]

RTM_NEWROUTE = 24
RTM_DELROUTE = 25
RTM_GETROUTE = 26

RTA_DST = 1
RTA_SRC = 2
RTA_IIF = 3
RTA_OIF = 4
RTA_GATEWAY = 5
RTA_PRIORITY = 6
RTA_PREFSRC = 7
RTA_METRICS = 8
RTA_MULTIPATH = 9
RTA_FLOW = 11
RTA_CACHEINFO = 12
RTA_TABLE = 15
RTA_MARK = 16
RTA_MFC_STATS = 17
RTA_VIA = 18
RTA_PREF = 20
RTA_ENCAP_TYPE = 21
RTA_ENCAP = 22
RTA_EXPIRES = 23
RTA_PAD = 24
RTA_UID = 25
RTA_NH_ID = 30

RTAX_MTU = 2
RTM_F_CLONED = 0x200
RTNH_F_ONLINK = 4
RTPROT_RA = 9
RT_TABLE_COMPAT = 252  # stands in the header where the table's number does not fit
PREF_MEDIUM = b"\0"

KEPT_BY_KERNEL = frozenset((2, 3, 4, 5))  # RTN_LOCAL, _BROADCAST, _ANYCAST, _MULTICAST
WITHOUT_DEVICE = frozenset((6, 7, 8, 9))  # RTN_BLACKHOLE, _UNREACHABLE, _PROHIBIT, _THROW
OF_A_HOP = (RTA_FLOW, RTA_ENCAP_TYPE, RTA_ENCAP)
IGNORED = (RTA_IIF, RTA_CACHEINFO, RTA_MARK, RTA_MFC_STATS, RTA_EXPIRES, RTA_PAD, RTA_UID)

RTMSG = Struct("=8BI")  # family, dst_len, src_len, tos, table, protocol, scope, type, flags
NEXTHOP = Struct("=HBBi")  # rtnexthop: length, flags, weight - 1, interface
FAMILY = Struct("=H")
EXPIRES_AT = 8  # rta_cacheinfo.rta_expires, in clock ticks

VERBS: Final = {
    "add": (RTM_NEWROUTE, REQUEST | CREATE | EXCL),
    "append": (RTM_NEWROUTE, REQUEST | CREATE | APPEND),
    "prepend": (RTM_NEWROUTE, REQUEST | CREATE),
    "replace": (RTM_NEWROUTE, REQUEST | CREATE | REPLACE),
    "delete": (RTM_DELROUTE, REQUEST),
}


# ---------------------------------------------------------------- writing


def _constant(length: int, kind: int) -> int:
    """An attribute's header as one number, which packs faster than its two halves."""
    return int(UNSIGNED.unpack(ATTRIBUTE.pack(length, kind))[0])


# The common shape in one stroke: one hop, nothing beside it. Table and priority always.
_HEAD = "=IHHII8BI"
_TAIL = "IIIIII"  # RTA_TABLE, RTA_PRIORITY, RTA_OIF
PLAIN = {
    (4, 0): Struct(f"{_HEAD}I4s{_TAIL}"),
    (4, 4): Struct(f"{_HEAD}I4s{_TAIL}I4s"),
    (16, 0): Struct(f"{_HEAD}I16s{_TAIL}"),
    (16, 16): Struct(f"{_HEAD}I16s{_TAIL}I16s"),
}
PLAIN_DST = {4: _constant(8, RTA_DST), 16: _constant(20, RTA_DST)}
PLAIN_GATEWAY = {4: _constant(8, RTA_GATEWAY), 16: _constant(20, RTA_GATEWAY)}
PLAIN_TABLE = _constant(8, RTA_TABLE)
PLAIN_PRIORITY = _constant(8, RTA_PRIORITY)
PLAIN_OIF = _constant(8, RTA_OIF)
BEYOND_PLAIN = (None, 0, 0, (), ())  # src, mtu, nexthop_id, metrics, extra


def encode_route(route: KernelRoute, kind: int, flags: int, sequence: int) -> bytes:
    """One request about a route; WireError where a value does not fit its field."""
    try:
        if (
            len(route.hops) == 1
            and route[5:10] == BEYOND_PLAIN
            and route.source is None
            and not route.hops[0].extra
        ):
            packed = _encode_plain(route, kind, flags, sequence)
            if packed:
                return packed
        return _encode_any(route, kind, flags, sequence)
    except (error, TypeError, AttributeError) as mistake:
        raise WireError(f"no route to send: {mistake}") from None


def _encode_plain(route: KernelRoute, kind: int, flags: int, sequence: int) -> bytes:
    (dst, length), metric, tos, table = route.key
    dev, via, _, onlink, _ = route.hops[0]
    size = len(dst)
    plain = PLAIN.get((size, len(via) if via else 0))
    if plain is None:
        return b""
    values = (
        plain.size, kind, flags, sequence, 0,
        AF_INET if size == 4 else AF_INET6, length, 0, tos,
        table if table < 256 else RT_TABLE_COMPAT,
        route.protocol, route.scope, route.type, RTNH_F_ONLINK if onlink else 0,
        PLAIN_DST[size], dst,
        PLAIN_TABLE, table, PLAIN_PRIORITY, metric, PLAIN_OIF, dev,
    )  # fmt: skip
    if via:
        return plain.pack(*values, PLAIN_GATEWAY[size], via)
    return plain.pack(*values)


def _encode_any(route: KernelRoute, kind: int, flags: int, sequence: int) -> bytes:
    key, source = route.key, route.source
    single = route.hops[0] if len(route.hops) == 1 and not route.nexthop_id else None
    parts = [
        RTMSG.pack(
            key.family, key.dst.length, source.length if source else 0, key.tos,
            key.table if key.table < 256 else RT_TABLE_COMPAT,
            route.protocol, route.scope, route.type,
            RTNH_F_ONLINK if single and single.onlink else 0,
        ),
        attribute(RTA_DST, key.dst.address),
        attribute(RTA_TABLE, UNSIGNED.pack(key.table)),
        attribute(RTA_PRIORITY, UNSIGNED.pack(key.metric)),
    ]  # fmt: skip
    if source:
        parts.append(attribute(RTA_SRC, source.address))
    if route.src:
        parts.append(attribute(RTA_PREFSRC, route.src))
    if route.mtu or route.metrics:
        parts.append(_encode_metrics(route))
    if route.nexthop_id:
        parts.append(attribute(RTA_NH_ID, UNSIGNED.pack(route.nexthop_id)))
    elif single:
        parts.append(attribute(RTA_OIF, INTEGER.pack(single.dev)))
        parts += _encode_hop(single, key.family)
    elif route.hops:
        parts.append(nested(RTA_MULTIPATH, [_encode_nexthop(h, key.family) for h in route.hops]))
    parts += [attribute(number_, value) for number_, value in route.extra]
    body = b"".join(parts)
    return HEADER.pack(len(body) + 16, kind, flags, sequence, 0) + body


def _encode_metrics(route: KernelRoute) -> bytes:
    values = list(route.metrics)
    if route.mtu:
        values.append((RTAX_MTU, UNSIGNED.pack(route.mtu)))
    return nested(RTA_METRICS, [attribute(kind, value) for kind, value in sorted(values)])


def _encode_hop(hop: Hop, family: int) -> list[bytes]:
    parts = []
    if hop.via and hop.via.family == family:
        parts.append(attribute(RTA_GATEWAY, hop.via))
    elif hop.via:
        parts.append(attribute(RTA_VIA, FAMILY.pack(hop.via.family) + hop.via))
    parts += [attribute(kind, value) for kind, value in hop.extra]
    return parts


def _encode_nexthop(hop: Hop, family: int) -> bytes:
    body = b"".join(_encode_hop(hop, family))
    flags = RTNH_F_ONLINK if hop.onlink else 0
    return NEXTHOP.pack(len(body) + 8, flags, hop.weight - 1, hop.dev) + body


def encode_dump_request(table: int) -> bytes:
    """The body of a dump of one table in both families, filtered by the kernel."""
    return RTMSG.pack(0, 0, 0, 0, 0, 0, 0, 0, 0) + attribute(RTA_TABLE, UNSIGNED.pack(table))


# ---------------------------------------------------------------- reading


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


class RouteReader:
    """Decodes the routes of one dump, which repeat themselves.

    A pod's routes to one NIC differ in their destination alone, and the kernel writes RTA_TABLE
    and RTA_DST first. So all other bytes of such a message are decoded once and remembered.
    """

    def __init__(self, table: int) -> None:
        self._table = table
        self._known: dict[bytes, KernelRoute | None] = {}

    def read(self, data: bytes, start: int, end: int) -> KernelRoute | None:
        """As decode_route; None too for a route of another table."""
        route = decode_route(data, start, end)
        return route if route and route.key.table == self._table else None
