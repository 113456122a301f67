"""The View: one immutable picture of Routes, Services and pods, arranged for resolving. Pure.

Rules are filed under the key of the kernel route they stand for, because all that a pod needs to
decide about a destination is the rules of that key: so a change of one Service costs a pod one
key, however many rules there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from weakref import ref

from cni_route.address import Address, Prefix
from cni_route.document import parse, to_document
from cni_route.model import (
    Filter,
    Key,
    Namespace,
    OwnerReference,
    Pod,
    Route,
    Rule,
    Service,
    Verdict,
    Workload,
    key_of,
)
from cni_route.shape import Resolution, Shape
from cni_route.untrusted import BadValue, Reader

SNAPSHOT_VERSION = 1
READABLE_SNAPSHOTS = (1,)

ALL = Filter()  # every pod

Rank = tuple[int, int, str, str, int]


class Candidate(NamedTuple):
    """A rule with its destination known: what competes for a key. Lower rank wins."""

    rank: Rank
    route: str
    rule: Rule
    key: Key
    filter: Filter
    observe: bool
    applied: Verdict  # the commonest verdict, the same in every pod


class Waiting(NamedTuple):
    """A rule that has no destination (yet): its Service is missing or has no address."""

    route: str
    rule: Rule
    filter: Filter
    verdict: Verdict


class Compiled(NamedTuple):
    """Rules filed by key, each list in rank order; and those that wait for a destination."""

    groups: Mapping[Key, tuple[Candidate, ...]]
    waiting: tuple[Waiting, ...]


class Change(NamedTuple):
    """What differs between two views: keys, waiting rules, and what filters ask about."""

    keys: frozenset[Key]
    waiting: bool
    surroundings: bool


class View:
    """What is known of the cluster at one moment; made by `build`, never changed."""

    def __init__(
        self,
        routes: Mapping[str, Route],
        services: Mapping[tuple[str, str], Service],
        pods: Mapping[str, Pod],
        namespaces: Mapping[str, Namespace],
        workloads: Mapping[tuple[str, str, str], Workload],
    ) -> None:
        self.routes = routes
        self.services = services
        self.pods = pods
        self.namespaces = namespaces
        self.workloads = workloads
        self.compiled = _compile_routes(routes.values(), services)
        # the distinct filters that leave any pod out
        self.filters = tuple(dict.fromkeys(r.filter for r in routes.values() if r.filter != ALL))
        # what resolve came to for each shape of pod: the same answer for all of them
        self.resolutions: dict[Shape, Resolution] = {}
        self._by_name = {(p.namespace, p.name): p for p in pods.values()}
        self._by_hash = {p.config_hash: p for p in pods.values() if p.config_hash}
        # the last answer of `change_since`: all pods of a node ask the same question in a row
        # (weakly, or every view would keep all its forerunners)
        self._change: tuple[ref[View], Change] | None = None

    def find_pod(self, namespace: str, name: str, uid: str) -> Pod | None:
        """The pod with this UID (for a static pod its config hash); without a UID, by its name."""
        if uid:
            return self.pods.get(uid) or self._by_hash.get(uid)
        return self._by_name.get((namespace, name))

    def change_since(self, old: View) -> Change:
        """What differs between `old` and this view."""
        cached = self._change
        if cached is not None and cached[0]() is old:
            return cached[1]
        before, after = old.compiled.groups, self.compiled.groups
        keys = {key for key, group in after.items() if before.get(key) != group}
        keys.update(key for key in before if key not in after)
        change = Change(
            frozenset(keys),
            old.compiled.waiting != self.compiled.waiting,
            (old.namespaces, old.workloads) != (self.namespaces, self.workloads),
        )
        self._change = (ref(old), change)
        return change

    def __repr__(self) -> str:
        return f"<View of {len(self.routes)} Routes, {len(self.services)} Services>"


def build(
    routes: Iterable[Route] = (),
    services: Iterable[Service] = (),
    pods: Iterable[Pod] = (),
    namespaces: Iterable[Namespace] = (),
    workloads: Iterable[Workload] = (),
) -> View:
    """A View of these objects; of two with one name the later stands."""
    return View(
        {r.name: r for r in routes},
        {(s.namespace, s.name): s for s in services},
        {p.uid or f"{p.namespace}/{p.name}": p for p in pods},
        {n.name: n for n in namespaces},
        {(w.kind, w.namespace, w.name): w for w in workloads},
    )


def touched(old: View, new: View) -> frozenset[str] | None:
    """UIDs of the pods that a change may concern; None: perhaps all."""
    change = new.change_since(old)
    if change.keys or change.waiting or change.surroundings:
        return None
    uids = old.pods.keys() | new.pods.keys()
    return frozenset(uid for uid in uids if old.pods.get(uid) != new.pods.get(uid))


# ---------------------------------------------------------------- filing rules by key


def compile_own(rules: Iterable[Rule]) -> Compiled:
    """The rules of a plugin's own configuration: behind every Route's, in their order."""
    none: Mapping[tuple[str, str], Service] = {}
    ranked = [
        ((1, 0, "", "", index), "the plugin's configuration", rule)
        for index, rule in enumerate(rules)
    ]
    return _compile(((rank, name, rule, Filter(), False) for rank, name, rule in ranked), none)


def _compile_routes(
    routes: Iterable[Route], services: Mapping[tuple[str, str], Service]
) -> Compiled:
    # an unknown creation time counts as the newest: '~' sorts behind every digit
    return _compile(
        (
            (
                (0, -route.priority, route.created or "~", route.name, index),
                route.name,
                rule,
                route.filter,
                route.mode == "Observe",
            )
            for route in routes
            for index, rule in enumerate(route.rules)
        ),
        services,
    )


def _compile(
    ranked: Iterable[tuple[Rank, str, Rule, Filter, bool]],
    services: Mapping[tuple[str, str], Service],
) -> Compiled:
    groups: dict[Key, list[Candidate]] = {}
    waiting: list[Waiting] = []
    for rank, route, rule, chosen, observe in ranked:
        keys, lack = _destinations(rule, services)
        for key in keys:
            verdict = Verdict(route, rule.path, "applied", "", "", str(key.dst), rule.dev)
            groups.setdefault(key, []).append(
                Candidate(rank, route, rule, key, chosen, observe, verdict)
            )
        if lack:
            code = "ServiceNotFound" if lack.endswith("does not exist") else "ServiceHasNoAddress"
            verdict = Verdict(route, rule.path, "pending", code, lack, "", rule.dev)
            waiting.append(Waiting(route, rule, chosen, verdict))
    return Compiled({key: tuple(sorted(group)) for key, group in groups.items()}, tuple(waiting))


def _destinations(rule: Rule, services: Mapping[tuple[str, str], Service]) -> tuple[list[Key], str]:
    if rule.dst is not None:
        return [key_of(rule.dst, rule.metric)], ""
    assert rule.service is not None
    name = "/".join(rule.service)
    service = services.get(rule.service)
    if service is None:
        return [], f"Service {name} does not exist"
    if not service.addresses:
        return [], f"Service {name} has no address: {service.without or 'none is assigned yet'}"
    return [key_of(Prefix.host(address), rule.metric) for address in service.addresses], ""


# ---------------------------------------------------------------- the snapshot's body


def to_json(view: View) -> dict[str, object]:
    """The view as plain data, for the snapshot; `from_json` gives it back."""
    return {
        "version": SNAPSHOT_VERSION,
        "routes": [to_document(route) for route in view.routes.values()],
        "services": [
            [s.namespace, s.name, [str(a) for a in s.addresses], s.without]
            for s in view.services.values()
        ],
        "pods": [_pod_json(pod) for pod in view.pods.values()],
        "namespaces": [[n.name, _pairs_json(n.labels)] for n in view.namespaces.values()],
        "workloads": [
            [w.kind, w.namespace, w.name, w.uid, [list(o) for o in w.owners]]
            for w in view.workloads.values()
        ],
    }


def from_json(data: object) -> View:
    """Read what `to_json` wrote, in any readable version; BadValue (a ValueError) for others."""
    top = Reader(data, "")
    version = top.number("version", 0, 1 << 31)
    if version not in READABLE_SNAPSHOTS:
        known = ", ".join(map(str, READABLE_SNAPSHOTS))
        raise BadValue(f"version: {version} is not one that is read here ({known})")
    documents = [reader.data for reader in top.each("routes")]
    parsed = parse(documents, "snapshot")
    if parsed.problems:
        raise BadValue(str(parsed.problems[0]))
    return build(
        parsed.routes,
        [_service(r) for r in top.each("services")],
        [_pod(r) for r in top.each("pods")],
        [Namespace(r.text(0), _pairs(r.each(1))) for r in top.each("namespaces")],
        [
            Workload(r.text(0), r.text(1), r.text(2), r.text(3), _owners(r.each(4)))
            for r in top.each("workloads")
        ],
    )


def _service(reader: Reader) -> Service:
    addresses = tuple(r.as_value(Address.parse) for r in reader.each(2))
    return Service(reader.text(0), reader.text(1), addresses, reader.text(3))


def _pod_json(pod: Pod) -> dict[str, object]:
    return {
        "namespace": pod.namespace,
        "name": pod.name,
        "uid": pod.uid,
        "labels": None if pod.labels is None else _pairs_json(pod.labels),
        "owners": None if pod.owners is None else [list(o) for o in pod.owners],
        "node": pod.node,
        "hostNetwork": pod.host_network,
        "configHash": pod.config_hash,
    }


def _pod(reader: Reader) -> Pod:
    return Pod(
        reader.text("namespace"),
        reader.text("name"),
        reader.text("uid"),
        None if reader.get("labels") is None else _pairs(reader.each("labels")),
        None if reader.get("owners") is None else _owners(reader.each("owners")),
        reader.text("node"),
        reader.flag("hostNetwork"),
        reader.text("configHash"),
    )


def _pairs_json(pairs: tuple[tuple[str, str], ...]) -> list[list[str]]:
    return [[key, value] for key, value in pairs]


def _pairs(readers: list[Reader]) -> tuple[tuple[str, str], ...]:
    return tuple((r.text(0), r.text(1)) for r in readers)


def _owners(readers: list[Reader]) -> tuple[OwnerReference, ...]:
    return tuple(OwnerReference(r.text(0), r.text(1), r.text(2)) for r in readers)


NO_RULES = compile_own(())
EMPTY = build()
