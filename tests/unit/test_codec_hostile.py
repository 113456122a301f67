"""Any bytes at all: the codec returns or raises WireError, and always ends."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.address import AF_INET, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key, PolicyRule
from cni_route.netlink.layout import RTM_NEWROUTE
from cni_route.netlink.links import decode_address, decode_link
from cni_route.netlink.route_reader import RouteReader, decode_route
from cni_route.netlink.rules import decode_rule
from cni_route.netlink.wire import WireError, attributes, decode_reply, messages
from tests.unit.codec_samples import (
    SENT_ADDRESSES,
    SENT_LINK,
    SENT_ROUTES,
    SENT_RULES,
    refusal_message,
    route_message,
    rule_message,
    with_header,
)

MUTANTS = 6000
SAMPLES = [
    *(with_header(RTM_NEWROUTE, bytes.fromhex(sent)) for sent, _ in SENT_ROUTES),
    *(with_header(32, bytes.fromhex(sent)) for sent in SENT_RULES),
    *(with_header(20, bytes.fromhex(sent)) for sent in SENT_ADDRESSES),
    with_header(16, bytes.fromhex(SENT_LINK)),
    refusal_message(22, "Invalid prefsrc address", bytes.fromhex("44000000") + bytes(64), False),
    refusal_message(22, "Invalid prefsrc address", bytes.fromhex("44000000") + bytes(64), True),
    rule_message(PolicyRule(AF_INET, 5, 100, None, 0, ((0, bytes(7)), (10, bytes(4))))),
    route_message(
        KernelRoute(
            Key(Prefix.parse("10.5.0.0/16"), 7, 8, 1000),
            tuple(Hop(n, Address.parse("10.0.0.1"), n, True, ((11, b"abcd"),)) for n in (1, 2, 3)),
            metrics=((8, b"abcd"), (16, b"reno\0")),
            mtu=1300,
        )
    ),
]

READERS: tuple[Callable[[bytes], object], ...] = (
    decode_route,
    decode_rule,
    decode_link,
    decode_address,
    attributes,
    lambda body: decode_reply(2, 0x200, body),
    lambda body: decode_reply(2, 0x300, body),
    lambda body: decode_reply(3, 0x200, body),
)


def all_readers(data: bytes) -> list[Callable[[], object]]:
    """Everything that reads: the datagram, what its messages hold, and the bytes as a body."""
    readers = (*READERS, RouteReader().read)

    def walk(read: Callable[[bytes], object]) -> None:
        for *_, body in messages(data):
            read(body)

    calls: list[Callable[[], object]] = []
    for read in readers:
        calls.append(lambda read=read: walk(read))
        calls.append(lambda read=read: read(data))
        calls.append(lambda read=read: read(data[16:]))
    return calls


def survive(data: bytes) -> tuple[int, int]:
    """Read it in every way; how many of them returned, and how many raised WireError."""
    fine = bad = 0
    for call in all_readers(data):
        try:
            call()
        except WireError:
            bad += 1
        else:
            fine += 1
    return fine, bad


def mutant(rng: random.Random) -> bytes:
    """A good message with some bytes changed, cut out, doubled or added."""
    data = bytearray(rng.choice(SAMPLES))
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(len(data)) if data else 0
        match rng.randrange(6):
            case 0 if data:
                data[place] = rng.choice((0, 1, 3, 4, 5, 8, 0x7F, 0xFF, rng.randrange(256)))
            case 1 if data:
                data[place] ^= 1 << rng.randrange(8)
            case 2:
                del data[place : place + rng.choice((1, 2, 4, 20))]
            case 3:
                data[place:place] = data[place : place + rng.choice((1, 4, 8, 40))]
            case 4:
                data[place:place] = rng.randbytes(rng.choice((1, 4, 8)))
            case 5:
                del data[place:]
    if rng.randrange(2) and len(data) >= 4:  # a header that fits again reaches what is deeper
        data[:4] = struct.pack("=I", len(data))
    return bytes(data)


def test_mutants_of_good_messages(rng: random.Random) -> None:
    fine, bad = (
        sum(counts) for counts in zip(*(survive(mutant(rng)) for _ in range(MUTANTS)), strict=True)
    )
    assert fine > MUTANTS, "the mutants are worse than what could do harm"
    assert bad > MUTANTS, "the mutants are hardly hostile"


def test_every_cut_of_every_sample() -> None:
    for sample in SAMPLES:
        for end in range(len(sample)):
            survive(sample[:end])
            survive(struct.pack("=I", end) + sample[4:end])


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    survive(data)


@given(st.binary(max_size=120), st.sampled_from([2, 10]), st.sampled_from([8, 9, 18, 12]))
def test_any_bytes_inside_an_attribute(inside: bytes, family: int, kind: int) -> None:
    head = struct.pack("=8BI", family, 0, 0, 0, 254, 3, 0, 1, 0)
    nested = struct.pack("=HH", len(inside) + 4, kind) + inside + bytes(-len(inside) & 3)
    survive(with_header(RTM_NEWROUTE, head + nested))


def test_the_reader_of_dumps_agrees_with_the_decoder_on_mutants(rng: random.Random) -> None:
    read = RouteReader().read
    for sample in SAMPLES:
        if sample[4] == RTM_NEWROUTE:
            read(sample[16:])
    for _ in range(MUTANTS):
        body = mutant(rng)[16:]
        try:
            expected = decode_route(body)
        except WireError:
            with pytest.raises(WireError):
                read(body)
        else:
            assert read(body) == expected


def test_a_known_shape_cut_off_inside_its_destination() -> None:
    read = RouteReader().read
    head = struct.pack("=8BI", 2, 16, 0, 0, 254, 3, 0, 6, 0)
    data = head + struct.pack("=HHI HH4s", 8, 15, 254, 8, 1, b"\x0a\5\0\0")
    assert read(data) == decode_route(data)
    for end in range(25, len(data)):
        with pytest.raises(WireError):
            read(data[:end])


@pytest.mark.parametrize("length", range(16))
def test_a_length_too_small_for_its_own_header_ends(length: int) -> None:
    data = struct.pack("=IHHII", length, 24, 0, 1, 0) + bytes(64)
    with pytest.raises(WireError):
        list(messages(data))
    if length < 4:
        with pytest.raises(WireError):
            attributes(struct.pack("=HH", length, 1) + bytes(60))
    if length < 8:
        head = struct.pack("=8BI", 2, 0, 0, 0, 254, 3, 0, 1, 0)
        hop = struct.pack("=HBBi", length, 0, 0, 3)
        payload = head + struct.pack("=HH", len(hop) + 4, 9) + hop
        with pytest.raises(WireError):
            decode_route(payload)
