"""One fake network namespace: what `ip` would do to it, and what the seam asks of it."""

from __future__ import annotations

import errno
import functools
import threading
from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec, TypeVar

from cni_route.address import AF_INET, AF_INET6, DEFAULT4, DEFAULT6, Address
from cni_route.model import (
    MAIN_TABLE,
    Batch,
    Hop,
    KernelRoute,
    Key,
    Link,
    LinkAddress,
    Operation,
    PolicyRule,
)
from tests.fakes import text
from tests.fakes.fib4 import Fib4
from tests.fakes.fib6 import Fib6
from tests.fakes.links import FakeLink, Links, link_local
from tests.fakes.nexthops import Nexthops
from tests.fakes.refused import THROW, Refused
from tests.fakes.rules import LOCAL_TABLE, Rules

P = ParamSpec("P")
R = TypeVar("R")


def _alone(
    method: Callable[Concatenate[FakeNamespace, P], R],
) -> Callable[Concatenate[FakeNamespace, P], R]:
    """One at a time whatever the thread, as under the kernel's own lock (RTNL)."""

    @functools.wraps(method)
    def locked(self: FakeNamespace, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with self.lock:
            return method(self, *args, **kwargs)

    return locked


class FakeNamespace:
    """State and its changes; `descriptor` opens it, `inode` is its identity."""

    def __init__(self, descriptor: int, inode: int) -> None:
        self.descriptor = descriptor
        self.inode = inode
        self.gone = False
        self.lock = threading.RLock()
        self._links = Links()
        self._rules = Rules()
        self._nexthops = Nexthops()
        self._fib6 = Fib6(self._links, self._rules, self._nexthops)
        self._fib4 = Fib4(self._links, self._rules, self._nexthops, self._fib6.checks.hop)
        self._observers: list[Callable[[Operation], None]] = []
        self.set_up("lo")

    # ------------------------------------------------------------ reading

    @_alone
    def links(self) -> Mapping[str, Link]:
        """Interfaces by name."""
        return self._links.snapshot()

    @_alone
    def dump(self, table: int = MAIN_TABLE) -> tuple[KernelRoute, ...]:
        """A table's routes, IPv4 first, in the kernel's order under each key."""
        return (*self._fib4.dump(table), *self._fib6.dump(table))

    @_alone
    def rules(self) -> tuple[PolicyRule, ...]:
        """Policy rules, IPv4 first, in their order."""
        return self._rules.dump()

    @_alone
    def lookup(self, address: str | Address, source: str | Address = "") -> KernelRoute | None:
        """The route that carries a packet to `address`, None where there is none.

        `source`: the address that the socket is bound to; '' for a new one, which rules with a
        source do not apply to. A blackhole and its like are routes too: look at their type.
        """
        to = Address.parse(address) if isinstance(address, str) else address
        bound = Address.parse(source) if isinstance(source, str) and source else source or None
        assert not isinstance(bound, str)
        for table in self._rules.tables(to.family, bound):
            if table == LOCAL_TABLE:
                continue
            if to.family == AF_INET:
                found = self._fib4.lookup(to, table)
            else:
                found = self._fib6.lookup(to, table, source=bound)
            if found is not None and found.type != THROW:
                return found
        return None

    @_alone
    def paths(self, address: str, source: str = "") -> list[Hop]:
        """The next hops, still alive, that a packet may take: any of them; [] for none."""
        route = self.lookup(address, source)
        if route is None:
            return []
        return (self._fib4 if route.key.family == AF_INET else self._fib6).alive(route)

    # ------------------------------------------------------------ operations

    @_alone
    def operate(self, operation: Operation) -> None:
        """Do one operation and tell the observers; raises Refused."""
        verb, subject = operation
        if isinstance(subject, PolicyRule):
            if verb == "delete":
                self._rules.delete(subject)
            else:
                self._rules.add(subject)
        else:
            fib = self._fib4 if subject.key.family == AF_INET else self._fib6
            if verb == "delete":
                fib.delete(subject)
            else:
                fib.insert(verb, subject)
        for observer in self._observers:
            observer(operation)

    def batch(self, *operations: Operation) -> Batch:
        """A batch for this namespace."""
        return Batch(self.inode, operations)

    def observe(self, observer: Callable[[Operation], None]) -> None:
        """Have `observer` called after every single operation that was done."""
        self._observers.append(observer)

    def watch(self, address: str, source: str = "") -> list[KernelRoute | None]:
        """A list that grows by one look-up after every operation that was done."""
        seen: list[KernelRoute | None] = []
        self._observers.append(lambda _: seen.append(self.lookup(address, source)))
        return seen

    def parse(self, words: str) -> KernelRoute:
        """The route that `ip route add WORDS` would write (text.py), with our interface indexes."""
        return text.parse_route(words, self.links())

    @_alone
    def route(self, words: str, verb: str = "add") -> KernelRoute:
        """`ip route VERB WORDS` by somebody else (proto boot unless given); raises Refused."""
        route = text.parse_route(words, self.links(), deletes=verb == "delete")
        self.operate(Operation(verb, route))  # type: ignore[arg-type]
        return route

    @_alone
    def rule(self, words: str, verb: str = "add") -> PolicyRule:
        """`ip rule VERB WORDS` by somebody else; raises Refused."""
        rule = text.parse_rule(words)
        self.operate(Operation(verb, rule))  # type: ignore[arg-type]
        return rule

    @_alone
    def nexthop(self, words: str) -> int:
        """`ip nexthop add WORDS`: id N [via A] dev D [onlink]; raises Refused."""
        identity, hop = text.parse_nexthop(words, self.links())
        link = self._links.find(hop.dev)
        if link is not None and link.up and not link.carrier:
            raise Refused(errno.ENETDOWN, "Carrier for nexthop device is down")
        six = hop.via is not None and hop.via.family == AF_INET6
        route = KernelRoute(Key(DEFAULT6 if six else DEFAULT4, 0), (hop,))
        hop = (self._fib6 if six else self._fib4).checks.hop(route, hop)
        self._nexthops.add(identity, hop)
        return identity

    @_alone
    def remove_nexthop(self, identity: int) -> None:
        """`ip nexthop delete`: its routes go with it."""
        self._nexthops.remove(identity)
        self._fib4.nexthop_removed(identity)
        self._fib6.nexthop_removed(identity)

    # ------------------------------------------------------------ links and addresses

    @_alone
    def add_link(self, name: str, *addresses: str, up: bool = True, link_local: bool = True) -> int:
        """A new interface with its addresses (`10.0.0.2/24`), by default up; its index."""
        link = self._links.add(name)
        link.makes_link_local = link_local
        if up:
            self.set_up(name)
        for address in addresses:
            self.add_address(name, address)
        return link.index

    @_alone
    def remove_link(self, name: str) -> None:
        """Gone, with its addresses and everything that leaves by it."""
        link = self._links[name]
        self.set_down(name)
        self._flush_nexthops(link)
        self._fib4.link_removed(link)
        self._fib6.link_removed(link)
        for address in link.of_family(AF_INET):
            link.addresses.remove(address)
            if address not in link.secondary:  # those leave without a look at who uses them
                self._fib4.address_removed(link, address)
        self._links.remove(link)

    @_alone
    def set_up(self, name: str) -> None:
        """Only what the kernel makes itself comes back: networks of the addresses."""
        link = self._links[name]
        if link.up:
            return
        link.up = True
        if link.loopback:
            link.addresses[:] = [text.parse_address("127.0.0.1/8"), text.parse_address("::1/128")]
        self._fib4.link_up(link)
        for address in link.of_family(AF_INET6):
            self._fib6.address_added(link, address)
        self._configure6(link)

    @_alone
    def set_down(self, name: str) -> None:
        """Its routes go without a word; so do its IPv6 addresses, but not its IPv4 ones."""
        link = self._links[name]
        if not link.up:
            return
        link.up = link.ready = False
        self._flush_nexthops(link)
        self._fib4.link_down(link)
        self._fib6.link_down(link)
        for address in link.of_family(AF_INET6):
            link.addresses.remove(address)

    @_alone
    def set_carrier(self, name: str, on: bool) -> None:
        """The far side comes or goes; routes stay, but for those by nexthop objects."""
        link = self._links[name]
        link.carrier = on
        if link.up and not on:
            self._flush_nexthops(link)
        self._configure6(link)

    @_alone
    def add_address(self, name: str, address: str) -> None:
        """`ip address add`, without duplicate address detection."""
        link = self._links[name]
        new = text.parse_address(address)
        self._links.add_address(link, new)
        fib = self._fib4 if new.address.family == AF_INET else self._fib6
        fib.address_added(link, new)

    @_alone
    def remove_address(self, name: str, address: str) -> None:
        """`ip address delete`; the last IPv4 one takes the link's IPv4 routes with it."""
        self._remove_address(self._links[name], text.parse_address(address))

    def _remove_address(self, link: FakeLink, address: LinkAddress) -> None:
        for gone in self._links.remove_address(link, address):
            if gone.address.family == AF_INET:
                self._fib4.address_removed(link, gone)
            else:
                self._fib6.address_removed(link, gone)
            link.secondary.discard(gone)

    def _flush_nexthops(self, link: FakeLink) -> None:
        for identity in self._nexthops.on(link.index):
            self.remove_nexthop(identity)

    def _configure6(self, link: FakeLink) -> None:
        """What IPv6 does once, when a link is up and has its carrier."""
        if link.ready or link.loopback or not (link.up and link.carrier):
            return
        link.ready = True
        if link.makes_link_local:
            own = link_local(link.mac)
            if own not in link.addresses:
                self._links.add_address(link, own)
                self._fib6.address_added(link, own)
        self._fib6.link_up(link)
