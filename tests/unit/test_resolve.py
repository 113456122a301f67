"""What a pod should have: who wins a destination, by which gateway, and what is said."""

from __future__ import annotations

from itertools import permutations

import pytest

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Hop, KernelRoute, Link, LinkAddress, Route, Rule, Service, key_of
from cni_route.resolve import gateways_of, nics_of
from cni_route.shape import Nic, Terms
from cni_route.view import EMPTY, build
from tests.unit.pods import rule, svc
from tests.unit.resolving import (
    APPLIED,
    BOTH,
    EAST,
    ETH0,
    ETH1,
    FIRST,
    NOT_FOR_WEB,
    OTHERS,
    SECOND,
    SERVICES,
    WEST,
    beaten,
    found,
    said,
    wanted,
)

# ---------------------------------------------------------------- who wins

RANKED = (  # the first of any two of them wins
    Route("f", priority=5),
    Route("e", priority=2, created="2026-02-01T00:00:00Z"),
    Route("d", created="2026-01-01T00:00:00Z"),
    Route("a", created="2026-01-01T00:00:01Z"),
    Route("b", created="2026-01-01T00:00:01Z"),
    Route("0"),  # no time: the newest
    Route("1"),
    Route("c", priority=-1, created="2020-01-01T00:00:00Z"),
)


@pytest.mark.parametrize(
    ("better", "worse"),
    [(b, w) for i, b in enumerate(RANKED) for w in RANKED[i + 1 :]],
    ids=lambda route: route.name,
)
def test_priority_then_age_then_name(better: Route, worse: Route) -> None:
    left, right = better._replace(rules=(WEST,)), worse._replace(rules=(EAST,))
    for routes in ((left, right), (right, left)):
        resolution = found(build(routes))
        assert wanted(resolution) == ["10.9.0.0/16 via 10.1.0.1 dev eth0"]
        assert said(resolution) == {
            f"{better.name} spec.route[0]": APPLIED,
            f"{worse.name} spec.route[0]": beaten(f"Route {better.name}"),
        }


def test_whichever_was_read_first_all_nodes_decide_the_same() -> None:
    rules = (WEST, EAST, rule("10.9.0.0/16"), rule("10.9.0.0/16", "eth1", "10.2.0.4"))
    routes = [route._replace(rules=(r,)) for route, r in zip(RANKED[2:6], rules, strict=True)]
    answers = {
        str((wanted(r), sorted(said(r).items())))
        for r in map(found, map(build, permutations(routes)))
    }
    assert len(answers) == 1


def test_of_one_route_the_first_rule_wins() -> None:
    """A document calls that Invalid; a snapshot of an older version might still hold one."""
    resolution = found(build([Route("a", (WEST, EAST._replace(path="spec.route[1]")))]))
    assert said(resolution) == {
        "a spec.route[0]": APPLIED,
        "a spec.route[1]": beaten("spec.route[0] of the same Route"),
    }


def test_the_plugins_own_rules_are_behind_every_route() -> None:
    own = (EAST._replace(path="routes[0]"), WEST._replace(path="routes[1]"))
    resolution = found(build([Route("z", (WEST,), priority=-1000)]), terms=Terms(own))
    assert wanted(resolution) == ["10.9.0.0/16 via 10.1.0.1 dev eth0"]
    assert said(resolution) == {
        "z spec.route[0]": APPLIED,
        "the plugin's configuration routes[0]": beaten("Route z"),
        "the plugin's configuration routes[1]": APPLIED,
    }
    alone = found(EMPTY, terms=Terms(own))
    assert wanted(alone) == ["10.9.0.0/16 via 10.2.0.1 dev eth1"]
    assert said(alone)["the plugin's configuration routes[1]"] == beaten(
        "routes[0] of the plugin's configuration"
    )


def test_the_same_wanted_twice_is_no_conflict() -> None:
    resolution = found(build([Route("a", (EAST,)), Route("b", (EAST,))]))
    assert wanted(resolution) == ["10.9.0.0/16 via 10.2.0.1 dev eth1"]
    assert set(said(resolution).values()) == {APPLIED}


@pytest.mark.parametrize(
    "other",
    [
        EAST._replace(dev="eth0"),
        EAST._replace(via=None),
        EAST._replace(via=Address.parse("10.2.0.4")),
        EAST._replace(mtu=1400),
        EAST._replace(src=Address.parse("10.2.0.9")),
        EAST._replace(onlink=True),
    ],
    ids=["dev", "no-via", "via", "mtu", "src", "onlink"],
)
def test_any_difference_is_a_conflict(other: Rule) -> None:
    resolution = found(build([Route("a", (EAST,)), Route("b", (other,))]))
    assert said(resolution)["b spec.route[0]"] == beaten("Route a")


def test_auto_that_comes_to_the_same_gateway_is_no_conflict() -> None:
    resolution = found(build([Route("a", (EAST,)), Route("b", (EAST._replace(via="auto"),))]))
    assert set(said(resolution).values()) == {APPLIED}


def test_another_metric_is_another_destination() -> None:
    resolution = found(build([Route("a", (WEST,)), Route("b", (EAST._replace(metric=7),))]))
    assert wanted(resolution) == [
        "10.9.0.0/16 via 10.1.0.1 dev eth0",
        "10.9.0.0/16 via 10.2.0.1 dev eth1 metric 7",
    ]


def test_an_ipv6_metric_of_zero_is_the_kernels_1024() -> None:
    rules = [
        rule("fd00:9::/48", dev, metric=metric)
        for dev, metric in (("eth0", None), ("eth1", 0), ("eth1", 1024))
    ]
    resolution = found(build([Route(name, (r,)) for name, r in zip("abc", rules, strict=True)]))
    assert wanted(resolution) == ["fd00:9::/48 dev eth0"]
    assert list(said(resolution).values()) == [APPLIED] + [beaten("Route a", "fd00:9::/48")] * 2


def test_a_service_and_a_network_meet_in_one_destination() -> None:
    view = build([Route("a", (svc("old"),)), Route("b", (rule("10.96.0.11", "eth0"),))], SERVICES)
    assert said(found(view)) == {
        "a 10.96.0.11/32": APPLIED,
        "b spec.route[0]": beaten("Route a", "10.96.0.11/32"),
    }


# ---------------------------------------------------------------- who comes up

TO_EAST = ["10.9.0.0/16 via 10.2.0.1 dev eth1"]


@pytest.mark.parametrize(
    ("routes", "nics"),
    [
        ((SECOND,), BOTH),
        ((FIRST._replace(rules=()), SECOND), BOTH),
        ((FIRST._replace(filter=NOT_FOR_WEB), SECOND), BOTH),
        ((FIRST._replace(filter=OTHERS), SECOND), BOTH),
        ((FIRST._replace(mode="Observe"), SECOND), BOTH),
        ((FIRST._replace(priority=-1), SECOND), BOTH),
        ((FIRST._replace(rules=(WEST._replace(dev="eth9"),)), SECOND), BOTH),
        ((FIRST, SECOND), {"eth1": ETH1}),
        ((FIRST, SECOND), {"eth0": ETH0._replace(ipv4=False), "eth1": ETH1}),
        (
            (FIRST._replace(rules=(WEST._replace(via="auto"),)), SECOND),
            {"eth0": ETH0._replace(gateway4=None), "eth1": ETH1},
        ),
    ],
    ids=[
        *("gone", "without-rules", "excluded", "not-included", "observed", "outranked"),
        *("another-nic", "no-nic", "no-address", "no-gateway"),
    ],
)
def test_the_loser_comes_up_when_the_winner_is_out(
    routes: tuple[Route, ...], nics: dict[str, Nic]
) -> None:
    before = build([FIRST, SECOND])
    assert wanted(found(before)) == ["10.9.0.0/16 via 10.1.0.1 dev eth0"]
    resolution = found(build(routes), nics)
    assert wanted(resolution) == TO_EAST
    assert said(resolution)["b spec.route[0]"] == APPLIED


# ---------------------------------------------------------------- what is not for this pod


def test_a_missing_nic_is_skipped() -> None:
    resolution = found(build([Route("a", (EAST,))]), {"eth0": ETH0})
    assert wanted(resolution) == []
    assert said(resolution) == {
        "a spec.route[0]": ("skipped", "NoSuchDevice", "the pod has no eth1")
    }


@pytest.mark.parametrize(
    ("dst", "nic", "reason"),
    [
        ("10.9.0.0/16", ETH1._replace(ipv4=False), "eth1 has no IPv4 address"),
        ("fd00:9::/48", ETH1._replace(ipv6=False), "eth1 has no IPv6 address"),
    ],
)
def test_a_missing_family_is_skipped(dst: str, nic: Nic, reason: str) -> None:
    resolution = found(build([Route("a", (rule(dst),))]), {"eth1": nic})
    assert wanted(resolution) == []
    assert said(resolution) == {"a spec.route[0]": ("skipped", "NoAddressOfFamily", reason)}


def test_of_several_reasons_the_filter_comes_first() -> None:
    for routes, services in (((EAST,), ()), ((svc("gone"),), ())):
        view = build([Route("a", routes, filter=NOT_FOR_WEB)], services)
        ((_, code, reason),) = said(found(view, {})).values()
        assert (code, reason) == ("Filtered", "exclude[0]")


def test_a_service_that_is_missing_says_so_only_where_its_nic_is() -> None:
    view = build([Route("a", (svc("gone"),))], SERVICES)
    assert said(found(view)) == {
        "a": ("pending", "ServiceNotFound", "Service default/gone does not exist")
    }
    assert said(found(view, {})) == {"a": ("skipped", "NoSuchDevice", "the pod has no eth1")}


@pytest.mark.parametrize(
    ("without", "reason"),
    [
        ("headless", "Service default/s has no address: headless"),
        ("ExternalName", "Service default/s has no address: ExternalName"),
        ("", "Service default/s has no address: none is assigned yet"),
    ],
)
def test_a_service_without_an_address_waits(without: str, reason: str) -> None:
    view = build([Route("a", (svc("s"),))], [Service("default", "s", (), without)])
    resolution = found(view)
    assert said(resolution) == {"a": ("pending", "ServiceHasNoAddress", reason)}
    assert wanted(resolution) == []


# ---------------------------------------------------------------- gateways


@pytest.mark.parametrize(
    ("via", "four", "six"),
    [
        ("", " dev eth1", " via fd00:2::1 dev eth1"),
        ("auto", " via 10.2.0.1 dev eth1", " via fd00:2::1 dev eth1"),
        ("10.2.0.4", " via 10.2.0.4 dev eth1", " via fd00:2::1 dev eth1"),
        ("fd00:2::4", " via 10.2.0.1 dev eth1", " via fd00:2::4 dev eth1"),
    ],
)
def test_a_gateway_serves_its_own_family_the_other_takes_auto(
    via: str, four: str, six: str
) -> None:
    view = build([Route("a", (svc("nginx", via=via),))], SERVICES)
    assert wanted(found(view)) == [f"10.96.0.10/32{four}", f"fd00:96::10/128{six}"]


def test_each_family_waits_for_its_own_gateway() -> None:
    view = build([Route("a", (svc("nginx", via="10.2.0.4"),))], SERVICES)
    resolution = found(view, {"eth1": ETH1._replace(gateway6=None)})
    assert wanted(resolution) == ["10.96.0.10/32 via 10.2.0.4 dev eth1"]
    assert said(resolution) == {
        "a 10.96.0.10/32": APPLIED,
        "a fd00:96::10/128": (
            "pending",
            "NoGatewayKnown",
            "eth1 has no gateway yet that 'via: auto' could use; name one in via",
        ),
    }


def test_only_the_families_that_the_nic_has() -> None:
    view = build([Route("a", (svc("nginx", via="auto"),))], SERVICES)
    resolution = found(view, {"eth1": ETH1._replace(ipv6=False, gateway6=None)})
    assert wanted(resolution) == ["10.96.0.10/32 via 10.2.0.1 dev eth1"]
    assert said(resolution)["a fd00:96::10/128"][1] == "NoAddressOfFamily"


def test_a_network_without_a_gateway_is_on_the_link() -> None:
    view = build([Route("a", (rule("10.9.0.0/16"), rule("fd00:9::/48")))])
    resolution = found(view)
    assert wanted(resolution) == ["10.9.0.0/16 dev eth1", "fd00:9::/48 dev eth1"]
    # IPv4 has a scope for that, IPv6 none
    assert [r.scope for r in resolution.wanted.values() if r] == [253, 0]


def test_all_that_a_rule_may_say_comes_into_the_route() -> None:
    src = Address.parse("10.2.0.9")
    whole = EAST._replace(metric=7, src=src, mtu=1400, onlink=True)
    (route,) = found(build([Route("a", (whole,))]), terms=Terms(protocol=99)).wanted.values()
    key = key_of(Prefix.parse("10.9.0.0/16"), 7)
    hop = Hop(3, Address.parse("10.2.0.1"), onlink=True)
    assert route == KernelRoute(key, (hop,), 99, 0, 1, src, 1400)


def test_only_a_gateway_can_be_on_the_link() -> None:
    """A document says so; what comes from elsewhere must not become a flag without one."""
    (route,) = found(build([Route("a", (rule("10.9.0.0/16", onlink=True),))])).wanted.values()
    assert route is not None
    assert route.hops == (Hop(3),)


def test_a_source_of_the_other_family_is_only_for_its_own() -> None:
    asked = svc("nginx", via="auto")._replace(src=Address.parse("fd00:2::9"))
    routes = found(build([Route("a", (asked,))], SERVICES)).wanted.values()
    assert [str(r.src) if r and r.src else "" for r in routes] == ["", "fd00:2::9"]


def links() -> dict[str, Link]:
    return {
        "lo": Link(1, "lo", loopback=True),
        "eth0": Link(2, "eth0", addresses=(LinkAddress(Address.parse("10.1.0.2"), 24),)),
        "eth1": Link(3, "eth1", up=False, addresses=(LinkAddress(Address.parse("fe80::2"), 64),)),
    }


def foreign(dst: str, *hops: tuple[int, str], metric: int = 0) -> KernelRoute:
    made = tuple(Hop(dev, Address.parse(via) if via else None) for dev, via in hops)
    return KernelRoute(key_of(Prefix.parse(dst), metric), made, 3)


def test_gateways_are_told_or_seen() -> None:
    told = [("eth1", Address.parse("10.2.0.1")), ("eth1", Address.parse("10.2.0.2"))]
    seen = [
        foreign("10.9.0.0/16", (2, "10.1.0.9")),
        foreign("0.0.0.0/0", (2, "10.1.0.7"), metric=50),
        foreign("0.0.0.0/0", (2, "10.1.0.1"), (3, "10.2.0.3")),
        foreign("fd00:9::/48", (3, "fd00:2::9")),
        foreign("10.8.0.0/16", (2, "")),
        foreign("10.7.0.0/16", (77, "10.7.0.1")),
    ]
    for order in (seen, seen[::-1]):
        assert gateways_of(links(), told, order) == {
            ("eth1", AF_INET): Address.parse("10.2.0.1"),  # told first
            ("eth0", AF_INET): Address.parse("10.1.0.1"),  # of the default with the best metric
            ("eth1", AF_INET6): Address.parse("fd00:2::9"),
        }


def test_what_resolving_sees_of_interfaces() -> None:
    gateways = {("eth0", AF_INET): Address.parse("10.1.0.1")}
    assert nics_of(links(), gateways) == (
        ("eth0", Nic(2, True, True, False, Address.parse("10.1.0.1"))),
        # a link-local address alone does not count
        ("eth1", Nic(3, False, False, False)),
        ("lo", Nic(1, True, False, False)),
    )
