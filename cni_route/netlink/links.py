"""Interfaces and their addresses <- bytes: ifinfomsg, ifaddrmsg (linux/if_link.h, if_addr.h)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct

from cni_route.address import AF_INET, AF_INET6, Address
from cni_route.model import Link, LinkAddress
from cni_route.netlink.wire import UNSIGNED, WireError, attribute, first_attribute

__all__ = [
    "ADDRESSES_REQUEST",
    "LINKS_REQUEST",
    "RTM_DELADDR",
    "RTM_DELLINK",
    "RTM_GETADDR",
    "RTM_GETLINK",
    "RTM_NEWADDR",
    "RTM_NEWLINK",
    "decode_address",
    "decode_link",
]

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_DELADDR = 21
RTM_GETADDR = 22

IFLA_IFNAME = 3
IFLA_EXT_MASK = 29
RTEXT_FILTER_SKIP_STATS = 8
IFA_ADDRESS = 1
IFA_LOCAL = 2
IFF_UP = 0x1
IFF_LOOPBACK = 0x8
IFF_LOWER_UP = 0x10000

IFINFOMSG = Struct("=BxHiII")  # family, hardware type, index, flags, changed flags
IFADDRMSG = Struct("=4BI")  # family, prefix length, flags, scope, index

LINKS_REQUEST = IFINFOMSG.pack(0, 0, 0, 0, 0) + attribute(
    IFLA_EXT_MASK, UNSIGNED.pack(RTEXT_FILTER_SKIP_STATS)
)
ADDRESSES_REQUEST = IFADDRMSG.pack(0, 0, 0, 0, 0)


def decode_link(
    body: bytes, addresses: Mapping[int, Sequence[LinkAddress]] | None = None
) -> Link | None:
    """One interface, with those of the addresses that its index has.

    None for messages of a family: bridges tell of their ports so, and a port that leaves its
    bridge is not an interface that is gone.
    """
    if len(body) < 16:
        raise WireError("an interface without its header")
    family, _, index, flags, _ = IFINFOMSG.unpack_from(body)
    if family:
        return None
    name = first_attribute(body, 16, IFLA_IFNAME) or b""  # it comes first, of some forty
    return Link(
        index,
        name.rstrip(b"\0").decode("utf-8", "surrogateescape"),
        bool(flags & IFF_UP),
        bool(flags & IFF_LOWER_UP),
        bool(flags & IFF_LOOPBACK),
        tuple(addresses.get(index, ())) if addresses else (),
    )


def decode_address(body: bytes) -> tuple[int, LinkAddress] | None:
    """An interface's index and one address of it; None for other families.

    IFA_LOCAL is the interface's own one where a peer's stands in IFA_ADDRESS.
    """
    if len(body) < 8:
        raise WireError("an address without its header")
    family, length, _, _, index = IFADDRMSG.unpack_from(body)
    if family not in (AF_INET, AF_INET6):
        return None
    value = first_attribute(body, 8, IFA_LOCAL) or first_attribute(body, 8, IFA_ADDRESS) or b""
    if len(value) != (4 if family == AF_INET else 16) or length > len(value) * 8:
        raise WireError(f"an address of {len(value)} bytes and {length} bits")
    return index, LinkAddress(Address(value), length)
