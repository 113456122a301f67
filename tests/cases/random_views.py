"""Hypothesis strategies: views that follow each other, as a cluster's life makes them.

Few names and destinations, so that rules meet: in one key, by filters, over one Service.
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cni_route.address import Address, Prefix
from cni_route.model import (
    Filter,
    LabelExpression,
    Namespace,
    OwnerReference,
    Pod,
    Route,
    Rule,
    Selector,
    Service,
    Workload,
)
from cni_route.shape import Nic, Terms
from cni_route.view import View, build

_ADDRESSES = [Address.parse(a) for a in ("10.96.0.1", "10.96.0.2", "fd00:96::1")]
_NETWORKS = [Prefix.parse(p) for p in ("0.0.0.0/0", "10.9.0.0/16", "10.96.0.1", "fd00:9::/48")]
_GATEWAYS = {4: Address.parse("10.2.0.1"), 16: Address.parse("fd00:2::1")}
_LABELS = LabelExpression("app", "In", ("web",)), LabelExpression("tier", "Exists")

POD = Pod("prod", "web-1", "u1")
_SELECTORS = [
    Selector("Pod", labels=(_LABELS[0],)),
    Selector("Pod", labels=(_LABELS[1],)),
    Selector("Pod", namespace="prod"),
    Selector("Namespace", labels=(LabelExpression("env", "In", ("a",)),)),
    Selector("Deployment", name="web"),
]


@st.composite
def network_rules(draw: st.DrawFn) -> Rule:
    dst = draw(st.sampled_from(_NETWORKS))
    gateway: Any = _GATEWAYS[len(dst.address)]
    via = draw(st.sampled_from([None, "auto", gateway]))
    dev = draw(st.sampled_from(["eth0", "eth1", "eth9"]))
    return Rule("", dev, dst, None, via, draw(st.sampled_from([None, None, 7])))


@st.composite
def service_rules(draw: st.DrawFn) -> Rule:
    via: Any = draw(st.sampled_from([None, "auto", *_GATEWAYS.values()]))
    dev = draw(st.sampled_from(["eth0", "eth1"]))
    return Rule("", dev, None, ("prod", draw(st.sampled_from(["s", "t"]))), via)


def _numbered(rules: list[Rule]) -> tuple[Rule, ...]:
    return tuple(rule._replace(path=f"spec.route[{n}]") for n, rule in enumerate(rules))


rules = st.lists(st.one_of(network_rules(), service_rules()), max_size=4).map(_numbered)
filters = st.one_of(
    st.just(Filter()),
    st.builds(
        Filter,
        st.lists(st.sampled_from(_SELECTORS), max_size=2).map(tuple),
        st.lists(st.sampled_from(_SELECTORS), max_size=1).map(tuple),
    ),
)


@st.composite
def _routes(draw: st.DrawFn) -> Route:
    return Route(
        draw(st.sampled_from(["a", "b", "c"])),
        draw(rules),
        created=draw(st.sampled_from(["", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"])),
        priority=draw(st.sampled_from([0, 0, 1])),
        mode=draw(st.sampled_from(["Apply", "Apply", "Apply", "Observe"])),
        filter=draw(filters),
    )


services = st.builds(
    Service,
    st.just("prod"),
    st.sampled_from(["s", "t"]),
    st.lists(st.sampled_from(_ADDRESSES), max_size=2, unique=True).map(tuple),
    st.just("headless"),
)
pods = st.builds(
    POD._replace,
    labels=st.one_of(
        st.none(), st.sets(st.sampled_from([("app", "web"), ("tier", "x")])).map(sorted).map(tuple)
    ),
    owners=st.sampled_from([None, (), (OwnerReference("ReplicaSet", "web-7d", ""),)]),
)
namespaces = st.builds(
    Namespace, st.just("prod"), st.sampled_from([(), (("env", "a"),), (("env", "b"),)])
)
workloads = st.builds(
    Workload,
    st.just("ReplicaSet"),
    st.just("prod"),
    st.just("web-7d"),
    owners=st.sampled_from([(), (OwnerReference("Deployment", "web", ""),)]),
)
PARTS = {
    "routes": st.lists(_routes(), max_size=3, unique_by=lambda route: route.name),
    "services": st.lists(services, max_size=2, unique_by=lambda service: service.name),
    "pods": st.lists(pods, max_size=1),
    "namespaces": st.lists(namespaces, max_size=1),
    "workloads": st.lists(workloads, max_size=1),
}


@st.composite
def _changes(draw: st.DrawFn) -> dict[str, Any]:
    """Which parts are others than before; sometimes only their order is."""
    chosen = draw(st.lists(st.sampled_from(sorted(PARTS)), min_size=1, max_size=2, unique=True))
    found: dict[str, Any] = {name: draw(PARTS[name]) for name in chosen}
    if draw(st.integers(0, 4)) == 0:
        found["routes"] = "reversed"
    return found


@st.composite
def views(draw: st.DrawFn) -> list[View]:
    """Views that follow each other, each by a change or two of the one before."""
    parts: dict[str, Any] = {name: draw(strategy) for name, strategy in PARTS.items()}
    found = [build(**parts)]
    for change in draw(st.lists(_changes(), min_size=1, max_size=5)):
        if change.get("routes") == "reversed":
            change["routes"] = parts["routes"][::-1]
        parts.update(change)
        found.append(build(**parts))
    return found


def copy_of(view: View) -> View:
    """The same objects in a view that has resolved nothing yet."""
    return build(
        view.routes.values(),
        view.services.values(),
        view.pods.values(),
        view.namespaces.values(),
        view.workloads.values(),
    )


_nic = st.builds(
    Nic,
    st.integers(2, 3),
    st.sampled_from([True, True, False]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, _GATEWAYS[4]]),
    st.sampled_from([None, _GATEWAYS[16]]),
)
nics = st.dictionaries(st.sampled_from(["eth0", "eth1"]), _nic).map(
    lambda found: tuple(sorted(found.items()))
)
terms = st.builds(
    Terms,
    st.lists(network_rules(), max_size=2).map(
        lambda found: tuple(r._replace(path=f"routes[{n}]") for n, r in enumerate(found))
    ),
    st.sampled_from([False, False, True]),
    st.sampled_from([frozenset(), frozenset(), frozenset({"eth1"})]),
    st.just(114),
)
