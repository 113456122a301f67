"""Routes -> bytes.

A delete says outright what the kernel would otherwise take for "any": without it, deleting an IPv6
route to a device takes a gatewayed one of the same key (a multipath whole), and deleting an IPv4
route takes its twin that has an MTU. What cannot be said: an IPv4 metric of 0, and no RTA_PREFSRC.
"""

from __future__ import annotations

import struct
from struct import Struct
from typing import Final

from cni_route.address import AF_INET, AF_INET6, Address
from cni_route.model import Hop, KernelRoute
from cni_route.netlink.layout import (
    FAMILY,
    NEXTHOP,
    RT_TABLE_COMPAT,
    RTA_DST,
    RTA_GATEWAY,
    RTA_METRICS,
    RTA_MULTIPATH,
    RTA_NH_ID,
    RTA_OIF,
    RTA_PREFSRC,
    RTA_PRIORITY,
    RTA_SRC,
    RTA_TABLE,
    RTA_VIA,
    RTAX_MTU,
    RTM_DELROUTE,
    RTM_NEWROUTE,
    RTMSG,
    RTNH_F_ONLINK,
)
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
    nested,
)

__all__ = ["VERBS", "encode_dump_request", "encode_route"]

VERBS: Final = {
    "add": (RTM_NEWROUTE, REQUEST | CREATE | EXCL),
    "append": (RTM_NEWROUTE, REQUEST | CREATE | APPEND),
    "prepend": (RTM_NEWROUTE, REQUEST | CREATE),
    "replace": (RTM_NEWROUTE, REQUEST | CREATE | REPLACE),
    "delete": (RTM_DELROUTE, REQUEST),
}


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
LOOPBACK = 1  # its index in every namespace
NO_GATEWAY = Address(bytes(16))
NO_MTU = nested(RTA_METRICS, [attribute(RTAX_MTU, bytes(4))])


def encode_route(route: KernelRoute, kind: int, flags: int, sequence: int) -> bytes:
    """One request about a route; WireError where a value does not fit its field."""
    try:
        return _encode(route, kind, flags, sequence)
    except (struct.error, TypeError, AttributeError, KeyError) as mistake:
        raise WireError(f"no route to send: {mistake}") from None


def _encode(route: KernelRoute, kind: int, flags: int, sequence: int) -> bytes:
    (dst, length), metric, tos, table = route.key
    size = len(dst)
    exact = kind == RTM_DELROUTE
    if route[5:10] == NOTHING_ELSE:
        rest = NO_MTU if exact and size == 4 else b""
    else:
        rest = _encode_rest(route, exact and size == 4)
    hops = () if route.nexthop_id else route.hops
    if exact and size == 16 and not route.nexthop_id:
        hops = _exact(hops)
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


def _exact(hops: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """An IPv6 delete's hops: a zero gateway matches only where there is none (ip6_route_del)."""
    if not hops:
        return (Hop(LOOPBACK, NO_GATEWAY),)  # where the kernel keeps types without a device
    if len(hops) == 1 and not hops[0].via:
        return (hops[0]._replace(via=NO_GATEWAY),)
    return hops


def _encode_rest(route: KernelRoute, exact_mtu: bool) -> bytes:
    parts = []
    if route.src:
        parts.append(attribute(RTA_PREFSRC, route.src))
    if route.mtu or route.metrics or exact_mtu:
        metrics = dict(route.metrics)
        if route.mtu or exact_mtu:
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
