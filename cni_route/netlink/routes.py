"""Routes <-> bytes: rtmsg and its attributes, as in linux/rtnetlink.h.

Decoding normalises, so that what the kernel shows compares equal with what was written: no
priority is 0 for IPv4, RTA_PREF medium is left out, state flags are dropped, types without a
device have no hops (IPv6 shows them on lo), attributes that only answer a look-up are ignored.
"""

from __future__ import annotations

from struct import Struct
from typing import Final, NamedTuple

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key
from cni_route.netlink.wire import (
    APPEND,
    ATTRIBUTE,
    CREATE,
    EXCL,
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


# One hop of the route's own family, the usual shape, is packed in one stroke, and whatever else
# there is goes behind it. Table and priority are always written.
_HEAD = "=IHHII8BI"
_KEY = "IIII"  # RTA_TABLE, RTA_PRIORITY
KEYED = {4: Struct(f"{_HEAD}I4s{_KEY}"), 16: Struct(f"{_HEAD}I16s{_KEY}")}
DIRECT = {4: Struct(f"{_HEAD}I4s{_KEY}II"), 16: Struct(f"{_HEAD}I16s{_KEY}II")}
GATEWAYED = {4: Struct(f"{_HEAD}I4s{_KEY}III4s"), 16: Struct(f"{_HEAD}I16s{_KEY}III16s")}
DST = {4: _constant(8, RTA_DST), 16: _constant(20, RTA_DST)}
GATEWAY = {4: _constant(8, RTA_GATEWAY), 16: _constant(20, RTA_GATEWAY)}
TABLE = _constant(8, RTA_TABLE)
PRIORITY = _constant(8, RTA_PRIORITY)
OIF = _constant(8, RTA_OIF)
NOTHING_ELSE = (None, 0, 0, (), ())  # src, mtu, nexthop_id, metrics, extra
FAMILIES = {4: AF_INET, 16: AF_INET6}


def encode_route(route: KernelRoute, kind: int, flags: int, sequence: int) -> bytes:
    """One request about a route; WireError where a value does not fit its field."""
    try:
        return _encode(route, kind, flags, sequence)
    except (error, TypeError, AttributeError, KeyError) as mistake:
        raise WireError(f"no route to send: {mistake}") from None


def _encode(route: KernelRoute, kind: int, flags: int, sequence: int) -> bytes:
    (dst, length), metric, tos, table = route.key
    size = len(dst)
    rest = b"" if route[5:10] == NOTHING_ELSE else _encode_rest(route)
    hops = () if route.nexthop_id else route.hops
    dev, via, onlink = 0, None, False
    layout = KEYED[size]
    if len(hops) == 1:
        dev, via, _, onlink, extra = hops[0]
        layout = GATEWAYED[size] if via and len(via) == size else DIRECT[size]
        if extra or (via and len(via) != size):
            rest += _encode_hop(via if layout is DIRECT[size] else None, size, extra)
    elif hops:
        rest += nested(RTA_MULTIPATH, [_encode_nexthop(hop, size) for hop in hops])
    source = route.source
    if source:
        rest += attribute(RTA_SRC, source.address)
    values = (
        layout.size + len(rest), kind, flags, sequence, 0,
        FAMILIES[size], length, source.length if source else 0, tos,
        table if table < 256 else RT_TABLE_COMPAT,
        route.protocol, route.scope, route.type, RTNH_F_ONLINK if onlink else 0,
        DST[size], dst, TABLE, table, PRIORITY, metric,
    )  # fmt: skip
    if layout is GATEWAYED[size]:
        return layout.pack(*values, OIF, dev, GATEWAY[size], via) + rest
    if layout is DIRECT[size]:
        return layout.pack(*values, OIF, dev) + rest
    return layout.pack(*values) + rest


def _encode_rest(route: KernelRoute) -> bytes:
    parts = []
    if route.src:
        parts.append(attribute(RTA_PREFSRC, route.src))
    if route.mtu or route.metrics:
        metrics = dict(route.metrics)
        if route.mtu:
            metrics[RTAX_MTU] = UNSIGNED.pack(route.mtu)
        values = [attribute(kind, value) for kind, value in sorted(metrics.items())]
        parts.append(nested(RTA_METRICS, values))
    if route.nexthop_id:
        parts.append(attribute(RTA_NH_ID, UNSIGNED.pack(route.nexthop_id)))
    parts += [attribute(kind, value) for kind, value in route.extra]
    return b"".join(parts)


def _encode_hop(via: Address | None, size: int, extra: tuple[tuple[int, bytes], ...]) -> bytes:
    """A hop's gateway (RTA_VIA where it is of the other family than the route) and the rest."""
    parts = [attribute(kind, value) for kind, value in extra]
    if via and len(via) == size:
        parts.append(attribute(RTA_GATEWAY, via))
    elif via:
        parts.append(attribute(RTA_VIA, FAMILY.pack(via.family) + via))
    return b"".join(parts)


def _encode_nexthop(hop: Hop, size: int) -> bytes:
    body = _encode_hop(hop.via, size, hop.extra)
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


class _Pattern(NamedTuple):
    """All of a route but its destination."""

    host_bits: int  # must be clear in the destination
    length: int
    key: tuple[int, int, int]  # metric, ToS, table
    rest: tuple[object, ...]  # the fields behind the key


UNKNOWN = _Pattern(0, 0, (0, 0, 0), ())
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
        self._known: dict[bytes, _Pattern | None] = {}

    def read(self, data: bytes, start: int, end: int) -> KernelRoute | None:
        """As decode_route; None too for a route of another table."""
        head = start + 24
        tail = head + SIZES.get(data[start : start + 1], 0)
        dst = data[head:tail]
        pattern = self._known.get(data[start:head] + data[tail:end], UNKNOWN)
        if pattern is UNKNOWN or tail > end:
            return self._learn(data, start, end, dst)
        if pattern is None:
            return None
        host_bits, length, key, rest = pattern
        if _from_bytes(dst, "big") & host_bits:
            return self._learn(data, start, end, dst)
        prefix = _new(Prefix, (_new_address(Address, dst), length))
        return _new(KernelRoute, (_new(Key, (prefix, *key)), *rest))

    def _learn(self, data: bytes, start: int, end: int, dst: bytes) -> KernelRoute | None:
        route = decode_route(data, start, end)
        if route and route.key.table != self._table:
            route = None
        head, tail = start + 24, start + 24 + len(dst)
        regular = data[start + 12 : start + 16] == TABLE_FIRST and tail <= end
        if regular and data[start + 20 : head] == DST_SECOND.get(len(dst)):
            shape = data[start:head] + data[tail:end]
            if route is None:
                self._known[shape] = None
            elif route.key.dst.address == dst:
                bits, length = len(dst) * 8, route.key.dst.length
                self._known[shape] = _Pattern(
                    (1 << (bits - length)) - 1, length, route.key[1:], route[1:]
                )
        return route
