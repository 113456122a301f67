"""IPv4 routes as net/ipv4/fib_trie.c and fib_semantics.c keep them."""

from __future__ import annotations

import errno
from collections.abc import Callable

from cni_route.address import AF_INET, Address, Prefix
from cni_route.model import (
    MAIN_TABLE,
    SCOPE_LINK,
    SCOPE_UNIVERSE,
    Hop,
    KernelRoute,
    Key,
    LinkAddress,
)
from tests.fakes.checks4 import Checks4
from tests.fakes.links import FakeLink, Links, network_of
from tests.fakes.nexthops import Nexthops
from tests.fakes.refused import Refused
from tests.fakes.rules import KERNEL_PROTOCOL, Rules


class Entry4:
    """A route, and which of its next hops a link took away (RTNH_F_DEAD)."""

    def __init__(self, route: KernelRoute) -> None:
        self.route = route
        self.dead: set[int] = set()

    def alive(self) -> list[Hop]:
        return [hop for number, hop in enumerate(self.route.hops) if number not in self.dead]

    @property
    def rank(self) -> tuple[int, int]:
        """Where it stands under its destination: higher ToS first, then the lower metric."""
        return (-self.route.key.tos, self.route.key.metric)


class Fib4:
    """All IPv4 tables of a namespace: per table and destination one ordered list."""

    def __init__(
        self,
        links: Links,
        rules: Rules,
        nexthops: Nexthops,
        check_hop6: Callable[[KernelRoute, Hop], Hop],
    ) -> None:
        self._links = links
        self._nexthops = nexthops
        self.checks = Checks4(links, rules, nexthops, self.lookup, check_hop6)
        self._tables: dict[int, dict[Prefix, list[Entry4]]] = {}

    # ------------------------------------------------------------ reading

    def dump(self, table: int) -> list[KernelRoute]:
        entries = sorted(self._tables.get(table, {}).items())
        return [entry.route for _, listed in entries for entry in listed]

    def lookup(
        self, address: Address, table: int, scope: int = SCOPE_UNIVERSE, dev: int = 0
    ) -> KernelRoute | None:
        """The route that carries a packet to `address`, from this one table (fib_table_lookup)."""
        found = [p for p in self._tables.get(table, {}) if p.contains(address)]
        for prefix in sorted(found, key=lambda p: -p.length):
            for entry in self._tables[table][prefix]:
                route = entry.route
                if route.key.tos or route.scope < scope:
                    continue
                if not route.hops or any(dev in (0, hop.dev) for hop in entry.alive()):
                    return route
        return None

    def alive(self, route: KernelRoute) -> list[Hop]:
        """The next hops that a packet by this route may take.

        Of several default routes of one metric, any: the kernel looks at the neighbours too.
        """
        if not route.hops:
            return []
        entries = self._tables[route.key.table][route.key.dst]
        if route.key.dst.length:
            return next(entry for entry in entries if entry.route is route).alive()
        return [hop for e in entries if e.route.key == route.key for hop in e.alive()]

    # ------------------------------------------------------------ writing

    def insert(self, verb: str, given: KernelRoute) -> None:
        """RTM_NEWROUTE (fib_table_insert); raises Refused."""
        route = self.checks.route(given)
        entries = self._tables.setdefault(route.key.table, {}).setdefault(route.key.dst, [])
        new = Entry4(route)
        same = [e for e in entries if e.rank == new.rank]
        match = next((e for e in same if e.route == route), None)
        if not same:
            place = next((n for n, e in enumerate(entries) if e.rank > new.rank), len(entries))
            entries.insert(place, new)
        elif verb == "add":
            raise Refused(errno.EEXIST)
        elif verb == "replace":
            if match is same[0]:
                return
            if match:
                raise Refused(errno.EEXIST)
            entries[entries.index(same[0])] = new
        elif match:
            raise Refused(errno.EEXIST)
        else:
            place = entries.index(same[0]) + (len(same) if verb == "append" else 0)
            entries.insert(place, new)

    def delete(self, wanted: KernelRoute) -> None:
        """RTM_DELROUTE (fib_table_delete): the first that has all that is given."""
        self._nexthops.check(wanted.nexthop_id)
        entries = self._tables.get(wanted.key.table, {}).get(wanted.key.dst, [])
        for number, entry in enumerate(entries):
            if _matches(wanted, entry.route):
                del entries[number]
                return
        raise Refused(errno.ESRCH)

    # ------------------------------------------------------------ what links and addresses do

    def address_added(self, link: FakeLink, address: LinkAddress) -> None:
        if link.up:
            self._connect(link, address)
            self._revive(link)

    def address_removed(self, link: FakeLink, address: LinkAddress) -> None:
        """After the address has left the link (fib_del_ifaddr)."""
        if link.loopback:
            return
        if address not in link.secondary:
            try:
                self.delete(_connected(link, address))
            except Refused:
                pass
        if self._links.owner(address.address) is None:
            self._drop(lambda e: e.route.src == address.address and e.route.key.table == MAIN_TABLE)
        if not link.of_family(AF_INET):
            self.link_down(link)

    def link_up(self, link: FakeLink) -> None:
        for address in link.of_family(AF_INET):
            self._connect(link, address)
        self._revive(link)

    def link_down(self, link: FakeLink) -> None:
        """Next hops on the link die. Routes by nexthop objects do not: they go with those."""
        for entry in self._entries():
            if entry.route.nexthop_id:
                continue
            entry.dead |= {n for n, hop in enumerate(entry.route.hops) if hop.dev == link.index}
        self._drop(lambda e: bool(e.route.hops) and not e.alive())

    def link_removed(self, link: FakeLink) -> None:
        self._drop(lambda e: any(hop.dev == link.index for hop in e.route.hops))

    def nexthop_removed(self, identity: int) -> None:
        self._drop(lambda e: e.route.nexthop_id == identity)

    def _connect(self, link: FakeLink, address: LinkAddress) -> None:
        if address.length == 32 or link.loopback or address in link.secondary:
            return
        try:
            self.insert("append", _connected(link, address))
        except Refused:
            pass

    def _revive(self, link: FakeLink) -> None:
        for entry in self._entries():
            entry.dead -= {n for n, hop in enumerate(entry.route.hops) if hop.dev == link.index}

    def _entries(self) -> list[Entry4]:
        return [e for t in self._tables.values() for entries in t.values() for e in entries]

    def _drop(self, doomed: Callable[[Entry4], bool]) -> None:
        for table in self._tables.values():
            for prefix, entries in table.items():
                table[prefix] = [e for e in entries if not doomed(e)]


def _connected(link: FakeLink, address: LinkAddress) -> KernelRoute:
    """The route to an address's own network, as the kernel makes it."""
    return KernelRoute(
        Key(network_of(address), 0),
        (Hop(link.index),),
        protocol=KERNEL_PROTOCOL,
        scope=SCOPE_LINK,
        src=address.address,
    )


def _matches(wanted: KernelRoute, route: KernelRoute) -> bool:
    """What a delete hits: zero and absent attributes match any, metric 0 too (fib_nh_match).

    But for the MTU, where the seam always says which one it means.
    """
    return (
        wanted.key.tos == route.key.tos
        and wanted.type == route.type
        and wanted.scope == route.scope
        and (wanted.src is None or wanted.src == route.src)
        and wanted.protocol in (0, route.protocol)
        and wanted.key.metric in (0, route.key.metric)
        and wanted.mtu == route.mtu
        and set(wanted.metrics) <= set(route.metrics)
        and _same_hops(wanted, route)
    )


def _same_hops(wanted: KernelRoute, route: KernelRoute) -> bool:
    if wanted.nexthop_id:
        return wanted.nexthop_id == route.nexthop_id
    if route.nexthop_id:
        return not wanted.hops
    if not wanted.hops:
        return True
    if len(wanted.hops) > 1 and len(wanted.hops) < len(route.hops):
        return False
    pairs = zip(wanted.hops, route.hops, strict=False)
    if not route.hops:
        return False
    return all(w.dev == r.dev and w.via in (None, r.via) for w, r in pairs)
