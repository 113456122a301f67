"""For which pods a Route is: a table, and that what is not known never gives a route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.filter import Decision, decide, matches
from cni_route.model import (
    Filter,
    LabelExpression,
    Namespace,
    OwnerReference,
    Pod,
    Route,
    Rule,
    Selector,
    Workload,
)
from cni_route.resolve import resolve, shape_of
from cni_route.shape import Nic, Terms
from cni_route.view import build
from tests.cases.filters import FILTER_CASES, KNOWN, FilterCase
from tests.unit.pods import rule


def test_the_table_is_not_empty() -> None:
    assert len(FILTER_CASES) >= 110


@pytest.mark.parametrize("case", FILTER_CASES, ids=[case.text for case in FILTER_CASES])
def test_what_a_filter_decides(case: FilterCase) -> None:
    assert decide(case.filter, case.pod, KNOWN) == Decision(case.answer, case.reason)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", FILTER_CASES, ids=[case.text for case in FILTER_CASES])
def test_only_yes_gives_a_route(case: FilterCase) -> None:
    """And the verdict of the others says why."""
    wanted: Rule = rule("10.9.0.0/16")
    view = build(
        [Route("demo", (wanted,), filter=case.filter)],
        [],
        [case.pod],
        KNOWN.namespaces.values(),
        KNOWN.workloads.values(),
    )
    nics = (("eth1", Nic(3, True, True, True)),)
    found = resolve(view, shape_of(view, case.pod, nics, Terms()))
    ((verdict,),) = found.said.values()
    expected = {
        "yes": ("applied", "", ""),
        "no": ("filtered", "Filtered", case.reason),
        "unknown": ("deferred", "NotKnownYet", f"not known yet: {case.reason}"),
    }
    assert (verdict.outcome, verdict.code, verdict.reason) == expected[case.answer]
    assert bool(found.wanted) == (case.answer == "yes")


# ---------------------------------------------------------------- at random, and restated

NAMES = st.sampled_from(["a", "b", "c"])
KINDS = st.sampled_from(
    ["Pod", "Namespace", "Deployment", "ReplicaSet", "StatefulSet", "Job", "CronJob"]
)
labels = st.dictionaries(NAMES, NAMES, max_size=2).map(lambda found: tuple(found.items()))
expressions = st.one_of(
    st.builds(LabelExpression, NAMES, st.sampled_from(["Exists", "DoesNotExist"]), st.just(())),
    st.builds(
        LabelExpression,
        NAMES,
        st.sampled_from(["In", "NotIn"]),
        st.lists(NAMES, min_size=1, max_size=2).map(tuple),
    ),
)
maybe_a_name = st.one_of(st.none(), NAMES)
maybe_labels = st.one_of(st.none(), st.lists(expressions, max_size=2).map(tuple))
selectors = st.builds(Selector, KINDS, maybe_a_name, maybe_a_name, maybe_labels)
filters = st.builds(
    Filter,
    st.lists(selectors, max_size=3).map(tuple),
    st.lists(selectors, max_size=2).map(tuple),
)
OWNERS = ("ReplicaSet", "StatefulSet", "Job")
ABOVE = {"ReplicaSet": "Deployment", "Job": "CronJob"}


class World(NamedTuple):
    """Everything there is to know about one pod."""

    pod: Pod
    namespace: Namespace
    workloads: Mapping[tuple[str, str, str], Workload]

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        return {self.namespace.name: self.namespace} if self.namespace.name else {}


@st.composite
def worlds(draw: st.DrawFn) -> World:
    namespace, pod_labels = draw(NAMES), draw(labels)
    owners = []
    workloads = {}
    for kind in draw(st.lists(st.sampled_from(OWNERS), max_size=2, unique=True)):
        name = draw(NAMES)
        owners.append(OwnerReference(kind, name, ""))
        above: tuple[OwnerReference, ...] = ()
        if kind in ABOVE and draw(st.booleans()):
            above = (OwnerReference(ABOVE[kind], draw(NAMES), ""),)
        workloads[kind, namespace, name] = Workload(kind, namespace, name, "", above)
    pod = Pod(namespace, draw(NAMES), "u", pod_labels, tuple(owners))
    return World(pod, Namespace(namespace, draw(labels)), workloads)


def names(selector: Selector, world: World) -> bool:
    """A selector restated: a set of all that the pod is, and a row of demands."""
    pod = world.pod
    found = {("Pod", pod.name), ("Namespace", pod.namespace)}
    for owner in pod.owners or ():
        found.add((owner.kind, owner.name))
        workload = world.workloads[owner.kind, pod.namespace, owner.name]
        found |= {(above.kind, above.name) for above in workload.owners}
    about = dict((world.namespace if selector.kind == "Namespace" else pod).labels or ())
    return (
        any(kind == selector.kind and selector.name in (None, name) for kind, name in found)
        and selector.namespace in (None, pod.namespace)
        and all(holds(expression, about) for expression in selector.labels or ())
    )


def holds(expression: LabelExpression, about: Mapping[str, str]) -> bool:
    has = expression.key in about
    listed = has and about[expression.key] in expression.values
    return {"In": listed, "NotIn": not listed, "Exists": has, "DoesNotExist": not has}[
        expression.operator
    ]


@given(filters, worlds())
def test_where_all_is_known_it_is_any_include_and_no_exclude(chosen: Filter, world: World) -> None:
    included = not chosen.include or any(names(s, world) for s in chosen.include)
    excluded = any(names(s, world) for s in chosen.exclude)
    answer = decide(chosen, world.pod, world).answer
    assert answer == ("yes" if included and not excluded else "no")


@given(filters, worlds(), st.data())
def test_what_becomes_known_later_never_proves_a_decision_wrong(
    chosen: Filter, world: World, data: st.DataObject
) -> None:
    """Unknown is the only answer that may change, and it gives no route."""
    pod = world.pod
    if data.draw(st.booleans(), "labels unknown"):
        pod = pod._replace(labels=None)
    if data.draw(st.booleans(), "owners unknown"):
        pod = pod._replace(owners=None)
    namespace = world.namespace
    if data.draw(st.booleans(), "namespace unknown"):
        namespace = Namespace("")
    kept = {
        key: w for key, w in world.workloads.items() if data.draw(st.booleans(), f"{key} known")
    }
    now = decide(chosen, pod, World(pod, namespace, kept))
    later = decide(chosen, world.pod, world)
    assert later.answer != "unknown"
    assert now.answer in ("unknown", later.answer)
    assert bool(now.reason) == (now.answer != "yes")


@given(filters, selectors, worlds(), st.booleans())
def test_one_exclude_more_never_gives_a_route(
    chosen: Filter, more: Selector, world: World, labelled: bool
) -> None:
    pod = world.pod if labelled else world.pod._replace(labels=None)
    wider = decide(chosen, pod, world)
    narrower = decide(chosen._replace(exclude=(*chosen.exclude, more)), pod, world)
    if narrower.answer == "yes":
        assert wider.answer == "yes"
    if matches(more, pod, world).answer == "yes":
        assert narrower.answer == "no"


@given(filters, selectors, worlds(), st.booleans())
def test_one_include_more_never_takes_a_route(
    chosen: Filter, more: Selector, world: World, labelled: bool
) -> None:
    pod = world.pod if labelled else world.pod._replace(labels=None)
    if chosen.include and decide(chosen, pod, world).answer == "yes":
        wider = chosen._replace(include=(*chosen.include, more))
        assert decide(wider, pod, world).answer == "yes"
