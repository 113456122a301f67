"""What is remembered between passes, and that it never differs from what a fresh look would say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.address import Address, Prefix
from cni_route.memory import Marks, Memory, bound_shadow, named_shadow
from cni_route.model import (
    Filter,
    Hop,
    KernelRoute,
    LabelExpression,
    Link,
    Pod,
    Route,
    Selector,
    key_of,
)
from cni_route.record import Attachment, Displaced, Record
from cni_route.refused import Meaning
from cni_route.shape import Terms
from cni_route.view import EMPTY, View, build
from tests.cases import random_views
from tests.cases.random_views import copy_of
from tests.fakes.fake_kernel import FakeKernel
from tests.fakes.namespace import FakeNamespace
from tests.unit.pods import FakePod, rule, view_of

MARKS = Marks(114, 115)
RECORD = Record("pod1", "/netns", 1, "prod", "web-1", "u1")


def namespace() -> tuple[FakeKernel, FakeNamespace]:
    kernel = FakeKernel()
    ns = kernel.make()
    ns.add_link("eth0", "10.1.0.2/24", "fd00:1::2/64")
    ns.add_link("eth1", "10.2.0.2/24", "fd00:2::2/64")
    ns.route("default via 10.1.0.1 dev eth0")
    ns.route("10.8.0.0/16 via 10.2.0.1 dev eth1")
    return kernel, ns


def looked(memory: Memory) -> FakeNamespace:
    """Let it look at a pod with two NICs."""
    kernel, ns = namespace()
    table = kernel.open(ns.descriptor)
    memory.look(table, MARKS)
    table.close()
    return ns


def subject(view: View) -> Pod:
    return view.pods.get("u1", random_views.POD)


# ---------------------------------------------------------------- what differs


@given(random_views.views(), random_views.terms)
def test_no_key_that_differs_is_left_out(views: list[View], terms: Terms) -> None:
    memory = Memory()
    looked(memory)
    for view in (EMPTY, *views):
        before = dict(memory.resolution.wanted)
        changed = memory.resolve(view, subject(view), RECORD, terms)
        after = memory.resolution.wanted
        differing = {k for k in before.keys() | after.keys() if before.get(k, 0) != after.get(k, 0)}
        assert changed is None or changed >= differing
        fresh = Memory()
        looked(fresh)
        fresh.resolve(copy_of(view), subject(view), RECORD, terms)
        assert dict(fresh.wanted()) == dict(memory.wanted())
        assert dict(fresh.verdicts()) == dict(memory.verdicts())
        assert fresh.applied() == memory.applied()
        assert memory.resolve(view, subject(view), RECORD, terms) == frozenset()


def app(name: str) -> Filter:
    return Filter((Selector("Pod", labels=(LabelExpression("app", "In", (name,)),)),))


def test_filters_that_change_places_change_what_they_decide() -> None:
    """The first says yes and the second no, before as after: but they are not the same two."""
    routes = [
        Route("a", (rule("10.9.0.0/16"),), filter=app("a")),
        Route("b", (rule("10.7.0.0/16"),), filter=app("b")),
    ]
    memory = Memory()
    looked(memory)
    pod = random_views.POD._replace(labels=(("app", "a"),))
    memory.resolve(build(routes, pods=[pod]), pod, RECORD, Terms())
    assert [str(key.dst) for key in memory.wanted()] == ["10.9.0.0/16"]
    pod = pod._replace(labels=(("app", "b"),))
    changed = memory.resolve(build(routes[::-1], pods=[pod]), pod, RECORD, Terms())
    assert [str(key.dst) for key in memory.wanted()] == ["10.7.0.0/16"]
    assert changed is None


def test_an_unchanged_view_of_an_unchanged_pod_differs_in_nothing() -> None:
    memory = Memory()
    looked(memory)
    view = view_of(rule("10.9.0.0/16"))
    assert memory.resolve(view, random_views.POD, RECORD, Terms()) is None
    resolution = memory.resolution
    assert memory.resolve(view, random_views.POD, RECORD, Terms()) == frozenset()
    assert memory.resolution is resolution


def test_one_rule_more_is_one_key() -> None:
    memory = Memory()
    looked(memory)
    memory.resolve(view_of(rule("10.9.0.0/16")), random_views.POD, RECORD, Terms())
    two = view_of(rule("10.9.0.0/16"), rule("10.7.0.0/16"))
    changed = memory.resolve(two, random_views.POD, RECORD, Terms())
    assert changed == frozenset({key_of(Prefix.parse("10.7.0.0/16"))})


# ---------------------------------------------------------------- gateways for auto

AUTO = view_of(rule("10.9.0.0/16", "eth0", "auto"), rule("10.7.0.0/16", "eth1", "auto"))
DEFAULT = KernelRoute(
    key_of(Prefix.parse("0.0.0.0/0")), (Hop(2, Address.parse("10.1.0.7")),), protocol=3
)


def gateways(memory: Memory, record: Record) -> dict[str, str]:
    """Which gateway `auto` comes to, by NIC."""
    memory.resolve(copy_of(AUTO), random_views.POD, record, Terms())
    names = {link.ifindex: name for name, link in memory.links.items()}
    hops = [route.hops[0] for route in memory.wanted().values() if route]
    return {names[hop.dev]: str(hop.via) for hop in hops}


def test_a_gateway_comes_from_the_result_or_from_foreign_routes() -> None:
    memory = Memory()
    looked(memory)
    assert gateways(memory, RECORD) == {"eth0": "10.1.0.1", "eth1": "10.2.0.1"}
    told = RECORD._replace(
        attachments=(Attachment("n", "eth1", (Address.parse("10.2.0.9"),)), Attachment("m", "eth0"))
    )
    assert gateways(memory, told) == {"eth0": "10.1.0.1", "eth1": "10.2.0.9"}


def test_our_own_routes_and_copies_are_nobodys_gateway() -> None:
    memory = Memory()
    kernel, ns = namespace()
    ns.route("default via 10.1.0.1 dev eth0", "delete")
    ns.route("10.8.0.0/16 via 10.2.0.1 dev eth1", "delete")
    ns.route("default via 10.1.0.8 dev eth0 proto 114")
    ns.route("default via 10.2.0.8 dev eth1 proto 115 metric 4278190083")
    memory.look(kernel.open(ns.descriptor), MARKS)
    assert gateways(memory, RECORD) == {}


def test_a_displaced_route_still_tells_its_gateway() -> None:
    memory = Memory()
    kernel, ns = namespace()
    ns.route("default via 10.1.0.1 dev eth0", "delete")
    memory.look(kernel.open(ns.descriptor), MARKS)
    record = RECORD._replace(displaced=(Displaced(DEFAULT, ("eth0",)),))
    assert gateways(memory, record) == {"eth0": "10.1.0.7", "eth1": "10.2.0.1"}


def test_also_when_its_nic_was_made_again() -> None:
    """A record names the NIC; the index in it is another one's by now, or nobody's."""
    kernel, ns = namespace()
    ns.remove_link("eth0")
    ns.add_link("eth0", "10.1.0.2/24")
    memory = Memory()
    memory.look(kernel.open(ns.descriptor), MARKS)
    record = RECORD._replace(displaced=(Displaced(DEFAULT, ("eth0",)),))
    assert gateways(memory, record) == {"eth0": "10.1.0.7", "eth1": "10.2.0.1"}


# ---------------------------------------------------------------- the table


def test_a_look_files_routes_and_finds_copies() -> None:
    kernel, ns = namespace()
    ns.route("10.9.0.0/16 dev eth1 proto 114")
    ns.route("default via 10.1.0.1 dev eth0 proto 115 metric 4278190083")
    ns.route("10.7.0.0/16 dev eth1 proto 115")  # no copy of ours: its metric says nothing
    memory = Memory()
    ns.set_down("eth0")
    ns.set_up("eth0")
    ns.add_link("eth2", up=False)
    memory.look(kernel.open(ns.descriptor), MARKS)
    assert memory.up == {link.ifindex for name, link in ns.links().items() if name != "eth2"}
    copies = memory.copies
    assert copies == ()
    ns.route("default via 10.1.0.1 dev eth0 proto 115 metric 4278190083")
    memory.look(kernel.open(ns.descriptor), MARKS)
    assert [str(c.key.dst) for c in memory.copies] == ["0.0.0.0/0"]
    assert [r.protocol for r in memory.table[key_of(Prefix.parse("10.9.0.0/16"))]] == [114]


def test_what_settles_is_taken_over_and_nothing_else_changes() -> None:
    memory = Memory()
    looked(memory)
    before = memory.table
    copy = dict(before)
    (gone,) = [key for key in before if str(key.dst) == "10.8.0.0/16"]
    added = key_of(Prefix.parse("10.9.0.0/16"))
    memory.settle({gone: (), added: (DEFAULT._replace(key=added),)})
    assert memory.table == {
        **{key: routes for key, routes in copy.items() if key != gone},
        added: (DEFAULT._replace(key=added),),
    }
    assert before == copy
    table = memory.table
    memory.settle({})
    assert memory.table is table


def test_pods_share_the_routes_that_they_all_want(tmp_path: Path) -> None:
    view = view_of(rule("10.9.0.0/16"), rule("fd00:9::/48"))
    pods = [FakePod(tmp_path / name) for name in ("a", "b")]
    outcomes = [pod.go(view) for pod in pods for _ in range(2)]
    outcomes += [pod.go(view, fresh=True) for pod in pods]
    first, *others = outcomes
    for key, want in first.wanted_by_key.items():
        for outcome in others:
            assert outcome.wanted_by_key[key] is want
            assert outcome.actual_by_key[key] == (want,)
            assert outcome.actual_by_key[key][0] is want


def test_an_outcome_is_nobodys_to_change(tmp_path: Path) -> None:
    pod = FakePod(tmp_path)
    outcome = pod.go(view_of(rule("10.9.0.0/16"), rule("10.7.0.0/16", via="192.0.2.1")))
    kept = [dict(part) for part in outcome[1:5]]
    pod.ns.set_down("eth1")
    pod.memory.doubt(link_changed=True)
    pod.go(view_of(rule("10.8.0.0/16", "eth0")))
    assert [dict(part) for part in outcome[1:5]] == kept


# ---------------------------------------------------------------- what was refused

NINE, SEVEN = (key_of(Prefix.parse(dst)) for dst in ("10.9.0.0/16", "10.7.0.0/16"))


@pytest.mark.parametrize("passing", [True, False])
def test_what_was_refused_is_not_wanted_now(passing: bool) -> None:
    memory = Memory()
    looked(memory)
    view = view_of(rule("10.9.0.0/16"), rule("10.7.0.0/16"))
    memory.resolve(view, random_views.POD, RECORD, Terms())
    memory.refused = {NINE: Meaning("Refused", "the kernel refuses it", passing)}
    wanted = memory.wanted()
    assert wanted[SEVEN] is not None
    # what may pass by itself keeps its key meanwhile; what will not gives it back
    assert (NINE in wanted) == passing
    assert wanted.get(NINE) is None
    assert memory.applied() == {SEVEN}
    said = {
        key: [(v.outcome, v.code, v.reason) for v in vs] for key, vs in memory.verdicts().items()
    }
    assert said == {
        NINE: [("failed", "Refused", "the kernel refuses it")],
        SEVEN: [("applied", "", "")],
    }
    assert memory.resolution.wanted[NINE] is not None  # shared with other pods


def test_only_who_would_have_had_it_is_told_of_a_refusal() -> None:
    memory = Memory()
    looked(memory)
    routes = [
        Route("a", (rule("10.9.0.0/16"),)),
        Route("b", (rule("10.9.0.0/16", "eth0"),)),
        Route("c", (rule("10.9.0.0/16"),), filter=app("x")),
    ]
    memory.resolve(build(routes), random_views.POD._replace(labels=()), RECORD, Terms())
    memory.refused = {NINE: Meaning("Refused", "no")}
    (verdicts,) = memory.verdicts().values()
    assert [(v.route, v.outcome) for v in verdicts] == [
        ("a", "failed"),
        ("b", "conflict"),
        ("c", "filtered"),
    ]


# ---------------------------------------------------------------- shadow and record

SIX = KernelRoute(key_of(Prefix.parse("::/0")), (Hop(2), Hop(3)), protocol=3)
LINKS = {"eth0": Link(5, "eth0"), "eth1": Link(6, "eth1")}


def test_what_is_displaced_is_bound_to_todays_nics() -> None:
    second = DEFAULT._replace(protocol=4)
    entries = (
        Displaced(DEFAULT, ("eth0",), (second,)),
        Displaced(SIX, ("eth0", "eth9")),
        Displaced(second, ("eth1",)),
    )
    shadow, unbound = bound_shadow(entries, LINKS)
    assert unbound == (entries[1],)
    ((key, shades),) = shadow.items()
    assert key == DEFAULT.key
    assert [s.route.hops[0].dev for s in shades] == [5, 6]  # in the order of the record
    assert [s.behind for s in shades] == [(second,), ()]


@given(st.lists(st.sampled_from(["eth0", "eth1", ""]), max_size=3), st.integers(0, 1))
def test_a_shadow_comes_back_from_its_names(devs: list[str], family: int) -> None:
    hops = tuple(Hop(LINKS[dev].ifindex if dev else 0) for dev in devs)
    route = (DEFAULT, SIX)[family]._replace(hops=hops)
    shadow, unbound = bound_shadow([Displaced(route, tuple(devs))], LINKS)
    assert unbound == ()
    assert named_shadow(shadow, LINKS) == (Displaced(route, tuple(devs)),)
