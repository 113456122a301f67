"""IPv6 routes as net/ipv6/ip6_fib.c and route.c keep them.

Each next hop is an entry of its own, with its own protocol; gatewayed entries of one metric are
siblings, and a dump shows them as one multipath route with the attributes of the first.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator

from cni_route.address import AF_INET6, Address, Prefix
from cni_route.model import (
    IPV6_METRIC,
    Hop,
    KernelRoute,
    Key,
    LinkAddress,
)
from tests.fakes.checks6 import Checks6
from tests.fakes.links import IFINDEX_LOOPBACK, FakeLink, Links, network_of
from tests.fakes.nexthops import Nexthops
from tests.fakes.refused import Refused
from tests.fakes.rules import KERNEL_PROTOCOL, Rules

PREFIX_METRIC = 256  # IP6_RT_PRIO_ADDRCONF
_Node = tuple[Prefix, "Prefix | None"]  # destination, source


class Entry6:
    """One next hop; `route` has at most one in `hops`."""

    def __init__(self, route: KernelRoute) -> None:
        self.route = route
        self.dead = False

    @property
    def metric(self) -> int:
        return self.route.key.metric

    @property
    def ecmp(self) -> bool:
        """Whether it merges with others of its kind (rt6_qualify_for_ecmp)."""
        route = self.route
        return not route.nexthop_id and any(hop.via is not None for hop in route.hops)

    @property
    def dev(self) -> int:
        return self.route.hops[0].dev if self.route.hops else IFINDEX_LOOPBACK

    def duplicates(self, other: Entry6) -> bool:
        """The same next hop; protocol, source, MTU and type do not count."""
        a, b = self.route, other.route
        if a.nexthop_id or b.nexthop_id:
            return a.nexthop_id == b.nexthop_id
        return [(h.dev, h.via) for h in a.hops] == [(h.dev, h.via) for h in b.hops]


class Fib6:
    """All IPv6 tables of a namespace: per table, destination and source one list by metric."""

    def __init__(self, links: Links, rules: Rules, nexthops: Nexthops) -> None:
        self._links = links
        self._nexthops = nexthops
        self.checks = Checks6(links, rules, nexthops, self.lookup)
        self._tables: dict[int, dict[_Node, list[Entry6]]] = {}

    # ------------------------------------------------------------ reading

    def dump(self, table: int) -> list[KernelRoute]:
        routes = []
        nodes = self._tables.get(table, {})
        for node in sorted(nodes, key=lambda n: (n[0], n[1] or n[0])):
            entries = nodes[node]
            last = -1
            for number, entry in enumerate(entries):
                if number <= last:
                    continue
                siblings = self._siblings(entries, entry)
                if len(siblings) == 1:  # which has a weight, but it is not shown
                    alone = tuple(hop._replace(weight=1) for hop in entry.route.hops)
                    routes.append(entry.route._replace(hops=alone))
                    continue
                last = entries.index(siblings[-1])
                hops = tuple(hop for s in siblings for hop in s.route.hops)
                routes.append(entry.route._replace(hops=hops))
        return routes

    @staticmethod
    def _siblings(entries: list[Entry6], of: Entry6) -> list[Entry6]:
        if not of.ecmp:
            return [of]
        return [e for e in entries if e.ecmp and e.metric == of.metric]

    def lookup(
        self,
        address: Address,
        table: int,
        dev: int = 0,
        prefer: int = 0,
        source: Address | None = None,
    ) -> KernelRoute | None:
        """A route that carries a packet from `source` to `address`, from this one table.

        Only by `dev` unless that is 0; of several equally good ones, rather by `prefer`.
        """
        for entries in _walk(self._tables.get(table, {}), address, source):
            usable = [e for e in entries if not e.dead and dev in (0, e.dev)]
            if usable:
                best = [e for e in usable if e.metric == usable[0].metric]
                return min(best, key=lambda e: e.dev != prefer).route
        return None

    def alive(self, route: KernelRoute) -> list[Hop]:
        """The next hops that a packet by this route may take: any of its siblings."""
        entries = self._tables[route.key.table][route.key.dst, route.source]
        entry = next(e for e in entries if e.route is route)
        siblings = self._siblings(entries, entry)
        return [hop for sibling in siblings if not sibling.dead for hop in sibling.route.hops]

    # ------------------------------------------------------------ writing

    def insert(self, verb: str, given: KernelRoute) -> None:
        """RTM_NEWROUTE; raises Refused. A multipath goes in hop by hop."""
        metric = given.key.metric or IPV6_METRIC
        given = given._replace(key=given.key._replace(metric=metric))
        if given.nexthop_id or len(given.hops) < 2:
            self._insert(verb, Entry6(self.checks.route(given)))
            return
        if any(hop.via is None for hop in given.hops):
            raise Refused(
                errno.EINVAL,
                "Device only routes can not be added for IPv6 using the multipath API.",
            )
        new: list[Entry6] = []
        for hop in given.hops:
            entry = Entry6(self.checks.route(given._replace(hops=(hop,))))
            if any(entry.duplicates(earlier) for earlier in new):
                raise Refused(errno.EEXIST)
            new.append(entry)
        done: list[Entry6] = []
        for entry in new:
            try:
                self._insert("append" if done else verb, entry)
            except Refused:
                self._drop(lambda e: e in done)
                raise
            done.append(entry)

    def _insert(self, verb: str, new: Entry6) -> None:
        """fib6_add_rt2node."""
        key = new.route.key
        node = (key.dst, new.route.source)
        entries = self._tables.setdefault(key.table, {}).setdefault(node, [])
        same = [e for e in entries if e.metric == new.metric]
        if same and verb == "add":
            raise Refused(errno.EEXIST)
        if same and verb == "replace":
            hit = next((e for e in same if e.ecmp == new.ecmp), same[0])
            gone = self._siblings(entries, hit)
            entries[entries.index(hit)] = new
            entries[:] = [e for e in entries if e not in gone]
            return
        if any(new.duplicates(e) for e in same):
            raise Refused(errno.EEXIST)
        place = next((n for n, e in enumerate(entries) if e.metric > new.metric), len(entries))
        entries.insert(place, new)

    def delete(self, wanted: KernelRoute) -> None:
        """RTM_DELROUTE (ip6_route_del); a multipath is deleted hop by hop."""
        self._nexthops.check(wanted.nexthop_id)
        if wanted.nexthop_id or len(wanted.hops) < 2:
            self._delete(wanted)
            return
        last: Refused | None = None
        for hop in wanted.hops:
            try:
                self._delete(wanted._replace(hops=(hop,)))
            except Refused as refused:
                last = refused
        if last is not None:
            raise last

    def _delete(self, wanted: KernelRoute) -> None:
        entries = self._located(wanted)
        hop = wanted.hops[0] if wanted.hops and not wanted.nexthop_id else None
        for entry in entries:
            if not _matches(wanted, hop, entry):
                continue
            entries.remove(entry)
            return
        raise Refused(errno.ESRCH)

    def _located(self, wanted: KernelRoute) -> list[Entry6]:
        """The list that a delete looks in (fib6_locate).

        Where no route to the destination has a source prefix, the one asked for is forgotten.
        """
        nodes = self._tables.get(wanted.key.table, {})
        source = wanted.source
        if not any(dst == wanted.key.dst and src and nodes[dst, src] for dst, src in nodes):
            source = None
        return nodes.get((wanted.key.dst, source), [])

    # ------------------------------------------------------------ what links and addresses do

    def address_added(self, link: FakeLink, address: LinkAddress) -> None:
        if link.up and not link.loopback:
            try:
                self.insert("append", _connected(link, address))
            except Refused:
                pass

    def address_removed(self, link: FakeLink, address: LinkAddress) -> None:
        """After the address was taken off: its network goes, and so do routes' use of it.

        Not called when the address goes with its link: then routes of other links keep their src.
        """
        network = network_of(address)
        if not any(network_of(a) == network for a in link.of_family(AF_INET6)):
            node = self._tables.get(254, {}).get((network, None), [])
            for entry in node:
                if entry.dev == link.index and not entry.ecmp and not entry.route.nexthop_id:
                    node.remove(entry)
                    break
        if self._links.owner(address.address) is None:
            for entry in self._entries():
                if entry.route.src == address.address:
                    entry.route = entry.route._replace(src=None)

    def link_up(self, link: FakeLink) -> None:
        for entry in self._entries():
            if entry.dev == link.index:
                entry.dead = False

    def link_down(self, link: FakeLink) -> None:
        for entry in self._entries():
            if entry.dev == link.index and not entry.route.nexthop_id:
                entry.dead = True
        self._drop_where(lambda siblings: all(e.dead for e in siblings))

    def link_removed(self, link: FakeLink) -> None:
        """Unlike IPv4: of a multipath only the hops on the link go."""
        self._drop(lambda entry: entry.dev == link.index)

    def nexthop_removed(self, identity: int) -> None:
        self._drop(lambda e: e.route.nexthop_id == identity)

    def _entries(self) -> list[Entry6]:
        return [e for t in self._tables.values() for entries in t.values() for e in entries]

    def _drop(self, doomed: Callable[[Entry6], bool]) -> None:
        for table in self._tables.values():
            for entries in table.values():
                entries[:] = [e for e in entries if not doomed(e)]

    def _drop_where(self, doomed: Callable[[list[Entry6]], bool]) -> None:
        """Drop routes whole, siblings together."""
        for table in self._tables.values():
            for entries in table.values():
                entries[:] = [e for e in entries if not doomed(self._siblings(entries, e))]


def _walk(
    nodes: dict[_Node, list[Entry6]], address: Address, source: Address | None
) -> Iterator[list[Entry6]]:
    """Where to look, in this order (fib6_node_lookup_1, then fib6_backtrack).

    A destination that some route has with a source prefix is no place to begin at for others, but
    for the shortest one of all; they are looked at on the way back from a longer destination.
    """
    begun = False
    found = {dst for (dst, _), entries in nodes.items() if entries and dst.contains(address)}
    for dst in sorted(found, key=lambda p: -p.length):
        prefixes = [src for d, src in nodes if d == dst and src is not None and nodes[d, src]]
        fitting = [src for src in prefixes if source is not None and src.contains(source)]
        begun = begun or not prefixes or bool(fitting) or not dst.length
        if begun:
            yield from (nodes[dst, src] for src in sorted(fitting, key=lambda p: -p.length))
            yield nodes.get((dst, None), [])


def _connected(link: FakeLink, address: LinkAddress) -> KernelRoute:
    """The route to an address's own network, as the kernel makes it."""
    key = Key(network_of(address), PREFIX_METRIC)
    return KernelRoute(key, (Hop(link.index),), protocol=KERNEL_PROTOCOL)


def _matches(wanted: KernelRoute, hop: Hop | None, entry: Entry6) -> bool:
    """What a delete hits: metric 0 matches any; type, source and MTU are not looked at.

    The seam sends a gateway of zeros for none, so that a delete does not take a gatewayed route of
    the same device, which the kernel otherwise does.
    """
    route = entry.route
    if wanted.key.metric not in (0, entry.metric) or wanted.protocol not in (0, route.protocol):
        return False
    if route.nexthop_id:
        return wanted.nexthop_id in (0, route.nexthop_id)
    if wanted.nexthop_id:
        return False
    if hop is None:
        return not route.hops
    if not route.hops:
        return False
    return hop.dev in (0, entry.dev) and hop.via == route.hops[0].via
