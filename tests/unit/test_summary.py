"""The words of a Route's status, from verdicts."""

from __future__ import annotations

import pytest

from cni_route.model import Outcome, Problem, Route, Rule, Verdict
from cni_route.summary import MAX_FAILURES, MAX_TEXT, PodVerdicts, Summary, summarize

RULE = Rule(path="spec.route[0]", dev="eth1")


def verdict(outcome: Outcome, code: str = "", reason: str = "", dev: str = "eth1") -> Verdict:
    return Verdict("demo", "spec.route[0]", outcome, code, reason, "10.0.0.0/8", dev)


def of(*pods: list[Verdict] | None, route: Route | None = None) -> Summary:
    """The summary of `demo` over pods p0, p1, ...; None: a pod whose pass is still due."""
    return summarize(
        [route or Route("demo", (RULE,))],
        [
            PodVerdicts(f"default/p{number}", verdicts or [], settled=verdicts is not None)
            for number, verdicts in enumerate(pods)
        ],
    )["demo"]


READY = verdict("applied")
SKIPPED = verdict("skipped", "NoSuchDevice")
FILTERED = verdict("filtered")
OBSERVED = verdict("observed")
NO_GATEWAY = verdict("pending", "NoSuchGateway")
NO_SERVICE = verdict("pending", "NoSuchService", dev="")
REFUSED = verdict("failed", "GatewayNotOnLink")
LOST = verdict("conflict", "Conflict", "10.0.0.0/8 is taken by Route first")


@pytest.mark.parametrize(
    ("pods", "text"),
    [
        ([], "NoMatch"),
        ([[SKIPPED], [FILTERED]], "NoMatch"),
        ([None], "Pending"),
        ([[]], "Pending"),
        ([[READY], None], "Progressing 1/2 pods"),
        ([[SKIPPED], None], "Progressing 1/2 pods"),
        ([[READY]], "Ready 1 pod"),
        ([[READY], [READY, SKIPPED], [SKIPPED]], "Ready 2 pods"),
        ([[OBSERVED], [SKIPPED]], "Observed: 1 pod would change"),
        ([[OBSERVED], [READY, OBSERVED]], "Observed: 2 pods would change"),
        ([[NO_SERVICE], [NO_SERVICE]], "Pending: NoSuchService"),
        ([[NO_GATEWAY]], "Pending: NoSuchGateway eth1"),
        ([[verdict("deferred", "NoSuchPod", dev="")]], "Pending: NoSuchPod"),
        ([[verdict("deferred", dev="")]], "Pending: deferred"),
        ([[READY], [READY], [NO_GATEWAY]], "Degraded 1/3 pods: NoSuchGateway eth1"),
        ([[READY, REFUSED], [SKIPPED]], "Degraded 1/1 pods: GatewayNotOnLink eth1"),
        ([[REFUSED], [NO_GATEWAY], [LOST]], "Degraded 1/3 pods: GatewayNotOnLink eth1"),
        (
            [[verdict("failed", "B")], [verdict("failed", "A")], [verdict("failed", "B")]],
            "Degraded 3/3 pods: B eth1 (and 1 more)",
        ),
        ([[LOST], [NO_GATEWAY], [READY]], "Conflict: 10.0.0.0/8 is taken by Route first"),
        ([[verdict("conflict")]], "Conflict: 10.0.0.0/8 is another rule's"),
    ],
)
def test_the_words(pods: list[list[Verdict] | None], text: str) -> None:
    summary = of(*pods)
    assert summary.text == text
    assert text.startswith(summary.word)


def test_counts_add_up_to_the_pods_it_is_for() -> None:
    summary = of([READY], [OBSERVED], [NO_GATEWAY], [LOST], [REFUSED], [SKIPPED], None)
    assert summary[2:9] == (5, 1, 1, 1, 1, 1, 1)


def test_an_invalid_part_is_named_while_the_rest_applies() -> None:
    first = Problem("demo.yaml", "spec.route[1].dst", "'x' is not a CIDR or an IP address")
    route = Route("demo", (RULE,), problems=(first,))
    summary = of([READY], route=route)
    assert summary.text == "Invalid: spec.route[1].dst: 'x' is not a CIDR or an IP address"
    assert (summary.pods, summary.ready) == (1, 1)
    twice = of([READY], route=route._replace(problems=(first, first, first)))
    assert twice.text.endswith(" (and 2 more)")


def test_a_route_without_a_valid_rule_waits_for_nobody() -> None:
    assert of([], None, route=Route("demo")).text == "NoMatch"
    problem = Problem("demo.yaml", "", "'spec' is missing")
    assert of(None, route=Route("demo", problems=(problem,))).text == "Invalid: 'spec' is missing"


def test_observe_says_so_where_nothing_would_change() -> None:
    route = Route("demo", (RULE,), mode="Observe")
    assert of([READY], route=route).text == "Observed: 0 pods would change"
    assert of([SKIPPED], route=route).text == "NoMatch"


def test_verdicts_of_other_rules_are_left_out() -> None:
    foreign = REFUSED._replace(route="another")
    assert list(summarize([Route("demo", (RULE,))], [PodVerdicts("a/b", [foreign])])) == ["demo"]
    assert of([foreign, READY]).text == "Ready 1 pod"


def test_failures_are_the_heaviest_and_capped() -> None:
    many = [[NO_GATEWAY]] * 3 * MAX_FAILURES
    summary = of(*many, [REFUSED])
    assert len(summary.failures) == MAX_FAILURES
    assert summary.waiting == 3 * MAX_FAILURES
    assert summary.failures[0].pod == f"default/p{3 * MAX_FAILURES}"
    assert summary.failures[0].code == "GatewayNotOnLink"
    assert [failure.code for failure in summary.failures[1:]] == ["NoSuchGateway"] * (
        MAX_FAILURES - 1
    )


def test_the_size_does_not_grow_with_what_it_reports() -> None:
    long = "x" * 10_000
    summary = of([verdict("conflict", reason=long)])
    assert len(summary.text) == MAX_TEXT
    assert len(summary.failures[0].reason) == MAX_TEXT
    gates = tuple((f"gate{number}", "on") for number in range(1000))
    (note,) = of(route=Route("demo", (RULE,), feature_gate=gates)).notes
    assert note.endswith("gate101 and 995 more not known here, without effect")


def test_unknown_feature_gates_are_named() -> None:
    route = Route("demo", (RULE,), feature_gate=(("fast", "yes"),))
    summary = of([READY], route=route)
    assert summary.text == "Ready 1 pod"
    assert summary.notes == ("feature_gate: fast not known here, without effect",)
