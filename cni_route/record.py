"""The record of one sandbox as a value, and its JSON; no I/O.

What stands in a record file is untrusted: BadValue names the field and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cni_route.address import Address, Prefix
from cni_route.document import parse_rules
from cni_route.model import Hop, KernelRoute, Key, Link, Rule
from cni_route.untrusted import BadValue, Reader

VERSION = 1
READABLE = (1,)  # the versions that can be read


class Attachment(NamedTuple):
    """One ADD: the network's name, its interface, what its result said, its entry's own rules."""

    network: str
    ifname: str
    gateways: tuple[Address, ...] = ()  # of its interface
    rules: tuple[Rule, ...] = ()


class Displaced(NamedTuple):
    """A foreign route that ours stands in for, with the names of its hops' devices.

    `behind` is what stood behind it under its key when it was displaced: those routes are not
    in our way, should ours vanish for a while.
    """

    route: KernelRoute
    devs: tuple[str, ...]
    behind: tuple[KernelRoute, ...] = ()

    def bound(self, links: Mapping[str, Link]) -> KernelRoute | None:
        """The route with today's interface indexes; None while one of its devices is missing."""
        hops = []
        for hop, dev in zip(self.route.hops, self.devs, strict=True):
            if not dev:
                hops.append(hop)
                continue
            link = links.get(dev)
            if link is None:
                return None
            hops.append(hop._replace(dev=link.ifindex))
        return self.route._replace(hops=tuple(hops))


class Record(NamedTuple):
    """What is kept of one sandbox from its first ADD to its last DEL."""

    container_id: str
    netns: str = ""  # the namespace's path; empty where it is not known
    inode: int = 0  # of the namespace, 0 where it is not known
    namespace: str = ""
    name: str = ""
    uid: str = ""
    attachments: tuple[Attachment, ...] = ()
    displaced: tuple[Displaced, ...] = ()  # under each key in the order of the foreign list
    applied: frozenset[Key] = frozenset()  # keys of the own routes at the end of the last pass


# ---------------------------------------------------------------- to JSON


def to_json(record: Record) -> dict[str, object]:
    """The record as plain data; `from_json` gives it back."""
    return {
        "version": VERSION,
        "containerID": record.container_id,
        "netns": record.netns,
        "inode": record.inode,
        "pod": {"namespace": record.namespace, "name": record.name, "uid": record.uid},
        "attachments": [
            {
                "network": a.network,
                "ifname": a.ifname,
                "gateways": [str(gateway) for gateway in a.gateways],
                "routes": [rule_entry(rule) for rule in a.rules],
            }
            for a in record.attachments
        ],
        "displaced": [
            {
                "route": _route_json(d.route),
                "devs": list(d.devs),
                "behind": [_route_json(r) for r in d.behind],
            }
            for d in record.displaced
        ],
        "applied": [[str(k.dst), k.metric, k.tos, k.table] for k in sorted(record.applied)],
    }


def rule_entry(rule: Rule) -> dict[str, object]:
    """A network rule in the form that `document.parse_rules` reads."""
    entry: dict[str, object] = {"dst": str(rule.dst), "dev": rule.dev}
    for name in ("via", "src"):
        value = getattr(rule, name)
        if value is not None:
            entry[name] = str(value)
    for name in ("metric", "mtu"):
        if getattr(rule, name) is not None:
            entry[name] = getattr(rule, name)
    if rule.onlink:
        entry["onlink"] = True
    return entry


def _route_json(route: KernelRoute) -> dict[str, object]:
    return {
        "dst": str(route.key.dst),
        "metric": route.key.metric,
        "tos": route.key.tos,
        "table": route.key.table,
        "protocol": route.protocol,
        "scope": route.scope,
        "type": route.type,
        "src": "" if route.src is None else str(route.src),
        "mtu": route.mtu,
        "nexthopID": route.nexthop_id,
        "metrics": _opaque_json(route.metrics),
        "extra": _opaque_json(route.extra),
        "hops": [
            {
                "dev": hop.dev,
                "via": "" if hop.via is None else str(hop.via),
                "weight": hop.weight,
                "onlink": hop.onlink,
                "extra": _opaque_json(hop.extra),
            }
            for hop in route.hops
        ],
    }


def _opaque_json(attributes: tuple[tuple[int, bytes], ...]) -> list[list[object]]:
    return [[kind, value.hex()] for kind, value in attributes]


# ---------------------------------------------------------------- from JSON


def from_json(data: object) -> Record:
    """Read what `to_json` wrote, in any readable version; BadValue for anything else."""
    top = Reader(data, "")
    version = top.number("version", 0, 1 << 31)
    if version not in READABLE:
        known = ", ".join(map(str, READABLE))
        raise BadValue(f"version: {version} is not one that is read here ({known})")
    pod = top.below("pod")
    return Record(
        container_id=top.text("containerID"),
        netns=top.convert("netns", _path),
        inode=top.number("inode", 0, 1 << 64),
        namespace=pod.text("namespace"),
        name=pod.text("name"),
        uid=pod.text("uid"),
        attachments=tuple(_attachment(r) for r in top.each("attachments")),
        displaced=tuple(_displaced(r) for r in top.each("displaced")),
        applied=frozenset(_key(r) for r in top.each("applied")),
    )


def _path(text: str) -> str:
    """Empty, or what a system call takes for a path: anything else would be a mistake later."""
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pass
    else:
        if "\0" not in text:
            return text
    raise ValueError(f"{text!r} is not a path")


def _attachment(reader: Reader) -> Attachment:
    rules, problems = parse_rules(reader.get("routes"), f"{reader.path}.routes", "")
    if problems:
        raise BadValue(f"{problems[0].path}: {problems[0].message}")
    # named as in the plugin's configuration, in whatever order the ADDs came
    rules = tuple(rule._replace(path=f"routes[{index}]") for index, rule in enumerate(rules))
    gateways = tuple(r.as_value(Address.parse) for r in reader.each("gateways"))
    return Attachment(reader.text("network"), reader.text("ifname"), gateways, rules)


def _displaced(reader: Reader) -> Displaced:
    route = _route(reader.below("route"))
    devs = tuple(r.as_text() for r in reader.each("devs"))
    if len(devs) != len(route.hops):
        raise BadValue(f"{reader.path}.devs: {len(devs)} names for {len(route.hops)} hops")
    return Displaced(route, devs, tuple(_route(r) for r in reader.each("behind")))


def _key(reader: Reader) -> Key:
    return Key(
        reader.convert(0, Prefix.parse),
        reader.number(1, 0, 1 << 32),
        reader.number(2, 0, 256),
        reader.number(3, 0, 1 << 32),
    )


def _route(reader: Reader) -> KernelRoute:
    key = Key(
        reader.convert("dst", Prefix.parse),
        reader.number("metric", 0, 1 << 32),
        reader.number("tos", 0, 256),
        reader.number("table", 0, 1 << 32),
    )
    return KernelRoute(
        key,
        hops=tuple(_hop(r) for r in reader.each("hops")),
        protocol=reader.number("protocol", 0, 256),
        scope=reader.number("scope", 0, 256),
        type=reader.number("type", 0, 256),
        src=_optional_address(reader, "src"),
        mtu=reader.number("mtu", 0, 1 << 32),
        nexthop_id=reader.number("nexthopID", 0, 1 << 32),
        metrics=_opaque(reader, "metrics"),
        extra=_opaque(reader, "extra"),
    )


def _hop(reader: Reader) -> Hop:
    return Hop(
        dev=reader.number("dev", 0, 1 << 31),
        via=_optional_address(reader, "via"),
        weight=reader.number("weight", 1, 257),
        onlink=reader.flag("onlink"),
        extra=_opaque(reader, "extra"),
    )


def _optional_address(reader: Reader, name: str) -> Address | None:
    return reader.convert(name, Address.parse) if reader.text(name) else None


def _opaque(reader: Reader, name: str) -> tuple[tuple[int, bytes], ...]:
    return tuple(
        (pair.number(0, 0, 1 << 16), pair.convert(1, _from_hex)) for pair in reader.each(name)
    )


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{text!r} is not bytes in hexadecimal") from None


__all__ = [
    "Attachment",
    "Displaced",
    "Record",
    "from_json",
    "rule_entry",
    "to_json",
]
