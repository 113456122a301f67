"""The netlink codec without a kernel: round trips, what a kernel once sent, and odd values."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key, LinkAddress, PolicyRule, key_of
from cni_route.netlink import route_reader
from cni_route.netlink.layout import RTM_DELROUTE, RTM_NEWROUTE
from cni_route.netlink.links import decode_address, decode_link
from cni_route.netlink.route_reader import RouteReader, decode_route
from cni_route.netlink.routes import encode_route
from cni_route.netlink.rules import RTM_NEWRULE, decode_rule, encode_rule
from cni_route.netlink.wire import Reply, WireError, attribute, decode_reply, message, messages
from tests.unit.codec_samples import (
    LITTLE,
    SENT_ADDRESSES,
    SENT_ROUTES,
    SENT_RULES,
    UINT32,
    refusal_message,
    route_message,
    routes,
    rule_message,
    rules,
    with_header,
)

little_endian = pytest.mark.skipif(not LITTLE, reason="the recorded bytes are little endian")
DIRECT = KernelRoute(key_of(Prefix.parse("10.5.0.0/16")), (Hop(3),), scope=253)


def decoded(data: bytes) -> KernelRoute | None:
    return decode_route(data[16:])


# ---------------------------------------------------------------- routes


@given(routes())
def test_a_route_comes_back_as_it_was_written(route: KernelRoute) -> None:
    data = encode_route(route, RTM_NEWROUTE, 5, 7)
    assert len(data) == struct.unpack_from("=I", data)[0]
    assert len(data) % 4 == 0
    assert decoded(data) == route
    assert decoded(route_message(route)) == route


@given(st.lists(routes(), min_size=1, max_size=6))
def test_the_reader_of_dumps_reads_the_same(listed: list[KernelRoute]) -> None:
    # many destinations under one shape, as in a dump
    listed += [
        route._replace(key=route.key._replace(dst=other.key.dst))
        for route in listed
        for other in listed
        if other.key.family == route.key.family
    ]
    read = RouteReader().read
    for _ in range(2):
        for route in listed:
            assert read(route_message(route)[16:]) == route


def test_the_reader_of_dumps_remembers_no_more_than_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(route_reader, "REMEMBERED", 10)
    reader = RouteReader()
    for number in range(1000):
        dst = Prefix.host(Address(number.to_bytes(4, "big")))
        route = DIRECT._replace(key=key_of(dst, number), mtu=number)
        assert reader.read(route_message(route)[16:]) == route
        held = sum(len(known) for known in vars(reader).values())
        assert held <= 20


def test_the_same_message_is_the_same_route() -> None:
    read = RouteReader().read
    body = route_message(DIRECT)[16:]
    assert read(bytes(body)) is read(bytes(bytearray(body)))


@given(routes(), UINT32.filter(bool))
def test_a_nexthop_object_is_written_without_its_hops(route: KernelRoute, number: int) -> None:
    route = route._replace(nexthop_id=number, type=1)
    assert decoded(encode_route(route, RTM_NEWROUTE, 5, 7)) == route._replace(hops=())


@little_endian
@pytest.mark.parametrize(("sent", "route"), SENT_ROUTES, ids=lambda value: str(value)[:40])
def test_what_a_kernel_sent(sent: str, route: KernelRoute) -> None:
    data = with_header(RTM_NEWROUTE, bytes.fromhex(sent))
    assert decoded(data) == route
    read = RouteReader().read
    assert read(data[16:]) == route
    assert read(data[16:]) == route


def test_a_plain_route_is_these_bytes() -> None:
    route = KernelRoute(key_of(Prefix.parse("10.5.0.0/16")), (Hop(3, Address.parse("10.0.0.1")),))
    assert encode_route(route, RTM_NEWROUTE, 0x505, 7) == struct.pack(
        "=IHHII 8BI HH4s HHI HHI HHI HH4s",
        *(68, 24, 0x505, 7, 0),
        *(2, 16, 0, 0, 254, 114, 0, 1, 0),
        *(8, 1, b"\x0a\5\0\0"),
        *(8, 15, 254),
        *(8, 6, 0),
        *(8, 4, 3),
        *(8, 5, b"\x0a\0\0\1"),
    )


def test_a_table_beyond_a_byte_stands_in_its_attribute_alone() -> None:
    data = encode_route(DIRECT._replace(key=DIRECT.key._replace(table=1000)), 24, 5, 7)
    assert data[20] == 252
    assert decoded(data).key.table == 1000


def test_a_delete_says_what_is_absent() -> None:
    no_mtu = attribute(8, attribute(2, bytes(4)))
    assert no_mtu in encode_route(DIRECT, RTM_DELROUTE, 1, 7)
    assert no_mtu not in encode_route(DIRECT, RTM_NEWROUTE, 5, 7)
    assert no_mtu not in encode_route(DIRECT._replace(mtu=1300), RTM_DELROUTE, 1, 7)
    six = KernelRoute(key_of(Prefix.parse("2001:db8::/48")), (Hop(3),))
    no_gateway = attribute(5, bytes(16))
    assert no_gateway in encode_route(six, RTM_DELROUTE, 1, 7)
    assert no_gateway not in encode_route(six, RTM_NEWROUTE, 5, 7)
    assert no_gateway in encode_route(six._replace(hops=(), type=6), RTM_DELROUTE, 1, 7)
    assert no_gateway not in encode_route(six._replace(nexthop_id=5), RTM_DELROUTE, 1, 7)


def shown(
    *attributes: bytes, family: int = AF_INET, protocol: int = 3, kind: int = 1, flags: int = 0
) -> KernelRoute | None:
    """A default route of the main table that the kernel shows with these attributes."""
    head = struct.pack("=8BI", family, 0, 0, 0, 254, protocol, 0, kind, flags)
    return decoded(with_header(RTM_NEWROUTE, head + b"".join(attributes)))


OIF = attribute(4, struct.pack("=I", 3))


def test_flags_and_answers_of_look_ups_are_dropped() -> None:
    plain = shown(OIF)
    assert plain is not None
    assert plain.hops == (Hop(3),)
    assert plain.key == Key(Prefix.parse("0.0.0.0/0"), 0)
    for flags in (1, 0x10, 0x4000, 0x8000_0000):  # RTNH_F_DEAD, _LINKDOWN, offload marks
        assert shown(OIF, flags=flags) == plain
    for kind in (3, 16, 17, 24, 25):
        assert shown(OIF, attribute(kind, bytes(8))) == plain
    assert shown(OIF, flags=4) == plain._replace(hops=(Hop(3, None, 1, True),))


def test_what_the_kernel_keeps_for_itself_is_none() -> None:
    for kind in (2, 3, 4, 5):
        assert shown(OIF, kind=kind) is None
    assert shown(OIF, flags=0x200) is None, "RTM_F_CLONED"
    assert shown(OIF, family=28) is None, "MPLS"


def test_what_passes_by_itself_is_transient() -> None:
    def cache(expires: int) -> bytes:
        return attribute(12, struct.pack("=IIiIIIII", 0, 0, expires, 0, 0, 0, 0, 0))

    def transient(*attributes: bytes, **header: int) -> bool:
        route = shown(OIF, *attributes, **header)
        assert route is not None
        return route.transient

    assert transient(cache(300), family=AF_INET6)
    assert not transient(cache(0), family=AF_INET6)
    assert transient(family=AF_INET6, protocol=9)
    assert not transient(family=AF_INET6, protocol=2)
    assert not transient(family=AF_INET, protocol=9)
    assert transient(attribute(23, struct.pack("=I", 5)))


def test_types_without_a_device_have_no_hops() -> None:
    for kind in (6, 7, 8, 9):
        route = shown(attribute(4, struct.pack("=I", 1)), family=AF_INET6, kind=kind)
        assert route is not None
        assert route.hops == ()


def test_a_blackhole_of_a_nexthop_object_is_the_objects() -> None:
    route = shown(attribute(30, struct.pack("=I", 5)), kind=6)
    assert route is not None
    assert (route.type, route.nexthop_id, route.hops) == (1, 5, ())


@pytest.mark.parametrize(
    "route",
    [
        DIRECT._replace(key=DIRECT.key._replace(metric=-1)),
        DIRECT._replace(key=DIRECT.key._replace(metric=1 << 32)),
        DIRECT._replace(key=DIRECT.key._replace(tos=256)),
        DIRECT._replace(protocol=256),
        DIRECT._replace(scope=-1),
        DIRECT._replace(mtu=1 << 32),
        DIRECT._replace(hops=(Hop(1 << 32),)),
        DIRECT._replace(hops=(Hop(3, None, 257), Hop(3))),
        DIRECT._replace(hops=(Hop(3, None, 0), Hop(3))),
        DIRECT._replace(hops=(Hop(3),) * 9000),
        DIRECT._replace(extra=((99, bytes(70000)),)),
        DIRECT._replace(key=None),
        DIRECT._replace(hops=None),
        DIRECT._replace(mtu="1400"),
    ],
)
def test_what_fits_in_no_message_is_a_wire_error(route: KernelRoute) -> None:
    with pytest.raises(WireError):
        encode_route(route, RTM_NEWROUTE, 5, 7)


# ---------------------------------------------------------------- rules, links, addresses


@given(rules())
def test_a_rule_comes_back_as_it_was_written(rule: PolicyRule) -> None:
    data = rule_message(rule)
    assert len(data) % 4 == 0
    assert decode_rule(data[16:]) == rule


@little_endian
def test_rules_that_a_kernel_sent() -> None:
    ours, main = (bytes.fromhex(sent) for sent in SENT_RULES)
    assert decode_rule(ours) == PolicyRule(AF_INET, 300, 77000, Prefix.parse("10.0.0.2"), 114)
    assert decode_rule(main) == PolicyRule(AF_INET6, 32766, 254, None, 2)


def test_a_rule_that_fits_in_no_message_is_a_wire_error() -> None:
    rule = PolicyRule(AF_INET, 300, 100, Prefix.parse("10.0.0.2"), 114)
    for wrong in (
        rule._replace(preference=-1),
        rule._replace(protocol=300),
        rule._replace(table=-1),
    ):
        with pytest.raises(WireError):
            encode_rule(wrong, RTM_NEWRULE, 5, 7)


@little_endian
def test_addresses_that_a_kernel_sent() -> None:
    loopback, global_ = (bytes.fromhex(sent) for sent in SENT_ADDRESSES)
    assert decode_address(loopback) == (
        1,
        LinkAddress(Address.parse("127.0.0.1"), 8),
    )
    assert decode_address(global_) == (
        5,
        LinkAddress(Address.parse("2001:db8:1::2"), 64),
    )


def test_the_own_end_of_a_pair_is_the_address() -> None:
    peer, own = Address.parse("10.0.0.9"), Address.parse("10.0.0.2")
    head = struct.pack("=4BI", AF_INET, 32, 0, 0, 7)
    for data in (
        head + attribute(1, peer) + attribute(2, own),
        head + attribute(2, own) + attribute(1, peer),
    ):
        assert decode_address(data) == (7, LinkAddress(own, 32))


def test_a_link_of_a_family_is_none() -> None:
    name = attribute(3, b"br\xff0\0")
    flags = 0x1 | 0x10000

    def link(family: int) -> bytes:
        return struct.pack("=BxHiII", family, 1, 5, flags, 0) + name

    found = decode_link(link(0))
    assert found is not None
    assert (found.ifindex, found.up, found.carrier, found.loopback) == (5, True, True, False)
    assert found.name.encode("utf-8", "surrogateescape") == b"br\xff0"
    assert decode_link(link(7)) is None


# ---------------------------------------------------------------- acknowledgements


@pytest.mark.parametrize("capped", [False, True])
@pytest.mark.parametrize("size", [16, 17, 68])
def test_the_kernels_words_are_found_behind_the_echo(capped: bool, size: int) -> None:
    padded = size + 3 & ~3
    echoed = struct.pack("=IHHII", size, 24, 5, 1, 0) + bytes(padded - 16)
    data = refusal_message(101, "Nexthop has invalid gateway", echoed, capped)
    ((kind, flags, _, _, body),) = messages(data)
    assert decode_reply(kind, flags, body) == Reply(101, "Nexthop has invalid gateway")


@pytest.mark.parametrize("length", [0, 15, 49, 2**32 - 1])
def test_an_echo_longer_or_shorter_than_can_be_is_a_wire_error(length: int) -> None:
    echoed = struct.pack("=IHHII", length, 24, 5, 1, 0)
    data = refusal_message(101, "Nexthop has invalid gateway", echoed, False)
    with pytest.raises(WireError):
        decode_reply(2, 0x200, data[16:68])


def test_an_acknowledgement_without_words() -> None:
    for code in (0, 17):
        data = message(2, 0x100, 9, struct.pack("=i", -code), bytes(16))
        ((kind, flags, _, _, body),) = messages(data)
        assert decode_reply(kind, flags, body) == Reply(code)


def test_messages_behind_one_another() -> None:
    data = message(24, 2, 7, b"abcd") + message(3, 2, 8, bytes(4)) + message(2, 0, 9)
    assert [(kind, sequence, body) for kind, _, sequence, _, body in messages(data)] == [
        (24, 7, b"abcd"),
        (3, 8, bytes(4)),
        (2, 9, b""),
    ]
    assert list(messages(b"")) == []
