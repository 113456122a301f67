"""The entries of `route`, `svc` and `rules`: one mapping, one Rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.document_fields import Reader, Report, boolean, describe, join, read_mapping
from cni_route.document_names import device, label_name
from cni_route.document_values import (
    MAX_MTU,
    MIN_MTU6,
    destination,
    gateway,
    metric,
    mtu,
    service,
    source_address,
)
from cni_route.model import Problem, Rule, key_of

__all__ = ["NETWORKS", "PLUGIN", "SERVICES", "SHORT", "Entry", "Form", "read_rules"]


class Form(NamedTuple):
    """How the entries of one list are written."""

    targets: tuple[tuple[str, ...], ...]  # the ways to name a destination: keys of one way
    readers: Mapping[str, Reader]
    example: str


class Entry(NamedTuple):
    """One entry as it stands in a document."""

    value: object
    path: str  # in the document, for errors: "items[1].spec.route[2]"
    name: str  # in the Route, for the rule: "spec.route[2]"
    form: Form
    document: int | None = None


_COMMON: dict[str, Reader] = {
    "dev": device,
    "via": gateway,
    "metric": metric,
    "src": source_address,
    "mtu": mtu,
    "onlink": boolean,
}
NETWORKS = Form((("dst",),), {"dst": destination, **_COMMON}, "{dst: 172.16.0.0/16, dev: eth1}")
SERVICES = Form(
    (("namespace", "name"),),
    {"namespace": label_name, "name": label_name, **_COMMON},
    "{namespace: default, name: nginx, dev: eth1}",
)
SHORT = Form(
    (("route",), ("svc",), *NETWORKS.targets, *SERVICES.targets),
    {"route": destination, "svc": service, **NETWORKS.readers, **SERVICES.readers},
    "{route: 172.16.0.0/16, dev: eth1} or {svc: default/nginx, dev: eth1}",
)
PLUGIN = SHORT._replace(example=NETWORKS.example)


def read_rules(
    listed: Iterable[Entry], source: str
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """The valid rules, and what is wrong with the other entries; both in the entries' order.

    Entries that want the same destination with the same metric are all wrong.
    """
    rules: list[tuple[int, Rule]] = []
    problems: list[tuple[int, Problem]] = []
    entries = list(listed)
    for index, entry in enumerate(entries):
        report = Report(source, entry.document)
        rule = _read(entry, report)
        if rule is not None:
            rules.append((index, rule))
        else:
            problems += [(index, problem) for problem in report.problems]
    twice = _twice(rules)
    for index, message in twice.items():
        entry = entries[index]
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
    found: dict[int, str] = {}
    for group in holders.values():
        if len(group) == 1:
            continue
        for index, rule in group:
            others = " and ".join(other.path for at, other in group if at != index)
            what = str(rule.dst) if rule.dst else "Service " + "/".join(rule.service or ())
            metric = "" if rule.metric is None else f" with metric {rule.metric}"
            found[index] = (
                f"{what}{metric} stands in {others} too; keep one, or give them different metrics"
            )
    return found


def _read(entry: Entry, report: Report) -> Rule | None:
    """One entry as a Rule, or None and what is wrong with it in `report`."""
    data = entry.value
    if not isinstance(data, dict):
        report.add(entry.path, f"must be a mapping like {entry.form.example}, not {describe(data)}")
        return None
    values = read_mapping(data, entry.path, entry.form.readers, report)
    _require(data, entry, report)
    if not report.problems:
        _agree(values, entry.path, report)
    if report.problems:
        return None
    get = values.get
    dst = _network(values)
    named = None if dst else get("svc") or (values["namespace"], values["name"])
    return Rule(
        entry.name,
        values["dev"],
        dst,
        named,
        get("via"),
        get("metric"),
        get("src"),
        get("mtu"),
        get("onlink", False),
    )


def _network(values: Mapping[str, Any]) -> Prefix | None:
    return values.get("dst") or values.get("route")


def _require(data: Mapping[object, object], entry: Entry, report: Report) -> None:
    """Report what is missing: a NIC, and one destination."""
    ways = entry.form.targets
    if len(ways) > 1:
        ways = tuple(way for way in ways if any(data.get(key) is not None for key in way))
    if len(ways) == 1:
        for key in ways[0]:
            if data.get(key) is None:
                report.add(join(entry.path, key), f"is missing; write {entry.form.example}")
    elif ways:
        named = " and ".join("/".join(way) for way in ways)
        report.add(entry.path, f"has {named}; keep one, and make another entry of the other")
    else:
        report.add(entry.path, f"names no destination; write {entry.form.example}")
    if data.get("dev") is None:
        report.add(join(entry.path, "dev"), "is missing; name the pod's NIC, like eth1")


def _agree(values: Mapping[str, Any], path: str, report: Report) -> None:
    """Report where valid values of one entry do not fit each other."""
    dst = _network(values)
    if dst is not None:
        family = dst.family
        for key in ("via", "src"):
            address = values.get(key)
            if isinstance(address, Address) and address.family != family:
                report.add(
                    join(path, key),
                    f"'{address}' is {_FAMILY[address.family]}, but the destination {dst} is "
                    f"{_FAMILY[family]}; write both in one family",
                )
        if family == AF_INET6 and values.get("mtu", MIN_MTU6) < MIN_MTU6:
            report.add(
                join(path, "mtu"),
                f"must be from {MIN_MTU6} to {MAX_MTU} for IPv6, not {values['mtu']}",
            )
    if values.get("onlink") and values.get("via") is None:
        report.add(join(path, "onlink"), "needs a via: it says that the gateway is on the link")


_FAMILY = {AF_INET: "IPv4", AF_INET6: "IPv6"}
