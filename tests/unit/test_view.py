"""The picture of the cluster: what it finds, what it says has changed, and its snapshot."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.address import Address
from cni_route.model import (
    Filter,
    Namespace,
    OwnerReference,
    Pod,
    Problem,
    Route,
    Selector,
    Service,
    Workload,
)
from cni_route.resolve import resolve, shape_of
from cni_route.shape import Nic, Terms
from cni_route.untrusted import BadValue
from cni_route.view import EMPTY, View, build, from_json, to_json, touched
from tests.cases import random_views
from tests.cases.random_routes import hosts, routes
from tests.cases.records import SNAPSHOT, WRONG_BODIES, Wrong
from tests.unit.pods import rule, svc

# ---------------------------------------------------------------- finding a pod

LIVE = Pod("default", "web", "u1", ())
STATIC = Pod("kube-system", "proxy-n1", "u2", (), config_hash="c0ffee")
NAMED = Pod("default", "plain", "", ())
PODS = build(pods=[LIVE, STATIC, NAMED])


@pytest.mark.parametrize(
    ("namespace", "name", "uid", "expected"),
    [
        ("default", "web", "u1", LIVE),
        ("default", "web", "", LIVE),
        # the UID alone decides: a pod made again under its name is another one
        ("default", "web", "u0", None),
        ("other", "renamed", "u1", LIVE),
        ("other", "web", "", None),
        ("default", "we", "", None),
        # a static pod's UID in CNI_ARGS is its configuration's hash
        ("kube-system", "proxy-n1", "c0ffee", STATIC),
        ("kube-system", "proxy-n1", "u2", STATIC),
        ("kube-system", "proxy-n1", "decaf", None),
        # one of a folder may have no UID
        ("default", "plain", "", NAMED),
        ("default", "plain", "u9", None),
        ("", "", "", None),
    ],
)
def test_which_pod_it_is(namespace: str, name: str, uid: str, expected: Pod | None) -> None:
    assert PODS.find_pod(namespace, name, uid) is expected


def test_of_two_with_one_name_the_later_stands() -> None:
    old, new = Route("a", (rule("10.8.0.0/16"),)), Route("a", (rule("10.9.0.0/16"),))
    assert build([old, new]).routes == {"a": new}
    services = [Service("default", "s"), Service("default", "s", (), "headless")]
    assert build(services=services).services == {("default", "s"): services[1]}
    again = LIVE._replace(labels=(("a", "b"),))
    assert build(pods=[LIVE, again]).pods == {"u1": again}


def test_pods_of_one_name_and_two_uids_are_both_known() -> None:
    """While one goes and the next one comes."""
    again = LIVE._replace(uid="u7")
    view = build(pods=[LIVE, again])
    assert view.find_pod("default", "web", "u1") == LIVE
    assert view.find_pod("default", "web", "u7") == again
    assert view.find_pod("default", "web", "") == again


def test_it_says_how_much_it_holds() -> None:
    assert repr(SNAPSHOT) == "<View of 1 Routes, 2 Services>"
    assert repr(EMPTY) == "<View of 0 Routes, 0 Services>"


# ---------------------------------------------------------------- what has changed

BASE = build(
    [Route("a", (rule("10.9.0.0/16"), svc("nginx")))],
    [Service("default", "nginx", (Address.parse("10.96.0.10"),))],
    [LIVE, STATIC],
    [Namespace("default")],
    [Workload("ReplicaSet", "default", "web-7d")],
)


def changed(**parts: object) -> View:
    """BASE but for these parts."""
    whole: dict[str, object] = {
        name: list(getattr(BASE, name).values())
        for name in ("routes", "services", "pods", "namespaces", "workloads")
    }
    return build(**{**whole, **parts})  # type: ignore[arg-type]


THE_ROUTE = BASE.routes["a"]


@pytest.mark.parametrize(
    ("new", "uids"),
    [
        (changed(), frozenset()),
        (changed(pods=[LIVE]), {"u2"}),
        (changed(pods=[LIVE, STATIC, Pod("default", "new", "u3")]), {"u3"}),
        (changed(pods=[LIVE._replace(labels=(("a", "b"),)), STATIC]), {"u1"}),
        (changed(pods=[LIVE._replace(node="n2"), STATIC._replace(owners=())]), {"u1", "u2"}),
        (changed(services=[*BASE.services.values(), Service("default", "unasked")]), frozenset()),
        (changed(routes=[THE_ROUTE, Route("b")]), frozenset()),
        (changed(routes=[THE_ROUTE._replace(generation=7, uid="x", problems=())]), frozenset()),
        (changed(services=[]), None),
        (changed(services=[Service("default", "nginx", (Address.parse("10.96.0.11"),))]), None),
        (changed(routes=[]), None),
        (changed(routes=[THE_ROUTE, Route("b", (rule("10.8.0.0/16"),))]), None),
        (changed(routes=[THE_ROUTE, Route("b", (svc("gone"),))]), None),
        (changed(routes=[THE_ROUTE._replace(mode="Observe")]), None),
        (changed(routes=[THE_ROUTE._replace(priority=1)]), None),
        (changed(routes=[THE_ROUTE._replace(filter=Filter((Selector("Pod"),)))]), None),
        (changed(routes=[THE_ROUTE._replace(rules=THE_ROUTE.rules[::-1])]), None),
        (changed(namespaces=[Namespace("default", (("env", "a"),))]), None),
        (changed(workloads=[]), None),
    ],
    ids=[
        *("nothing", "pod-gone", "pod-new", "labels", "two-pods", "unasked-service"),
        *("route-without-rules", "generation", "service-gone", "service-moved", "route-gone"),
        *("route-new", "route-waiting", "mode", "priority", "filter", "order", "namespace"),
        "workload",
    ],
)
def test_whom_a_change_may_touch(new: View, uids: set[str] | None) -> None:
    assert touched(BASE, new) == uids
    assert touched(new, BASE) == uids


@given(random_views.views(), random_views.nics)
def test_whoever_is_not_touched_has_what_it_had(
    views: list[View], nics: tuple[tuple[str, Nic], ...]
) -> None:
    pod = random_views.POD
    for old, new in pairwise([EMPTY, *views]):
        uids = touched(old, new)
        if uids is None or pod.uid in uids:
            continue
        # the generation of a Route, or its name alone, changes nothing for a pod
        before, after = (
            resolve(view, shape_of(view, view.pods.get(pod.uid, pod), nics, Terms()))
            for view in (old, new)
        )
        assert (before.wanted, before.said) == (after.wanted, after.said)


@given(random_views.views())
def test_the_keys_of_a_change_are_those_whose_candidates_changed(views: list[View]) -> None:
    for old, new in pairwise([EMPTY, *views]):
        groups = (old.compiled.groups, new.compiled.groups)
        keys = {
            k for k in groups[0].keys() | groups[1].keys() if groups[0].get(k) != groups[1].get(k)
        }
        change = new.change_since(old)
        assert change.keys == keys
        assert change.waiting == (old.compiled.waiting != new.compiled.waiting)
        assert new.change_since(old) is change
        assert old.change_since(new).keys == keys


def test_a_question_about_another_forerunner_gets_its_own_answer() -> None:
    a, b = build([Route("a", (rule("10.9.0.0/16"),))]), build([Route("a", (rule("10.8.0.0/16"),))])
    assert len(b.change_since(a).keys) == 2
    assert len(b.change_since(EMPTY).keys) == 1
    assert len(b.change_since(a).keys) == 2
    assert b.change_since(b).keys == frozenset()


# ---------------------------------------------------------------- the snapshot's body


@pytest.mark.parametrize("case", WRONG_BODIES, ids=[case.id for case in WRONG_BODIES])
def test_a_wrong_body_is_refused_in_one_sentence(case: Wrong) -> None:
    with pytest.raises(BadValue) as caught:
        from_json(json.loads(case.data))
    assert str(caught.value) == case.sentence


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (5, "snapshot[1]: the document must be a mapping or a list, not the number 5"),
        (
            {"kind": "Route"},
            "snapshot[1]: apiVersion: must be k8s.ovn.org/v1 for a Route, not null",
        ),
    ],
)
def test_a_document_that_is_none_is_refused(document: object, sentence: str) -> None:
    body = to_json(SNAPSHOT)
    routes_of = body["routes"]
    assert isinstance(routes_of, list)
    with pytest.raises(BadValue) as caught:
        from_json({**body, "routes": [document, *routes_of]})
    assert str(caught.value) == sentence


def test_a_wrong_rule_in_a_snapshot_is_that_routes_problem() -> None:
    """Others apply: one bad rule never takes the others down."""
    body = to_json(SNAPSHOT)
    body["routes"] = [
        {
            "apiVersion": "k8s.ovn.org/v1",
            "kind": "Route",
            "metadata": {"name": "demo"},
            "spec": {
                "route": [
                    {"dst": "10.9.0.1/16", "dev": "eth1"},
                    {"dst": "10.8.0.0/16", "dev": "eth1"},
                ]
            },
        }
    ]
    (route,) = from_json(body).routes.values()
    assert [str(r.dst) for r in route.rules] == ["10.8.0.0/16"]
    assert route.problems == (
        Problem(
            "snapshot",
            "spec.route[0].dst",
            "'10.9.0.1/16' has host bits set; did you mean 10.9.0.0/16?",
        ),
    )


def same(left: View, right: View) -> bool:
    """Whether two views hold the same objects, and file them alike."""
    parts = ("routes", "services", "pods", "namespaces", "workloads", "filters", "compiled")
    return all(getattr(left, part) == getattr(right, part) for part in parts)


TEXT = st.text(st.characters(), max_size=8)  # lone surrogates among it
pairs = st.dictionaries(TEXT, TEXT, max_size=2).map(lambda found: tuple(found.items()))
owners = st.lists(st.builds(OwnerReference, TEXT, TEXT, TEXT), max_size=2).map(tuple)
pods = st.builds(
    Pod,
    TEXT,
    TEXT,
    TEXT,
    st.one_of(st.none(), pairs),
    st.one_of(st.none(), owners),
    TEXT,
    st.booleans(),
    TEXT,
)
services = st.builds(
    Service, TEXT, TEXT, st.lists(st.one_of(hosts(4), hosts(16)), max_size=2).map(tuple), TEXT
)
whole_views = st.builds(
    build,
    st.lists(routes("snapshot"), max_size=3),
    st.lists(services, max_size=3),
    st.lists(pods, max_size=3),
    st.lists(st.builds(Namespace, TEXT, pairs), max_size=3),
    st.lists(st.builds(Workload, TEXT, TEXT, TEXT, TEXT, owners), max_size=3),
)


@given(whole_views)
def test_a_view_comes_back_from_its_json(view: View) -> None:
    assert same(from_json(json.loads(json.dumps(to_json(view), allow_nan=False))), view)


def test_a_snapshot_that_is_there_today_is_read_for_ever() -> None:
    """What version 1 looks like; whoever changes it makes version 2 and keeps reading this."""
    data = {
        "version": 1,
        "routes": [
            {
                "apiVersion": "k8s.ovn.org/v1",
                "kind": "Route",
                "metadata": {"name": "demo", "uid": "u1", "generation": 3},
                "spec": {"route": [{"dst": "10.9.0.0/16", "dev": "eth1"}]},
            }
        ],
        "services": [["default", "nginx", ["10.96.0.10"], ""], ["a", "b", [], "headless"]],
        "pods": [
            {
                "namespace": "default",
                "name": "web",
                "uid": "5b1e",
                "labels": [["app", "web"]],
                "owners": [["ReplicaSet", "web-7d4b9", "u2"]],
                "node": "node-1",
                "hostNetwork": False,
                "configHash": "",
            },
            {
                "namespace": "kube-system",
                "name": "proxy",
                "uid": "77",
                "labels": None,
                "owners": None,
                "node": "node-1",
                "hostNetwork": True,
                "configHash": "c0ffee",
            },
        ],
        "namespaces": [["default", [["tier", "front"]]]],
        "workloads": [["ReplicaSet", "default", "web-7d4b9", "u2", [["Deployment", "web", ""]]]],
    }
    assert to_json(SNAPSHOT) == data
    again = from_json(data)
    assert again.routes == {
        name: route._replace(source="snapshot") for name, route in SNAPSHOT.routes.items()
    }
    assert (again.services, again.pods) == (SNAPSHOT.services, SNAPSHOT.pods)
    assert (again.namespaces, again.workloads) == (SNAPSHOT.namespaces, SNAPSHOT.workloads)


def test_nothing_at_all_is_a_snapshot_too() -> None:
    assert same(from_json(to_json(EMPTY)), EMPTY)
