"""Routes and rules from the words that `ip` takes, for tests that read like a shell."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from cni_route.address import AF_INET, DEFAULT4, DEFAULT6, Address, Prefix
from cni_route.model import (
    MAIN_TABLE,
    SCOPE_LINK,
    SCOPE_UNIVERSE,
    TYPE_UNICAST,
    Hop,
    KernelRoute,
    Key,
    Link,
    LinkAddress,
    PolicyRule,
)
from tests.fakes.refused import THROW, Refused

BOOT_PROTOCOL = 3  # what `ip route` writes
TYPES = {"unicast": TYPE_UNICAST, "blackhole": 6, "unreachable": 7, "prohibit": 8, "throw": THROW}
PROTOCOLS = {"kernel": 2, "boot": BOOT_PROTOCOL, "static": 4}
SCOPES = {"global": SCOPE_UNIVERSE, "link": SCOPE_LINK, "host": 254}
_FLAGS = ("onlink",)


def parse_address(words: str) -> LinkAddress:
    """`10.0.0.2/24`; without a length, a host's."""
    head, _, length = words.partition("/")
    address = Address.parse(head)
    return LinkAddress(address, int(length) if length else address.bits)


def parse_route(words: str, links: Mapping[str, Link], *, deletes: bool = False) -> KernelRoute:
    """What follows `ip [-6] route add`.

    Known: the types above, DESTINATION, via, dev, metric, proto, scope, src, mtu, onlink, table,
    tos, nhid, expires, from, and nexthop (via, dev, weight, onlink). `default6` is ::/0.
    """
    head, *paths = words.split(" nexthop ")
    tokens = head.split()
    kind = TYPES.get(tokens[0])
    if kind is not None:
        del tokens[0]
    dst = _destination(tokens.pop(0), tokens)
    options = _options(tokens)
    hops = tuple(_hop(_options(path.split()), links) for path in paths)
    if not hops and ("dev" in options or "via" in options):
        hops = (_hop(options, links),)
    kind = kind or TYPE_UNICAST
    bare = not any(hop.via for hop in hops) and not paths and "nhid" not in options
    scope = SCOPE_LINK if dst.family == AF_INET and bare and kind == TYPE_UNICAST else 0
    if "scope" in options:
        scope = SCOPES[options["scope"]]
    protocol = options.get("proto", "0" if deletes else "boot")
    return KernelRoute(
        Key(
            dst,
            int(options.get("metric", 0)),
            int(options.get("tos", "0"), 0),
            int(options.get("table", MAIN_TABLE)),
        ),
        hops,
        protocol=PROTOCOLS.get(protocol) or int(protocol),
        scope=scope,
        type=kind,
        src=Address.parse(options["src"]) if "src" in options else None,
        mtu=int(options.get("mtu", 0)),
        nexthop_id=int(options.get("nhid", 0)),
        transient="expires" in options,
        source=Prefix.parse(options["from"]) if "from" in options else None,
    )


def parse_rule(words: str) -> PolicyRule:
    """What follows `ip [-6] rule add`: [from PREFIX] lookup TABLE pref N [protocol P]."""
    options = _options(words.replace("lookup", "table").split())
    source = Prefix.parse(options["from"]) if options.get("from", "all") != "all" else None
    return PolicyRule(
        source.family if source else AF_INET,
        int(options["pref"]),
        int(options["table"]),
        source,
        int(options.get("protocol", BOOT_PROTOCOL)),
    )


def parse_nexthop(words: str, links: Mapping[str, Link]) -> tuple[int, Hop]:
    """What follows `ip nexthop add`: id N [via A] dev D [onlink]."""
    options = _options(words.split())
    return int(options["id"]), _hop(options, links)


def _destination(word: str, others: list[str]) -> Prefix:
    if word == "default":
        via6 = "via" in others and ":" in others[others.index("via") + 1]
        return DEFAULT6 if via6 else DEFAULT4
    if word == "default6":
        return DEFAULT6
    return Prefix.parse(word)


def _options(tokens: list[str]) -> dict[str, str]:
    options: dict[str, str] = {}
    rest = iter(tokens)
    for name in rest:
        options[name] = "" if name in _FLAGS else next(rest)
        if options[name] in ("inet", "inet6"):  # via inet6 ADDRESS
            options[name] = next(rest)
    return options


def _hop(options: Mapping[str, str], links: Mapping[str, Link]) -> Hop:
    if options.get("dev", "") not in ("", *links):
        raise Refused(errno.ENODEV, f'Cannot find device "{options["dev"]}"')
    return Hop(
        links[options["dev"]].ifindex if "dev" in options else 0,
        Address.parse(options["via"]) if "via" in options else None,
        int(options.get("weight", 1)),
        "onlink" in options,
    )


def show(route: KernelRoute, names: Mapping[int, str]) -> str:
    """A route in the words of `ip route`, as parse_route reads them, by interface names."""
    key = route.key
    words = [] if route.type == TYPE_UNICAST else [_word(TYPES, route.type)]
    default = "default" if key.family == AF_INET else "default6"
    words.append(str(key.dst) if key.dst.length else default)
    if route.source:
        words.append(f"from {route.source}")
    if route.nexthop_id:
        words.append(f"nhid {route.nexthop_id}")
    elif len(route.hops) == 1:
        words += _show_hop(route.hops[0], names)
    words.append(f"proto {_word(PROTOCOLS, route.protocol)}")
    if route.scope:
        words.append(f"scope {_word(SCOPES, route.scope)}")
    pairs = (("metric", key.metric), ("tos", key.tos), ("src", route.src), ("mtu", route.mtu))
    words += [f"{name} {value}" for name, value in pairs if value]
    if route.transient:
        words.append("expires")
    if len(route.hops) > 1 and not route.nexthop_id:
        for hop in route.hops:
            words += ["nexthop", *_show_hop(hop, names)]
    return " ".join(words)


def _show_hop(hop: Hop, names: Mapping[int, str]) -> list[str]:
    words = [f"via {hop.via}"] if hop.via else []
    words.append(f"dev {names.get(hop.dev, hop.dev)}")
    if hop.weight != 1:
        words.append(f"weight {hop.weight}")
    if hop.onlink:
        words.append("onlink")
    return words


def _word(names: Mapping[str, int], number: int) -> str:
    return next((name for name, value in names.items() if value == number), str(number))


__all__ = [
    "BOOT_PROTOCOL",
    "PROTOCOLS",
    "parse_address",
    "parse_nexthop",
    "parse_route",
    "parse_rule",
    "show",
]
