"""What the service answers the command line, read from a ledger and a view."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_route.address import Address
from cni_route.model import Hop, KernelRoute, Verdict
from sync_service.house import Cleaned
from sync_service.ledger import Ledger, PodState
from sync_service.queries import answer, timestamp
from sync_service.sidebyside import Protocols, rows
from tests.unit.cli_house import (
    LINKS,
    FixedStore,
    StillLoop,
    kernel_route,
    sample_house,
    sample_states,
    sample_view,
    verdict,
)

OURS = Protocols(114, 115)


def asked(query: dict[str, object], **parts: object) -> dict[str, Any]:
    """The answer as the command gets it: through JSON."""
    text = json.dumps(answer(query, sample_house(**parts)))
    found: dict[str, Any] = json.loads(text)
    return found


def side_by_side(
    wanted: tuple[KernelRoute, ...] = (),
    actual: tuple[KernelRoute, ...] = (),
    verdicts: tuple[Verdict, ...] = (),
) -> list[dict[str, Any]]:
    state = PodState("a1", "default", "web", "u", "", LINKS, verdicts, wanted, actual)
    return rows(state, OURS)


WIDE = kernel_route("10.0.0.0/8", 3, "10.124.2.1")


@pytest.mark.parametrize(
    ("wanted", "actual", "state"),
    [
        (WIDE, WIDE, "same"),
        (WIDE, WIDE._replace(protocol=4), "same"),
        (WIDE, WIDE._replace(scope=253), "differs"),
        (WIDE, None, "missing"),
        (WIDE, WIDE._replace(hops=(Hop(2),)), "differs"),
        (WIDE, WIDE._replace(mtu=1400), "differs"),
        (WIDE, WIDE._replace(src=Address.parse("10.124.2.7")), "differs"),
        (WIDE, WIDE._replace(hops=(Hop(3, Address.parse("10.124.2.9")),), protocol=4), "differs"),
        (None, WIDE, "surplus"),
        (None, WIDE._replace(protocol=115), "surplus"),
        (None, WIDE._replace(protocol=2), "foreign"),
        (None, WIDE._replace(hops=(), type=6, protocol=4), "foreign"),
    ],
)
def test_states_of_a_row(
    wanted: KernelRoute | None, actual: KernelRoute | None, state: str
) -> None:
    (row,) = side_by_side((wanted,) if wanted else (), (actual,) if actual else ())
    assert row["state"] == state
    assert (row["wanted"] is None) == (wanted is None)
    assert (row["actual"] is None) == (actual is None)


@pytest.mark.parametrize(
    ("dst", "ours_first", "states"),
    [
        ("10.0.0.0/8", True, [("same", 114), ("foreign", 4)]),
        ("10.0.0.0/8", False, [("same", 114), ("rival", 4)]),
        ("fd00::/8", True, [("same", 114), ("rival", 4)]),
        ("fd00::/8", False, [("same", 114), ("rival", 4)]),
    ],
)
def test_twins_under_one_key(dst: str, ours_first: bool, states: list[tuple[str, int]]) -> None:
    """The first of an IPv4 key counts; of an IPv6 key any may be chosen."""
    ours, twin = kernel_route(dst, 3), kernel_route(dst, 2, protocol=4)
    found = side_by_side((ours,), (ours, twin) if ours_first else (twin, ours))
    assert [(row["state"], row["actual"]["protocol"]) for row in found] == states


def test_ours_is_what_differs_rather_than_a_twin() -> None:
    twin, stale = WIDE._replace(hops=(Hop(2),), protocol=4), WIDE._replace(mtu=1400)
    found = side_by_side((WIDE,), (twin, stale))
    assert [(row["state"], row["actual"]["protocol"]) for row in found] == [
        ("differs", 114),
        ("foreign", 4),
    ]


def test_every_rule_that_asks_for_a_route_stands_beside_it() -> None:
    first, second = verdict("applied", "10.0.0.0/8"), verdict("applied", "10.0.0.0/8", number=1)
    loser = verdict("conflict", "10.0.0.0/8", "eth0", 2, code="Conflict")
    found = side_by_side((WIDE,), (WIDE,), (first, second, loser))
    assert [row["state"] for row in found] == ["same", "idle"]
    assert [v["path"] for v in found[0]["verdicts"]] == ["spec.route[0]", "spec.route[1]"]
    assert found[1]["wanted"] is None


@pytest.mark.parametrize("outcome", ["pending", "deferred", "failed"])
def test_a_rule_that_asks_in_vain_is_missing(outcome: Any) -> None:
    (row,) = side_by_side(verdicts=(verdict(outcome, "0.0.0.0/0"),))
    assert (row["state"], row["destination"]) == ("missing", "default")
    assert row["wanted"]["hops"][0]["dev"] == "eth1"


@pytest.mark.parametrize("outcome", ["skipped", "filtered", "conflict"])
def test_a_rule_that_asks_for_nothing_is_idle(outcome: Any) -> None:
    (row,) = side_by_side(verdicts=(verdict(outcome, "::/0"),))
    assert (row["state"], row["destination"], row["wanted"]) == ("idle", "default6", None)


def test_what_is_only_observed_makes_no_difference() -> None:
    (row,) = side_by_side(verdicts=(verdict("observed", "10.0.0.0/8"),))
    assert row["state"] == "observed"


def test_what_is_paused_does() -> None:
    (row,) = side_by_side((WIDE,), (), (verdict("observed", "10.0.0.0/8"),))
    assert (row["state"], row["verdicts"][0]["outcome"]) == ("missing", "observed")


@pytest.mark.parametrize(
    ("wanted", "verdicts", "state"),
    [
        ((kernel_route("0.0.0.0/0", 3),), (), "backup"),
        ((), (verdict("pending", "0.0.0.0/0", code="LinkDown"),), "backup"),
        ((), (verdict("filtered", "0.0.0.0/0"),), "surplus"),
        ((), (), "surplus"),
    ],
)
def test_a_backup_is_in_order_while_ours_is_claimed(
    wanted: tuple[KernelRoute, ...], verdicts: tuple[Verdict, ...], state: str
) -> None:
    copy = kernel_route("0.0.0.0/0", 2, "169.254.1.1", protocol=115)
    copy = copy._replace(key=copy.key._replace(metric=0xFF000003))
    found = side_by_side(wanted, (*wanted, copy), verdicts)
    (row,) = (row for row in found if row["metric"] == 0xFF000003)
    assert row["state"] == state
    assert bool(row["note"]) == (state == "backup")


def test_rows_are_sorted() -> None:
    routes = tuple(kernel_route(dst, 3) for dst in ("fd00::/8", "10.0.0.0/8", "10.0.0.0/7"))
    other = routes[1]._replace(key=routes[1].key._replace(metric=7))
    found = side_by_side((), (other, *routes))
    assert [(row["destination"], row["metric"]) for row in found] == [
        ("10.0.0.0/7", 0),
        ("10.0.0.0/8", 0),
        ("10.0.0.0/8", 7),
        ("fd00::/8", 1024),
    ]


def test_a_nic_without_a_name_is_shown_by_its_index() -> None:
    (row,) = side_by_side(actual=(kernel_route("10.0.0.0/8", 9, protocol=4),))
    assert row["actual"]["hops"] == [{"dev": "if9", "via": "", "onlink": False}]


# ---------------------------------------------------------------- queries


def test_pods() -> None:
    items = asked({"query": "pods"})["items"]
    assert [f"{item['namespace']}/{item['name']}" for item in items] == [
        "default/db",
        "default/web",
        "prod/web",
    ]
    assert [item["routes"] for item in items] == [
        {"asked": 0, "applied": 0},
        {"asked": 1, "applied": 1},
        {"asked": 3, "applied": 2},
    ]
    assert [nic["name"] for nic in items[1]["nics"]] == ["eth0", "eth1"]
    assert items[0]["updated"] == "2023-11-14T22:13:20Z"


def test_routes_say_the_words_of_the_summary() -> None:
    items = asked({"query": "routes"})["items"]
    assert [(item["name"], item["state"], item["status"]) for item in items] == [
        ("bad", "Invalid", "Invalid: spec.route[0].dst: 'x' is not a CIDR or an IP address"),
        ("demo", "Degraded", "Degraded 1/2 pods: ServiceNotFound eth1"),
    ]
    assert items[1]["failures"][0]["pod"] == "prod/web"


def test_a_pod_that_is_gone_does_not_count_and_a_new_one_is_awaited() -> None:
    ledger = Ledger()
    for number, state in enumerate(sample_states(1.0)):
        ledger.put(state._replace(state=("gone", "unknown", "ok")[number], verdicts=()))
    (_, demo) = asked({"query": "routes"}, ledger=ledger)["items"]
    assert (demo["status"], demo["pods"]["unseen"]) == ("Pending", 2)


def test_notices_tell_what_the_lists_do_not() -> None:
    store = FixedStore(sample_view(), complete=False, sentences=("x.yaml: is not YAML",))
    conditions = [
        "The source has not been read whole yet: this is what is known so far.",
        "The service is paused: nothing is written into any pod.",
    ]
    paused = StillLoop({}, paused=True)
    assert asked({"query": "pods"}, store=store, loop=paused)["notices"] == conditions
    found = asked({"query": "routes"}, store=store, loop=paused)["notices"]
    assert found == ["x.yaml: is not YAML", *conditions]
    assert asked({"query": "routes"})["notices"] == []


def test_a_routes_own_problems_stand_in_its_item_alone() -> None:
    (problem,) = sample_view().routes["bad"].problems
    store = FixedStore(sample_view(), sentences=(str(problem), "x.yaml: is not YAML"))
    assert asked({"query": "routes"}, store=store)["notices"] == ["x.yaml: is not YAML"]


def test_show_looks_anew() -> None:
    fresh = sample_states(1.0)[1]._replace(actual=(), state="pending")
    found = asked({"query": "show", "pod": "default/web"}, loop=StillLoop({"b2": fresh}))
    assert found["pod"]["state"] == "pending"
    assert [row["state"] for row in found["items"]] == ["missing"]


def test_show_tells_what_the_last_pass_was_refused() -> None:
    """A look is dry: it cannot know that the kernel would not take the route."""
    ledger = Ledger()
    web = sample_states(1.0)[1]
    refused = verdict("failed", "172.16.0.0/16", code="NoSuchGateway", reason="not on-link")
    ledger.put(web._replace(verdicts=(refused,), wanted=(), actual=()))
    looked = StillLoop({"b2": web._replace(actual=())})
    (row,) = asked({"query": "show", "pod": "default/web"}, ledger=ledger, loop=looked)["items"]
    assert (row["state"], row["wanted"]["hops"][0]["via"]) == ("missing", "10.124.2.1")
    assert row["verdicts"][0]["code"] == "NoSuchGateway"


def test_show_without_a_look_answers_with_what_is_known() -> None:
    found = asked({"query": "show", "pod": "default/web"})
    assert [row["state"] for row in found["items"]] == ["foreign", "foreign", "same"]


def test_show_means_the_sandbox_that_lives() -> None:
    house = sample_house()
    web = sample_states(5e9)[1]
    house.ledger.put(web._replace(container_id="old", state="gone", actual=()))
    house.ledger.put(web._replace(container_id="older", updated=1.0, actual=()))
    found = answer({"query": "show", "pod": "default/web"}, house)
    assert found["pod"]["containerID"] == "b2"  # type: ignore[index]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({}, "This service knows no query None; is it older than the command?"),
        ({"query": "x"}, "This service knows no query 'x'; is it older than the command?"),
        (
            {"query": ["pods"]},
            "This service knows no query ['pods']; is it older than the command?",
        ),
        ({"query": "show"}, "The query names no pod."),
        ({"query": "show", "pod": 7}, "The query names no pod."),
        (
            {"query": "show", "pod": "web"},
            "There are several pods named web: default/web and prod/web; name one of them.",
        ),
    ],
)
def test_queries_that_cannot_be_answered(query: dict[str, object], sentence: str) -> None:
    assert asked(query) == {"error": sentence}


def test_cleanup_asks_the_loop() -> None:
    loop = StillLoop({}, (Cleaned("b2", "default", "web", 3, 1, "no such device"),))
    assert asked({"query": "cleanup"}, loop=loop)["items"] == [
        {
            "namespace": "default",
            "name": "web",
            "containerID": "b2",
            "removed": 3,
            "left": 1,
            "error": "no such device",
        }
    ]


def test_timestamps() -> None:
    assert timestamp(0.0) == ""
    assert timestamp(1.9) == "1970-01-01T00:00:01Z"
