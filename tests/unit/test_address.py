"""Addresses and prefixes: what cannot be held, and text there and back."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.address import AF_INET, AF_INET6, DEFAULT4, DEFAULT6, Address, HostBitsSet, Prefix

packed = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16))
addresses = packed.map(Address)


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    address = draw(addresses)
    return Prefix.masked(address, draw(st.integers(0, address.bits)))


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize("size", [0, 1, 3, 5, 8, 15, 17, 32])
def test_an_address_of_another_length_cannot_be(size: int) -> None:
    with pytest.raises(ValueError, match=f"an address has 4 or 16 bytes, not {size}"):
        Address(bytes(size))


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4"),
        *(
            "1.2.3.4\n",
            "1.2.3.4\0",
            "0x1.2.3.4",
            "1.2.3.-4",
            "\uff11.2.3.4",
            "localhost",
            "10.0.0.0/8",
        ),
        *(":", ":::", "1::2::3", "g::", "::1%lo", "[::1]", "1:2:3:4:5:6:7", "::10.0.0.256"),
        *("1:2:3:4:5:6:7:8:9", "12345::", "\ud800", "::\ud800"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r" is not an IP address$") as caught:
        Address.parse(text)
    assert str(caught.value) == f"{text!r} is not an IP address"


@given(addresses)
def test_an_address_is_its_text(address: Address) -> None:
    assert Address.parse(str(address)) == address
    known = ipaddress.ip_address(bytes(address))
    if not (address.family == AF_INET6 and str(address).count(".")):
        # the C library writes ::a.b.c.d and ::ffff:a.b.c.d; all else is RFC 5952
        assert str(address) == str(known)
    assert address.family == {4: AF_INET, 6: AF_INET6}[known.version]
    assert address.bits == known.max_prefixlen
    assert repr(address) == f"Address('{address}')"


def test_an_address_is_a_value() -> None:
    left, right = Address.parse("fd00::A"), Address.parse("fd00:0:0:0:0:0:0:a")
    assert left == right
    assert len({left, right}) == 1
    assert not hasattr(left, "__dict__")


# ---------------------------------------------------------------- prefixes


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("10.0.0.1/8", "10.0.0.0/8"),
        ("10.0.0.1/31", "10.0.0.0/31"),
        ("172.16.0.1/16", "172.16.0.0/16"),
        ("10.244.174.129/26", "10.244.174.128/26"),
        ("255.255.255.255/0", "0.0.0.0/0"),
        ("::1/127", "::/127"),
        ("fd00:1:2:3::/48", "fd00:1:2::/48"),
        ("8000::/0", "::/0"),
    ],
)
def test_host_bits_are_an_error_that_shows_the_masked_form(text: str, masked: str) -> None:
    with pytest.raises(HostBitsSet) as caught:
        Prefix.parse(text)
    assert str(caught.value) == f"'{text}' has host bits set; did you mean {masked}?"
    assert caught.value.masked == Prefix.parse(masked)


@pytest.mark.parametrize("length", [-1, 33, 129])
def test_a_length_beyond_the_address_cannot_be(length: int) -> None:
    with pytest.raises(ValueError, match="is not a prefix length") as caught:
        Prefix(Address(bytes(4)), length)
    assert str(caught.value) == f"/{length} is not a prefix length of 0.0.0.0 (0 to 32)"


@pytest.mark.parametrize("text", ["10.0.0.0/33", "10.0.0.0/999", "::/129"])
def test_a_length_too_long_says_the_longest(text: str) -> None:
    with pytest.raises(ValueError, match="has a prefix length over") as caught:
        Prefix.parse(text)
    assert str(caught.value) == f"{text!r} has a prefix length over {128 if ':' in text else 32}"


@pytest.mark.parametrize(
    "tail",
    [
        "",
        " ",
        "+8",
        "-1",
        "08",
        "8 ",
        " 8",
        "8/8",
        "0x8",
        "8.0",
        "255.0.0.0",
        "1000",
        "\uff18",
        "\u00b2",
        "_",
    ],
)
def test_what_is_no_length(tail: str) -> None:
    text = f"10.0.0.0/{tail}"
    with pytest.raises(ValueError, match="is not a CIDR or an IP address") as caught:
        Prefix.parse(text)
    assert str(caught.value) == f"{text!r} is not a CIDR or an IP address"


@pytest.mark.parametrize("text", ["", "/", "/8", "default", "10/8", "10.0.0/24", "::1%lo/128"])
def test_what_is_no_prefix(text: str) -> None:
    with pytest.raises(ValueError, match="is not a CIDR or an IP address") as caught:
        Prefix.parse(text)
    assert str(caught.value) == f"{text!r} is not a CIDR or an IP address"


@given(prefixes())
def test_a_prefix_is_its_text(prefix: Prefix) -> None:
    assert Prefix.parse(str(prefix)) == prefix
    assert prefix.family == prefix.address.family
    assert repr(prefix) == f"Prefix('{prefix}')"


@given(addresses, st.integers(0, 128))
def test_masking_is_what_ipaddress_does(address: Address, length: int) -> None:
    length = min(length, address.bits)
    known = ipaddress.ip_network((bytes(address), length), strict=False)
    masked = Prefix.masked(address, length)
    assert (masked.address, masked.length) == (known.network_address.packed, known.prefixlen)
    if masked.address == address:
        assert Prefix(address, length) == masked
    else:
        with pytest.raises(HostBitsSet):
            Prefix(address, length)


@given(prefixes(), addresses, st.integers(0, 127))
def test_what_lies_in_a_prefix(prefix: Prefix, other: Address, bit: int) -> None:
    bits = prefix.address.bits
    known = ipaddress.ip_network((bytes(prefix.address), prefix.length))
    there = ipaddress.ip_address(bytes(other))
    assert prefix.contains(other) == (there.version == known.version and there in known)
    # and one that differs in a single bit, because random ones hardly ever lie in it
    flipped = int.from_bytes(prefix.address, "big") ^ (1 << (bits - 1 - bit % bits))
    near = Address(flipped.to_bytes(bits // 8, "big"))
    assert prefix.contains(near) == (bit % bits >= prefix.length)


def test_a_bare_address_is_a_host() -> None:
    assert Prefix.parse("10.0.0.1") == Prefix.host(Address.parse("10.0.0.1"))
    assert str(Prefix.parse("10.0.0.1")) == "10.0.0.1/32"
    assert str(Prefix.parse("fd00::1")) == "fd00::1/128"


def test_the_default_routes() -> None:
    assert (str(DEFAULT4), str(DEFAULT6)) == ("0.0.0.0/0", "::/0")
    assert Prefix.parse("0.0.0.0/0") == DEFAULT4
    assert Prefix.parse("::/0") == DEFAULT6
    assert DEFAULT4 != DEFAULT6
