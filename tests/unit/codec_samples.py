"""Messages of the netlink codec's tests: shapes for hypothesis, and bytes that a kernel sent."""

from __future__ import annotations

import struct

import hypothesis.strategies as st

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key, PolicyRule
from cni_route.netlink.layout import RTM_NEWROUTE
from cni_route.netlink.routes import encode_route
from cni_route.netlink.rules import RTM_NEWRULE, encode_rule
from cni_route.netlink.wire import HEADER, attribute

LITTLE = struct.pack("=H", 1) == b"\1\0"

UINT8 = st.integers(0, 255)
UINT32 = st.integers(0, 2**32 - 1)
INDEX = st.integers(1, 2**31 - 1)
UNICAST, REJECTS = 1, (6, 7, 8, 9)


@st.composite
def addresses(draw: st.DrawFn, family: int) -> Address:
    """Any address of a family."""
    size = 4 if family == AF_INET else 16
    return Address(draw(st.binary(min_size=size, max_size=size)))


@st.composite
def prefixes(draw: st.DrawFn, family: int) -> Prefix:
    """Any prefix of a family."""
    bits = 32 if family == AF_INET else 128
    return Prefix.masked(draw(addresses(family)), draw(st.integers(0, bits)))


@st.composite
def hops(draw: st.DrawFn, family: int, alone: bool) -> Hop:
    """One next hop: its gateway of either family, realm or encapsulation."""
    via = draw(st.none() | addresses(family) | addresses(AF_INET6))
    extra: list[tuple[int, bytes]] = []
    if draw(st.integers(0, 5)) == 5:
        extra.append((11, draw(st.binary(min_size=4, max_size=4))))
    if draw(st.integers(0, 5)) == 5:
        extra += [(21, draw(st.binary(min_size=2, max_size=2))), (22, draw(st.binary(max_size=60)))]
    weight = 1 if alone else draw(st.integers(1, 256))
    return Hop(draw(INDEX), via, weight, draw(st.booleans()), tuple(extra))


@st.composite
def routes(draw: st.DrawFn) -> KernelRoute:
    """Any route as the kernel could show it, in the form that decoding gives it."""
    family = draw(st.sampled_from([AF_INET, AF_INET6]))
    count = draw(st.sampled_from([0, 1, 1, 1, 1, 2, 3, 7]))
    kind = UNICAST if count else draw(st.sampled_from(REJECTS))
    metrics = draw(st.dictionaries(st.integers(3, 17), st.binary(min_size=4, max_size=16)))
    extra = {} if draw(st.booleans()) else {20: draw(st.sampled_from([b"\1", b"\3"]))}
    return KernelRoute(
        Key(draw(prefixes(family)), draw(UINT32), draw(UINT8), draw(UINT32.filter(bool))),
        tuple(draw(hops(family, count == 1)) for _ in range(count)),
        draw(UINT8.filter(lambda protocol: protocol != 9)),
        draw(UINT8),
        kind,
        draw(st.none() | addresses(family)),
        draw(st.just(0) | UINT32),
        0,
        tuple(sorted(metrics.items())),
        tuple(sorted(extra.items())),
        False,
        draw(st.none() | prefixes(family).filter(lambda prefix: prefix.length > 0)),
    )


@st.composite
def rules(draw: st.DrawFn) -> PolicyRule:
    """Any policy rule, ours or foreign."""
    family = draw(st.sampled_from([AF_INET, AF_INET6]))
    extra = draw(
        st.dictionaries(
            st.sampled_from([1, 3, 10, 16, 20, 22, 23, 99]), st.binary(max_size=20), max_size=3
        )
    )
    if draw(st.booleans()):
        extra[0] = struct.pack("=3BI", draw(UINT8), draw(UINT8), 6, draw(UINT32))
    src = draw(st.none() | prefixes(family))
    return PolicyRule(
        family, draw(UINT32), draw(UINT32), src, draw(UINT8), tuple(sorted(extra.items()))
    )


def kernels_order(message: bytes) -> bytes:
    """A route of ours as the kernel writes it: RTA_TABLE before RTA_DST."""
    dst_end = 28 + (8 if message[16] == AF_INET else 20)
    dst, table = message[28:dst_end], message[dst_end : dst_end + 8]
    return message[:28] + table + dst + message[dst_end + 8 :]


def route_message(route: KernelRoute) -> bytes:
    """As the kernel would show it in a dump."""
    return kernels_order(encode_route(route, RTM_NEWROUTE, 2, 1))


def rule_message(rule: PolicyRule) -> bytes:
    """As the kernel would show it in a dump."""
    return encode_rule(rule, RTM_NEWRULE, 2, 1)


def with_header(kind: int, payload: bytes) -> bytes:
    """A payload as a message of a dump."""
    return HEADER.pack(len(payload) + 16, kind, 2, 1, 0) + payload


def refusal_message(code: int, words: str, echoed: bytes, capped: bool) -> bytes:
    """An NLMSG_ERROR as netlink_ack() in net/netlink/af_netlink.c builds it."""
    payload = struct.pack("=i", -code) + (echoed[:16] if capped else echoed)
    payload += attribute(2, struct.pack("=I", 20)) + attribute(1, words.encode() + b"\0")
    flags = 0x200 | (0x100 if capped else 0)
    return HEADER.pack(len(payload) + 16, 2, flags, 1, 0) + payload


# payloads that Linux 6.18 sent in a dump (little endian), and what they stand for
SENT_ROUTES = (
    (
        "02100000fe7200010000000008000f00fe000000080001000a050000080005000a0000010800040003000000",
        KernelRoute(
            Key(Prefix.parse("10.5.0.0/16"), 0), (Hop(3, Address.parse("10.0.0.1")),), protocol=114
        ),
    ),
    (
        "02100000fe0300010000000008000f00fe000000080001000a06000034000900100000020300000008000500"
        "0a0000012000040003000000160012000a0020010db80000000000000000000000090000",
        KernelRoute(
            Key(Prefix.parse("10.6.0.0/16"), 0),
            (
                Hop(3, Address.parse("10.0.0.1"), 3),
                Hop(3, Address.parse("2001:db8::9"), 1, True),
            ),
            protocol=3,
        ),
    ),
    (
        "02100000fe03fd010000000008000f00fe000000080001000a07000008000600640000001400080008000200"
        "780500000800080014050000080007000a0100020800040003000000",
        KernelRoute(
            Key(Prefix.parse("10.7.0.0/16"), 100),
            (Hop(3),),
            protocol=3,
            scope=253,
            src=Address.parse("10.1.0.2"),
            mtu=1400,
            metrics=((8, b"\x14\x05\0\0"),),
        ),
    ),
    (
        "0a300000fe0300010000000008000f00fe0000001400010020010db800050000000000000000000008000600"
        "000400003c0009001c000002030000001400050020010db80000000000000000000000011c00000405000000"
        "1400050020010db800010000000000000000000124000c000000000000000000000000000000000000000000"
        "0000000000000000000000000500140000000000",
        KernelRoute(
            Key(Prefix.parse("2001:db8:5::/48"), 1024),
            (
                Hop(3, Address.parse("2001:db8::1"), 3),
                Hop(5, Address.parse("2001:db8:1::1"), 5),
            ),
            protocol=3,
        ),
    ),
    (
        "0a300000fe0300010000000008000f00fe0000001400010020010db800060000000000000000000008000600"
        "00040000080004000300000024000c0000000000000000002f75000000000000000000000000000000000000"
        "000000000500140001000000",
        KernelRoute(
            Key(Prefix.parse("2001:db8:6::/48"), 1024),
            (Hop(3),),
            protocol=3,
            extra=((20, b"\1"),),
            transient=True,
        ),
    ),
    (
        "0a300000fe0300070000000008000f00fe0000001400010020010db800070000000000000000000008000600"
        "00040000080004000100000024000c0000000000000000000000000000000000000000000000000000000000"
        "000000000500140000000000",
        KernelRoute(Key(Prefix.parse("2001:db8:7::/48"), 1024), (), protocol=3, type=7),
    ),
)
SENT_LINK = "000001000300000043100100000000000900030065746830000000000800"  # cut off
SENT_ADDRESSES = (
    "020880fe01000000080001007f000001080002007f000001070003006c6f0000080008008000000014000600"
    "ffffffffffffffffc72e0400c72e0400",
    "0a408200050000001400010020010db800010000000000000000000214000600ffffffffffffffffca2e0400"
    "ca2e04000800080082000000",
)
SENT_RULES = (
    "02002000fc0000010000000008000f00c82c010008000e00ffffffff0500150072000000080006002c010000"
    "080002000a000002",
    "0a000000fe0000010000000008000f00fe00000008000e00ffffffff050015000200000008000600fe7f0000",
)
