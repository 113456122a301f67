"""Addresses and prefixes that cannot hold a bad value.

Both are kept packed (network byte order), as the kernel wants them; text is for people.
"""

from __future__ import annotations

from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import NamedTuple

__all__ = ["AF_INET", "AF_INET6", "DEFAULT4", "DEFAULT6", "Address", "HostBitsSet", "Prefix"]


class HostBitsSet(ValueError):
    """A prefix with bits beyond its length; `masked` is the prefix that was probably meant."""

    def __init__(self, text: str, masked: Prefix) -> None:
        super().__init__(f"{text!r} has host bits set; did you mean {masked}?")
        self.masked = masked


class Address(bytes):
    """An IPv4 (4 bytes) or IPv6 (16 bytes) address; ValueError for any other length."""

    __slots__ = ()

    def __new__(cls, packed: bytes) -> Address:
        if len(packed) not in (4, 16):
            raise ValueError(f"an address has 4 or 16 bytes, not {len(packed)}")
        return super().__new__(cls, packed)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read the usual text form of either family; ValueError where it is none."""
        family = AF_INET6 if ":" in text else AF_INET
        try:
            return cls(inet_pton(family, text))
        except (OSError, ValueError):
            raise ValueError(f"{text!r} is not an IP address") from None

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return AF_INET if len(self) == 4 else AF_INET6

    @property
    def bits(self) -> int:
        """32 or 128."""
        return len(self) * 8

    def __str__(self) -> str:
        return inet_ntop(self.family, self)

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"


class _PrefixFields(NamedTuple):
    address: Address
    length: int


class Prefix(_PrefixFields):
    """A destination: a masked address and its length in bits.

    The constructor raises HostBitsSet (a ValueError) for bits beyond the length, so whatever
    holds a Prefix holds what the kernel would make of it.
    """

    __slots__ = ()

    def __new__(cls, address: Address, length: int) -> Prefix:
        bits = len(address) * 8
        if not 0 <= length <= bits:
            raise ValueError(f"/{length} is not a prefix length of {address} (0 to {bits})")
        if length < bits:
            low = bits - length
            number = int.from_bytes(address, "big")
            if number & ((1 << low) - 1):
                raise HostBitsSet(f"{address}/{length}", cls.masked(address, length))
        return super().__new__(cls, address, length)

    @classmethod
    def masked(cls, address: Address, length: int) -> Prefix:
        """The network that `address` lies in: its bits beyond `length` cleared."""
        low = len(address) * 8 - length
        number = int.from_bytes(address, "big") >> low << low
        return cls(Address(number.to_bytes(len(address), "big")), length)

    @classmethod
    def host(cls, address: Address) -> Prefix:
        """The /32 or /128 of one address."""
        return super().__new__(cls, address, len(address) * 8)

    @classmethod
    def parse(cls, text: str) -> Prefix:
        """Read a CIDR or a bare address (a host prefix); ValueError says what is wrong."""
        head, slash, tail = text.partition("/")
        try:
            address = Address.parse(head)
        except ValueError:
            raise ValueError(f"{text!r} is not a CIDR or an IP address") from None
        if not slash:
            return cls.host(address)
        if not (tail.isascii() and tail.isdigit() and len(tail) <= 3 and str(int(tail)) == tail):
            raise ValueError(f"{text!r} is not a CIDR or an IP address")
        if int(tail) > address.bits:
            raise ValueError(f"{text!r} has a prefix length over {address.bits}")
        return cls(address, int(tail))

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return self.address.family

    def contains(self, address: Address) -> bool:
        """Whether `address` lies in this network (never for the other family)."""
        if len(address) != len(self.address):
            return False
        low = len(address) * 8 - self.length
        return int.from_bytes(address, "big") >> low == int.from_bytes(self.address, "big") >> low

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    def __repr__(self) -> str:
        return f"Prefix({str(self)!r})"


DEFAULT4 = Prefix(Address(bytes(4)), 0)
DEFAULT6 = Prefix(Address(bytes(16)), 0)
