"""The entries of `route`, `svc` and `rules`: one mapping, one Rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from cni_route.address import AF_INET, AF_INET6, DEFAULT4, DEFAULT6, Address, HostBitsSet, Prefix
from cni_route.document_fields import (
    Reader,
    Report,
    Wrong,
    boolean,
    describe,
    integer,
    join,
    quote,
    read_mapping,
    text,
)
from cni_route.document_names import device, is_label, label_name
from cni_route.model import Problem, Rule, key_of

__all__ = ["NETWORKS", "SERVICES", "SHORT", "Entry", "Form", "read_rules"]

# The metrics above are those of backups: 0xFF000000 + (metric << 8) + protocol.
MAX_METRIC = 0xFEFFFFFF
MIN_MTU = 68  # IPv4's smallest, RFC 791
MIN_MTU6 = 1280  # IPv6's smallest, RFC 8200
MAX_MTU = 65520  # fib_convert_metrics cuts RTAX_MTU at 65535 - 15


class Form(NamedTuple):
    """How entries of one list are written: their readers, and an example for errors."""

    readers: Mapping[str, Reader]
    example: str


class Entry(NamedTuple):
    """One entry as it stands in a document."""

    value: object
    path: str  # in the document, for errors: "items[1].spec.route[2]"
    name: str  # in the Route, for the rule: "spec.route[2]"
    form: Form
    document: int | None = None


def _destination(value: object) -> Prefix:
    """A CIDR, `default`, `default6` or a bare address."""
    written = text(value)
    if written == "default":
        return DEFAULT4
    if written == "default6":
        return DEFAULT6
    if not written:
        raise Wrong("is empty; write a CIDR like 172.16.0.0/16, or default")
    try:
        prefix = Prefix.parse(written)
    except HostBitsSet as error:
        raise Wrong(f"{quote(written)} has host bits set; did you mean {error.masked}?") from None
    except ValueError:
        raise Wrong(_not_a_prefix(written)) from None
    for refused, what in _REFUSED:
        if prefix.length >= refused.length and refused.contains(prefix.address):
            raise Wrong(f"{quote(written)} {what}; leave the entry out")
    if prefix in _UNSPECIFIED:
        default = "default" if prefix.family == AF_INET else "default6"
        raise Wrong(f"{quote(written)} is no destination; did you mean {default}?")
    if _is_mapped(prefix.address) and prefix.length >= 96:
        raise Wrong(f"{quote(written)} is an IPv4 network in IPv6 notation; write it as IPv4")
    return prefix


_REFUSED = (
    (Prefix.parse("fe80::/10"), "is link-local (fe80::/10): the kernel's own, on every NIC"),
    (Prefix.parse("ff00::/8"), "is multicast (ff00::/8), which rules do not serve"),
    (Prefix.parse("224.0.0.0/4"), "is multicast (224.0.0.0/4), which rules do not serve"),
    (Prefix.parse("127.0.0.0/8"), "is the loopback (127.0.0.0/8): the pod itself"),
    (Prefix.parse("::1"), "is the loopback (::1): the pod itself"),
)
_UNSPECIFIED = (Prefix.parse("0.0.0.0"), Prefix.parse("::"))


def _not_a_prefix(written: str) -> str:
    head = written.partition("/")[0]
    try:
        bits = Address.parse(head).bits
    except ValueError:
        return (
            f"{quote(written)} is not a CIDR or an IP address; "
            "write it like 172.16.0.0/16, or default"
        )
    return f"{quote(written)} is not a CIDR; write a number from 0 to {bits} after the '/'"


def _is_mapped(address: Address) -> bool:
    return len(address) == 16 and address.startswith(b"\0" * 10 + b"\xff\xff")


def _unicast(value: object, example: str) -> Address | None:
    written = text(value)
    if not written:
        return None
    try:
        address = Address.parse(written)
    except ValueError:
        raise Wrong(f"{quote(written)} is not an IP address; write it like {example}") from None
    what = _never_a_hop(address)
    if what:
        raise Wrong(f"{quote(written)} is {what}; write one of a host, like {example}")
    return address


def _never_a_hop(address: Address) -> str:
    if _is_mapped(address):
        return "an IPv4 address in IPv6 notation"
    if not any(address):
        return "the unspecified address"
    if (address[0] & 0xF0 == 0xE0) if len(address) == 4 else address[0] == 0xFF:
        return "a multicast address"
    if address[0] == 127 if len(address) == 4 else address == _REFUSED[4][0].address:
        return "a loopback address"
    return ""


def _gateway(value: object) -> Address | Literal["auto"] | None:
    if isinstance(value, str) and value.strip() == "auto":
        return "auto"
    return _unicast(value, "10.124.2.1, or auto")


def _source(value: object) -> Address | None:
    return _unicast(value, "10.124.2.7")


def _metric(value: object) -> int:
    return integer(value, 0, MAX_METRIC)


def _mtu(value: object) -> int:
    return integer(value, MIN_MTU, MAX_MTU)


def _service(value: object) -> tuple[str, str]:
    written = text(value)
    namespace, slash, name = written.partition("/")
    if slash and is_label(namespace) and is_label(name):
        return namespace, name
    raise Wrong(
        f"{quote(written)} does not name a Service; write namespace/name, like default/nginx"
    )


_COMMON: dict[str, Reader] = {
    "dev": device,
    "via": _gateway,
    "metric": _metric,
    "src": _source,
    "mtu": _mtu,
    "onlink": boolean,
}
NETWORKS = Form({"dst": _destination, **_COMMON}, "{dst: 172.16.0.0/16, dev: eth1}")
SERVICES = Form(
    {"namespace": label_name, "name": label_name, **_COMMON},
    "{namespace: default, name: nginx, dev: eth1}",
)
SHORT = Form(
    {
        "route": _destination,
        "svc": _service,
        "dst": _destination,
        "namespace": label_name,
        "name": label_name,
        **_COMMON,
    },
    "{route: 172.16.0.0/16, dev: eth1} or {svc: default/nginx, dev: eth1}",
)


def read_rules(
    listed: Iterable[Entry], source: str
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """The valid rules, and what is wrong with the other entries; both in the entries' order.

    Two entries that want the same destination with the same metric are both wrong.
    """
    rules: list[tuple[int, Rule]] = []
    problems: list[tuple[int, Problem]] = []
    places = list(listed)
    for index, entry in enumerate(places):
        report = Report(source, entry.document)
        rule = _read(entry, report)
        if rule is not None:
            rules.append((index, rule))
        else:
            problems += [(index, problem) for problem in report.problems]
    twice = _twice(rules)
    for index, message in twice.items():
        entry = places[index]
        problems.append((index, Problem(source, entry.path, message, entry.document)))
    problems.sort(key=lambda found: found[0])
    good = tuple(rule for index, rule in rules if index not in twice)
    return good, tuple(problem for _, problem in problems)


def _twice(rules: list[tuple[int, Rule]]) -> dict[int, str]:
    """Which rules have the same key as another, and the sentence about each."""
    holders: dict[object, list[tuple[int, Rule]]] = {}
    for place in rules:
        rule = place[1]
        key = key_of(rule.dst, rule.metric) if rule.dst else (rule.service, rule.metric or 0)
        holders.setdefault(key, []).append(place)
    if len(holders) == len(rules):
        return {}
    found: dict[int, str] = {}
    for group in holders.values():
        for index, rule in group if len(group) > 1 else ():
            others = " and ".join(other.path for at, other in group if at != index)
            what = str(rule.dst) if rule.dst else "Service " + "/".join(rule.service or ())
            found[index] = (
                f"{what} with this metric stands in {others} too; "
                "keep one of them, or give them different metrics"
            )
    return dict(sorted(found.items()))


def _read(entry: Entry, report: Report) -> Rule | None:
    """One entry as a Rule, or None and what is wrong with it in `report`."""
    data = entry.value
    if not isinstance(data, dict):
        report.add(entry.path, f"must be a mapping like {entry.form.example}, not {describe(data)}")
        return None
    values = read_mapping(data, entry.path, entry.form.readers, report)
    dst, service = _target(data, values, entry, report)
    if "dev" not in values and data.get("dev") is None:
        report.add(join(entry.path, "dev"), "is missing; name the pod's NIC, like eth1")
    if report.problems:
        return None
    _agree(dst, values, entry.path, report)
    if report.problems:
        return None
    get = values.get
    return Rule(
        entry.name,
        values["dev"],
        dst,
        service,
        get("via"),
        get("metric"),
        get("src"),
        get("mtu"),
        get("onlink", False),
    )


def _target(
    data: dict[object, object], values: dict[str, Any], entry: Entry, report: Report
) -> tuple[Prefix | None, tuple[str, str] | None]:
    """The network or Service that an entry is about; what is missing goes into `report`."""
    if entry.form is NETWORKS:
        needed = ["dst"]
    elif entry.form is SERVICES:
        needed = ["namespace", "name"]
    else:
        given = [key for key in _TARGETS if data.get(key) is not None]
        needed = _NEEDED.get(tuple(given), [])
        if not needed:
            what = f"has {' and '.join(given)}" if given else "names no destination"
            report.add(entry.path, f"{what}; write {entry.form.example}")
            return None, None
    for key in needed:
        if data.get(key) is None:
            report.add(join(entry.path, key), f"is missing; write {entry.form.example}")
    service = values.get("svc") or (values.get("namespace", ""), values.get("name", ""))
    dst = values.get("dst") or values.get("route")
    return (dst, None) if dst else (None, service)


_TARGETS = ("route", "svc", "dst", "namespace", "name")
_NEEDED: dict[tuple[str, ...], list[str]] = {
    ("route",): ["route"],
    ("svc",): ["svc"],
    ("dst",): ["dst"],
    ("namespace",): ["namespace", "name"],
    ("name",): ["namespace", "name"],
    ("namespace", "name"): ["namespace", "name"],
}


def _agree(dst: Prefix | None, values: dict[str, Any], path: str, report: Report) -> None:
    """Check what the values of one entry must have in common."""
    via, src = values.get("via"), values.get("src")
    if dst is not None:
        for key, address in (("via", via), ("src", src)):
            if isinstance(address, Address) and address.family != dst.family:
                report.add(
                    join(path, key),
                    f"'{address}' is {_FAMILY[address.family]}, but the destination {dst} is "
                    f"{_FAMILY[dst.family]}; both must be of one family",
                )
        if dst.family == AF_INET6 and values.get("mtu", MIN_MTU6) < MIN_MTU6:
            report.add(
                join(path, "mtu"),
                f"must be from {MIN_MTU6} to {MAX_MTU} for IPv6, not {values['mtu']}",
            )
    if values.get("onlink") and via is None:
        report.add(join(path, "onlink"), "needs a via: it says that the gateway is on the link")


_FAMILY = {AF_INET: "IPv4", AF_INET6: "IPv6"}
