"""Observed, paused, held; and that no way to a resolution leads elsewhere than any other."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.model import Filter, LabelExpression, Pod, Route, Selector
from cni_route.resolve import resolve, shape_of
from cni_route.shape import Nic, Resolution, Terms
from cni_route.view import EMPTY, View, build
from tests.cases import random_views
from tests.cases.random_views import copy_of
from tests.unit.pods import rule
from tests.unit.resolving import (
    APPLIED,
    BOTH,
    EAST,
    ETH0,
    ETH1,
    FIRST,
    POD,
    SECOND,
    WEST,
    beaten,
    found,
    said,
    wanted,
)

OBSERVED = ("observed", "Observed", "the Route's mode is Observe")
LINK_DOWN = ("pending", "LinkDown", "eth1 is down; the route follows when it comes up")
AT_WORK = (
    "pending",
    "ChainAtWork",
    "waits until the CNI chain that makes eth1 has put in its own routes",
)
DOWN = {"eth0": ETH0, "eth1": ETH1._replace(up=False, ipv6=False)}


# ---------------------------------------------------------------- observed and paused


def test_what_is_only_observed_is_not_wanted() -> None:
    resolution = found(build([Route("a", (EAST,), mode="Observe")]))
    assert wanted(resolution) == []
    assert said(resolution) == {"a spec.route[0]": OBSERVED}


def test_an_observer_takes_nothing_from_others() -> None:
    resolution = found(build([FIRST._replace(mode="Observe", priority=9), SECOND]))
    assert wanted(resolution) == ["10.9.0.0/16 via 10.2.0.1 dev eth1"]
    assert said(resolution) == {"a spec.route[0]": OBSERVED, "b spec.route[0]": APPLIED}


def test_an_observer_that_would_lose_says_so() -> None:
    """It is as if it were applied: then another Route would win."""
    resolution = found(build([FIRST, SECOND._replace(mode="Observe")]))
    assert said(resolution) == {"a spec.route[0]": APPLIED, "b spec.route[0]": beaten("Route a")}


def test_two_observers_are_no_rivals() -> None:
    routes = [route._replace(mode="Observe") for route in (FIRST, SECOND)]
    assert set(said(found(build(routes))).values()) == {OBSERVED}


def test_an_observer_says_what_else_would_hinder_it() -> None:
    view = build([Route("a", (EAST, rule("10.8.0.0/16", "eth9")), mode="Observe")])
    resolution = found(view, DOWN)
    assert wanted(resolution) == []
    codes = {v.code for verdicts in resolution.said.values() for v in verdicts}
    assert codes == {"LinkDown", "NoSuchDevice"}


def test_paused_all_that_would_be_applied_is_observed() -> None:
    rules = (EAST, rule("10.8.0.0/16", "eth9"))
    resolution = found(build([Route("a", rules)]), terms=Terms(paused=True))
    codes = {v.code: v.reason for verdicts in resolution.said.values() for v in verdicts}
    assert codes == {"Paused": "the service is paused", "NoSuchDevice": "the pod has no eth9"}


# ---------------------------------------------------------------- held


@pytest.mark.parametrize(
    ("nics", "terms", "verdict"),
    [
        (DOWN, Terms(), LINK_DOWN),
        (DOWN, Terms(paused=True), LINK_DOWN),
        (BOTH, Terms(unfinished=frozenset({"eth1"})), AT_WORK),
        (DOWN, Terms(unfinished=frozenset({"eth1"})), AT_WORK),
    ],
)
def test_a_hindered_winner_keeps_its_destination(
    nics: dict[str, Nic], terms: Terms, verdict: tuple[str, str, str]
) -> None:
    """Nothing is written, nothing given back, and nobody else comes up for a flap's time."""
    view = build([Route("a", (EAST,)), Route("b", (EAST,)), Route("c", (WEST,))])
    resolution = found(view, nics, terms)
    assert wanted(resolution) == ["10.9.0.0/16 held"]
    assert resolution.applied == frozenset()
    assert said(resolution) == {
        "a spec.route[0]": verdict,
        "b spec.route[0]": verdict,
        "c spec.route[0]": beaten("Route a"),
    }


def test_a_link_that_is_down_has_lost_its_ipv6_addresses_but_not_its_claim() -> None:
    resolution = found(build([Route("a", (rule("fd00:9::/48"),))]), DOWN)
    assert wanted(resolution) == ["fd00:9::/48 held"]
    assert said(resolution) == {"a spec.route[0]": LINK_DOWN}


def test_a_loser_by_a_hindered_nic_hinders_nobody() -> None:
    resolution = found(build([FIRST, SECOND]), DOWN)
    assert wanted(resolution) == ["10.9.0.0/16 via 10.1.0.1 dev eth0"]


# ---------------------------------------------------------------- the same by every way


def content(resolution: Resolution) -> tuple[object, object, object]:
    return dict(resolution.wanted), dict(resolution.said), resolution.applied


@given(random_views.views(), random_views.nics, random_views.terms)
def test_step_by_step_comes_to_what_a_fresh_start_comes_to(
    views: list[View], nics: tuple[tuple[str, Nic], ...], terms: Terms
) -> None:
    for old, new in pairwise([EMPTY, *views]):
        for pod in (new.pods.get("u1", random_views.POD), random_views.POD):
            shape = shape_of(new, pod, nics, terms)
            fresh = copy_of(new)
            stepped = resolve(new, shape, old)
            assert content(stepped) == content(resolve(fresh, shape))
            assert stepped.applied == {key for key, route in stepped.wanted.items() if route}


def test_the_same_decisions_of_other_filters_are_others() -> None:
    """Decisions are known by their place: here the filters have changed places, and the labels."""

    def chosen(app: str) -> Filter:
        return Filter((Selector("Pod", labels=(LabelExpression("app", "In", (app,)),)),))

    routes = [Route("a", (EAST,), filter=chosen("a")), Route("b", (WEST,), filter=chosen("b"))]
    old, new = build(routes), build(routes[::-1])
    pods = [POD._replace(labels=(("app", app),)) for app in ("a", "b")]
    nics = tuple(sorted(BOTH.items()))
    shapes = [
        shape_of(view, pod, nics, Terms()) for view, pod in zip((old, new), pods, strict=True)
    ]
    assert shapes[0] == shapes[1]
    assert wanted(resolve(old, shapes[0])) == ["10.9.0.0/16 via 10.2.0.1 dev eth1"]
    assert wanted(resolve(new, shapes[1], old)) == ["10.9.0.0/16 via 10.1.0.1 dev eth0"]


@given(random_views.views(), random_views.nics)
def test_there_and_back_is_where_it_was(
    views: list[View], nics: tuple[tuple[str, Nic], ...]
) -> None:
    first, last = views[0], views[-1]
    shape = shape_of(first, random_views.POD, nics, Terms())
    before = content(resolve(first, shape))
    again = copy_of(first)
    if last.filters == first.filters:
        resolve(last, shape, first)
    assert content(resolve(again, shape, last)) == before


@given(random_views.views(), random_views.nics, random_views.terms)
def test_every_rule_gets_a_verdict_for_each_of_its_destinations(
    views: list[View], nics: tuple[tuple[str, Nic], ...], terms: Terms
) -> None:
    view = views[-1]
    resolution = found(view, dict(nics), terms, random_views.POD)
    told = sorted((v.route, v.path, v.dst) for vs in resolution.said.values() for v in vs)
    groups = [*view.compiled.groups.values()]
    expected = [(c.route, c.rule.path, str(c.key.dst)) for group in groups for c in group]
    expected += [(w.route, w.rule.path, "") for w in view.compiled.waiting]
    expected += [("the plugin's configuration", r.path, str(r.dst)) for r in terms.own_rules]
    assert told == sorted(expected)
    rules = {(route.name, r.path) for route in view.routes.values() for r in route.rules}
    assert rules <= {(route, path) for route, path, _ in told}


# ---------------------------------------------------------------- shared and let go


def view_for(app: str = "web") -> View:
    chosen = Filter((Selector("Pod", labels=(LabelExpression("app", "In", (app,)),)),))
    return build([Route("a", (EAST, rule("10.8.0.0/16"))), Route("b", (WEST,), filter=chosen)])


def test_pods_of_one_shape_share_one_object() -> None:
    view = view_for()
    twins = [Pod("default", f"web-{n}", f"u{n}", (("app", "web"), ("n", str(n)))) for n in range(5)]
    found_for = [found(view, pod=pod) for pod in twins]
    assert all(each is found_for[0] for each in found_for)
    other = found(view, pod=POD._replace(labels=()))
    assert other is not found_for[0]
    assert len(view.resolutions) == 2


@pytest.mark.parametrize(
    ("nics", "terms"),
    [
        ({"eth1": ETH1}, Terms()),
        ({**BOTH, "eth1": ETH1._replace(ifindex=9)}, Terms()),
        ({**BOTH, "eth1": ETH1._replace(up=False)}, Terms()),
        ({**BOTH, "eth1": ETH1._replace(ipv6=False)}, Terms()),
        ({**BOTH, "eth1": ETH1._replace(gateway4=None)}, Terms()),
        (BOTH, Terms(own_rules=(EAST,))),
        (BOTH, Terms(paused=True)),
        (BOTH, Terms(unfinished=frozenset({"eth1"}))),
        (BOTH, Terms(protocol=99)),
    ],
)
def test_pods_that_differ_in_anything_share_nothing(nics: dict[str, Nic], terms: Terms) -> None:
    view = view_for()
    assert found(view) is not found(view, nics, terms)
    assert len(view.resolutions) == 2


def test_what_did_not_change_stays_the_same_object() -> None:
    """25,000 routes are not made anew because one Service moved."""
    old = build([FIRST, Route("c", (rule("10.8.0.0/16"),))])
    new = build([FIRST, Route("c", (rule("10.8.0.0/16", "eth0"),))])
    before = found(old)
    shape = shape_of(new, POD, tuple(sorted(BOTH.items())), Terms())
    after = resolve(new, shape, old)
    (unchanged,) = [key for key in before.wanted if str(key.dst) == "10.9.0.0/16"]
    assert after.wanted[unchanged] is before.wanted[unchanged]
    assert after.said[unchanged] is before.said[unchanged]
    assert after.applied is before.applied
    assert dict(before.wanted) == dict(found(copy_of(old)).wanted)  # was not written to


def test_views_let_go_of_their_forerunners() -> None:
    nics = tuple(sorted(BOTH.items()))
    gone: list[weakref.ref[View]] = []
    old = EMPTY
    for number in range(50):
        new = build([Route("a", (rule(f"10.{number}.0.0/16"),))])
        resolve(new, shape_of(new, POD, nics, Terms()), old)
        new.change_since(old)
        gone.append(weakref.ref(new))
        old = new
    del new
    gc.collect()
    assert [number for number, ref in enumerate(gone) if ref() is not None] == [49]


@given(st.integers(1, 3))
def test_a_view_remembers_only_so_much(over: int) -> None:
    from cni_route.resolve import _MOST_REMEMBERED  # noqa: PLC0415 - a bound, not a way

    view = build([FIRST])
    answers = []
    for index in range(_MOST_REMEMBERED + over):
        answers.append(found(view, {"eth0": ETH0._replace(ifindex=index + 2)}))
    assert len(view.resolutions) <= _MOST_REMEMBERED
    (key,) = answers[0].wanted
    assert [r.wanted[key].hops[0].dev for r in answers if r.wanted[key]] == [  # type: ignore[union-attr]
        index + 2 for index in range(_MOST_REMEMBERED + over)
    ]
