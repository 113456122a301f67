"""The interfaces and addresses of one fake namespace; what they do to routes is not known here."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Link, LinkAddress
from tests.fakes.refused import Refused

IFINDEX_LOOPBACK = 1


def link_local(mac: bytes) -> LinkAddress:
    """The IPv6 link-local address that the kernel makes of a MAC address (EUI-64)."""
    identifier = bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:]
    return LinkAddress(Address(b"\xfe\x80" + bytes(6) + identifier), 64)


def is_link_local(address: Address) -> bool:
    """Whether an IPv6 address lies in fe80::/10."""
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


class FakeLink:
    """One interface, as it is now; `snapshot` is what the product gets to see."""

    def __init__(self, index: int, name: str, mac: bytes) -> None:
        self.index = index
        self.name = name
        self.mac = mac
        self.up = False
        self.carrier = True  # whether there would be one, were the link up
        self.ready = False  # IPv6 has configured itself (IF_READY)
        self.loopback = index == IFINDEX_LOOPBACK
        self.makes_link_local = not self.loopback
        self.addresses: list[LinkAddress] = []
        self.secondary: set[LinkAddress] = set()  # IPv4 ones whose network another one has too

    def of_family(self, family: int) -> list[LinkAddress]:
        return [a for a in self.addresses if a.address.family == family]

    def snapshot(self) -> Link:
        addresses = tuple(sorted(self.addresses, key=lambda a: len(a.address)))
        carrier = self.up and self.carrier
        return Link(self.index, self.name, self.up, carrier, self.loopback, addresses)


class Links:
    """All interfaces of a namespace; an index is never used twice."""

    def __init__(self) -> None:
        self._by_index: dict[int, FakeLink] = {}
        self._next = IFINDEX_LOOPBACK
        self.add("lo")

    def add(self, name: str) -> FakeLink:
        if any(link.name == name for link in self):
            raise Refused(errno.EEXIST)
        index = self._next
        self._next += 1
        link = FakeLink(index, name, bytes([0x02, 0, 0, 0, 0, index & 0xFF]))
        self._by_index[index] = link
        return link

    def remove(self, link: FakeLink) -> None:
        del self._by_index[link.index]

    def __iter__(self) -> Iterator[FakeLink]:
        return iter(self._by_index.values())

    def __getitem__(self, name: str) -> FakeLink:
        for link in self:
            if link.name == name:
                return link
        raise Refused(errno.ENODEV, f'Cannot find device "{name}"')

    def find(self, index: int) -> FakeLink | None:
        return self._by_index.get(index)

    def snapshot(self) -> dict[str, Link]:
        return {link.name: link.snapshot() for link in self}

    def owner(self, address: Address) -> FakeLink | None:
        """The interface that has the address; link-local ones are not asked for this way."""
        for link in self:
            if any(a.address == address for a in link.addresses):
                return link
        return None

    def add_address(self, link: FakeLink, new: LinkAddress) -> None:
        """Put an address where the kernel puts it.

        IPv6: before those of its scope. IPv4: behind the last primary one; a secondary one last.
        """
        if new in link.addresses:
            raise Refused(errno.EEXIST, "Address already assigned")
        if new.address.family == AF_INET6:
            link.addresses.insert(_place6(link, new), new)
            return
        others = link.of_family(AF_INET)
        if any(a.length == new.length and network_of(a) == network_of(new) for a in others):
            link.secondary.add(new)
            link.addresses.append(new)
        else:
            primaries = [a for a in others if a not in link.secondary]
            place = link.addresses.index(primaries[-1]) + 1 if primaries else 0
            link.addresses.insert(place, new)

    def remove_address(self, link: FakeLink, old: LinkAddress) -> list[LinkAddress]:
        """Take an address out; return what went, in that order: a primary takes its secondaries."""
        if old not in link.addresses:
            raise Refused(errno.EADDRNOTAVAIL)
        gone = [old]
        if old.address.family == AF_INET and old not in link.secondary:
            gone = [a for a in link.secondary if network_of(a) == network_of(old)]
            gone = [a for a in link.addresses if a in gone] + [old]
        link.addresses[:] = [a for a in link.addresses if a not in gone]
        return gone


def _place6(link: FakeLink, new: LinkAddress) -> int:
    for number, other in enumerate(link.addresses):
        same_family = other.address.family == AF_INET6
        if same_family and (is_link_local(other.address) or not is_link_local(new.address)):
            return number
    return len(link.addresses)


def network_of(address: LinkAddress) -> Prefix:
    """The network that an address with its length stands for."""
    return Prefix.masked(address.address, address.length)
