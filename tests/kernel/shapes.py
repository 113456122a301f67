"""Routes, rules and addresses of many shapes, few enough of each to meet one another.

Not among them, as the fake kernel does not know it:

- local, broadcast and multicast routes, and those through lo: neither we nor CNI plugins write
  such, and dumps leave them out;
- a ToS for IPv6, scope host, next hops without a device: the kernel refuses them, or nobody who
  writes routes into pods uses them;
- routes that expire: time would decide (tests/contract has one);
- nexthop groups, encapsulations, realms: the product reads and keeps them as bytes, and a route
  with any of them is judged no further;
- changes to the kernel's own policy rules, and rules that match more than a source;
- duplicate address detection, promotion of secondary addresses, addresses of a peer: turned off
  in the namespace, or never given;
- neighbours: no packet is sent, so none is known. They decide between equal next hops only.
"""

from __future__ import annotations

import hypothesis.strategies as st

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key, PolicyRule, Verb

OTHER_TABLE = 1000
VERBS: st.SearchStrategy[Verb] = st.sampled_from(
    ["add", "append", "append", "prepend", "replace", "replace", "delete"]
)
VERBS_FOR_SEEN: st.SearchStrategy[Verb] = st.sampled_from(
    ["append", "prepend", "replace", "delete", "delete", "delete"]
)
RULE_VERBS: st.SearchStrategy[Verb] = st.sampled_from(["add", "add", "delete"])
LINKS = st.sampled_from(["eth0", "eth1"])
NEXTHOP_IDS = st.sampled_from([7, 8])
NEXTHOPS = st.sampled_from(
    [
        "id 7 via 10.1.0.1 dev eth0",
        "id 7 via 10.2.0.1 dev eth1",
        "id 7 dev eth0",
        "id 7 via 10.9.0.7 dev eth1 onlink",
        "id 8 via 2001:db8:1::1 dev eth0",
        "id 8 via fe80::1 dev eth1",
    ]
)
REMOTE = st.sampled_from(
    [
        *("10.9.0.1", "10.9.7.7", "198.51.100.1", "10.1.0.9", "169.254.1.1", "10.2.0.9"),
        *("2001:db8:9::1", "2001:db8:9::99", "2001:db8:77::1", "2001:db8:1::99"),
    ]
)
PROTOCOLS = st.sampled_from([3, 114, 114, 115])

ADDRESSES = {
    "eth0": ["10.1.0.2/24", "10.1.0.3/24", "10.1.9.9/32", "2001:db8:1::2/64", "2001:db8:1::3/64"],
    "eth1": ["10.2.0.2/24", "10.1.0.7/24", "2001:db8:2::2/64", "2001:db8:1::7/64"],
}
OWN = [address.partition("/")[0] for name in ADDRESSES for address in ADDRESSES[name]]
DST = {
    AF_INET: ["0.0.0.0/0", "10.9.0.0/16", "10.1.0.0/24", "10.2.0.0/24", "169.254.1.1", "10.9.0.1"],
    AF_INET6: ["::/0", "2001:db8:9::/48", "2001:db8:1::/64", "2001:db8:9::1", "2001:db8:2::1"],
}
VIA = {
    "eth0": {
        AF_INET: ["10.1.0.1", "10.1.0.4"],
        AF_INET6: ["2001:db8:1::1", "2001:db8:1::4", "fe80::1"],
    },
    "eth1": {AF_INET: ["10.2.0.1", "10.2.0.4"], AF_INET6: ["2001:db8:2::1", "fe80::1"]},
}
# Elsewhere, behind nothing, a broadcast address, and addresses of our own.
ODD_VIA = {
    AF_INET: ["169.254.1.1", "10.9.0.7", "10.1.0.255", "10.1.0.2", "10.2.0.1", "2001:db8:1::1"],
    AF_INET6: ["2001:db8:2::1", "2001:db8:1::1", "2001:db8:1::2", "2001:db8:77::1"],
}
SOURCES = {AF_INET: [Address.parse("10.2.0.2")], AF_INET6: [Address.parse("2001:db8:2::2")]}
METRICS = {AF_INET: [0, 0, 0, 100, 0xFF000003], AF_INET6: [0, 1024, 1024, 100, 256, 0xFF040003]}


def _address(texts: list[str]) -> st.SearchStrategy[Address]:
    return st.sampled_from([Address.parse(text) for text in texts])


@st.composite
def hops(draw: st.DrawFn, family: int, indexes: dict[str, int]) -> Hop:
    """One next hop, mostly a possible one; its device may not exist."""
    name = draw(st.sampled_from([*indexes, *indexes, *indexes, *indexes, ""]))
    if not name:
        return Hop(99, draw(st.none() | _address(ODD_VIA[family])))
    usual = _address(VIA[name][family])
    via = draw(st.one_of(st.none(), usual, usual, usual, _address(ODD_VIA[family])))
    onlink = via is not None and draw(st.sampled_from([False] * 3 + [True]))
    return Hop(indexes[name], via, 1, onlink)


@st.composite
def routes(draw: st.DrawFn, indexes: dict[str, int], own: list[Address]) -> KernelRoute:
    """Any route that we or somebody else could write; `own`: addresses to prefer as a source."""
    family = draw(st.sampled_from([AF_INET, AF_INET6]))
    dst = Prefix.parse(draw(st.sampled_from(DST[family])))
    tos = draw(st.sampled_from([0, 0, 0, 0, 8])) if family == AF_INET else 0
    table = draw(st.sampled_from([254, 254, 254, OTHER_TABLE]))
    key = Key(dst, draw(st.sampled_from(METRICS[family])), tos, table)
    kind = draw(st.sampled_from([1] * 8 + [6, 7, 8, 9]))
    count = 0 if kind != 1 else draw(st.sampled_from([1, 1, 1, 1, 2, 2, 3]))
    found = tuple(draw(hops(family, indexes)) for _ in range(count))
    if count > 1:
        found = tuple(hop._replace(weight=draw(st.sampled_from([1, 1, 5]))) for hop in found)
    nexthop_id = draw(st.sampled_from([0] * 8 + [7, 8])) if kind == 1 else 0
    found = () if nexthop_id else found
    scope = 0
    if family == AF_INET and len(found) == 1 and found[0].via is None:
        scope = draw(st.sampled_from([253, 253, 0]))
    usual = [address for address in own if address.family == family]
    src = draw(st.sampled_from([None, None, None, *usual, *SOURCES[family]]))
    mtu = draw(st.sampled_from([0, 0, 1400]))
    source = None
    if family == AF_INET6 and draw(st.sampled_from([False] * 8 + [True])):
        source = Prefix.parse("2001:db8:1::/64")
    return KernelRoute(
        key, found, draw(PROTOCOLS), scope, kind, src, mtu, nexthop_id, source=source
    )


@st.composite
def varied(draw: st.DrawFn, route: KernelRoute, indexes: dict[str, int]) -> KernelRoute:
    """A route that is there, as it is or with one thing changed."""
    change = draw(st.sampled_from(["", "", "hop", "protocol", "mtu", "src", "metric", "fewer"]))
    if change == "hop" and route.hops and not route.nexthop_id:
        place = draw(st.integers(0, len(route.hops) - 1))
        new = draw(hops(route.key.family, indexes))._replace(weight=route.hops[place].weight)
        return route._replace(hops=(*route.hops[:place], new, *route.hops[place + 1 :]))
    if change == "protocol":
        return route._replace(protocol=draw(st.sampled_from([0, 3, 114])))
    if change == "mtu":
        return route._replace(mtu=1400 if route.mtu == 0 else 0)
    if change == "src":
        return route._replace(src=None)
    if change == "metric":
        return route._replace(key=route.key._replace(metric=0))
    if change == "fewer" and len(route.hops) > 1:
        return route._replace(hops=(route.hops[0]._replace(weight=1),))
    return route


@st.composite
def _rules(draw: st.DrawFn) -> PolicyRule:
    source = draw(st.sampled_from(["10.1.0.2", "10.1.0.0/24", "2001:db8:1::2", ""]))
    family = AF_INET6 if ":" in source else AF_INET
    return PolicyRule(
        family,
        draw(st.sampled_from([100, 101])),
        draw(st.sampled_from([OTHER_TABLE, 1001])),
        Prefix.parse(source) if source else None,
        draw(st.sampled_from([3, 114])),
    )


RULES = _rules()
