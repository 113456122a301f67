"""Verdicts -> the words of a Route's status. Pure; decides nothing about routes.

A status begins with one of the words of `Word`, a closed set that scripts may match. Its length
and the number of failures kept do not grow with the pods.

What a word means, in the order of their weight: the first that holds is said.

- Invalid: a part of the Route is wrong (the rest of it applies).
- Degraded: a pod was refused a part of it, or some pods have it and others wait for something.
- Conflict: in some pod another rule wins a destination.
- Pending: every pod that it is for waits (for a Service, a gateway, a link), or none was looked at.
- Progressing: some pods were not looked at since the Route or they themselves changed.
- Observed: nothing is written (mode Observe, or the service is paused), though it would be.
- NoMatch: it is for none of the pods here.
- Ready: every pod that it is for has all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from cni_route.model import Problem, Route, Verdict

__all__ = ["Failure", "PodVerdicts", "Summary", "Word", "summarize"]

Word = Literal[
    "Invalid", "Degraded", "Conflict", "Pending", "Progressing", "Observed", "NoMatch", "Ready"
]
Standing = Literal["none", "ready", "observed", "waiting", "conflicted", "failed", "unseen"]

MAX_FAILURES = 20  # kept of one Route; its counts go on
MAX_TEXT = 240  # characters of a status: it is a printer column

_STANDING: Mapping[str, Standing] = {
    "applied": "ready",
    "observed": "observed",
    "skipped": "none",
    "filtered": "none",
    "deferred": "waiting",
    "pending": "waiting",
    "conflict": "conflicted",
    "failed": "failed",
}
_WEIGHT: Mapping[Standing, int] = {
    "none": 0,
    "ready": 1,
    "observed": 2,
    "waiting": 3,
    "conflicted": 4,
    "failed": 5,
    "unseen": 6,  # never met in a verdict
}
_KNOWN_GATES: frozenset[str] = frozenset()


class PodVerdicts(NamedTuple):
    """One pod's latest verdicts; `settled` is False while a pass over it is still due."""

    pod: str  # "namespace/name"
    verdicts: Sequence[Verdict]
    settled: bool = True


class Failure(NamedTuple):
    """Why one pod has not got a part of a Route: its first verdict of the heaviest kind."""

    pod: str  # "namespace/name"
    path: str
    code: str
    reason: str
    dst: str = ""
    dev: str = ""


class Summary(NamedTuple):
    """One Route on one node. The pods that it is for = ready + observed + ... + failed."""

    word: Word
    text: str  # the status as people and `.status.status` read it; begins with `word`
    pods: int = 0
    ready: int = 0
    observed: int = 0
    waiting: int = 0
    conflicted: int = 0
    failed: int = 0
    unseen: int = 0  # not counted in `pods`: whether it is for them is not known
    failures: tuple[Failure, ...] = ()  # failed, conflicted and waiting pods, heaviest first
    notes: tuple[str, ...] = ()  # sentences that change nothing


def summarize(routes: Iterable[Route], pods: Iterable[PodVerdicts]) -> dict[str, Summary]:
    """The summary of every Route, by name; verdicts of rules that are no Route's are left out."""
    tallies = {route.name: _Tally(route) for route in routes}
    for pod in pods:
        by_route: dict[str, list[Verdict]] = {}
        for verdict in pod.verdicts:
            by_route.setdefault(verdict.route, []).append(verdict)
        for name, tally in tallies.items():
            tally.count(pod, by_route.get(name, ()))
    return {name: tally.summary() for name, tally in tallies.items()}


class _Tally:
    """Counts one Route's pods by what became of it there."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self.counts: dict[Standing, int] = dict.fromkeys(_WEIGHT, 0)
        self.causes: dict[Standing, dict[str, int]] = {}
        self.failures: list[tuple[int, Failure]] = []

    def count(self, pod: PodVerdicts, verdicts: Sequence[Verdict]) -> None:
        if not self.route.rules:
            return
        if not pod.settled or not verdicts:
            self.counts["unseen"] += 1
            return
        worst = max(verdicts, key=lambda verdict: _WEIGHT[_standing(verdict)])
        standing = _standing(worst)
        self.counts[standing] += 1
        if _WEIGHT[standing] < _WEIGHT["waiting"]:
            return
        cause = _cause(worst)
        of_kind = self.causes.setdefault(standing, {})
        of_kind[cause] = of_kind.get(cause, 0) + 1
        self._keep(-_WEIGHT[standing], _failure(pod.pod, worst))

    def _keep(self, order: int, failure: Failure) -> None:
        self.failures.append((order, failure))
        if len(self.failures) > 2 * MAX_FAILURES:
            self.failures = sorted(self.failures)[:MAX_FAILURES]

    def summary(self) -> Summary:
        counts = self.counts
        total = sum(counts.values()) - counts["none"] - counts["unseen"]
        word, rest = self._say(total)
        return Summary(
            word=word,
            text=_cut(word + rest),
            pods=total,
            ready=counts["ready"],
            observed=counts["observed"],
            waiting=counts["waiting"],
            conflicted=counts["conflicted"],
            failed=counts["failed"],
            unseen=counts["unseen"],
            failures=tuple(failure for _, failure in sorted(self.failures)[:MAX_FAILURES]),
            notes=_notes(self.route),
        )

    def _say(self, total: int) -> tuple[Word, str]:
        counts = self.counts
        if self.route.problems:
            return "Invalid", f": {_problems(self.route.problems)}"
        if counts["failed"]:
            return "Degraded", f" {counts['failed']}/{total} pods: {self._cause('failed')}"
        if counts["conflicted"]:
            return "Conflict", f": {self._cause('conflicted')}"
        if counts["waiting"] and counts["waiting"] < total:
            return "Degraded", f" {counts['waiting']}/{total} pods: {self._cause('waiting')}"
        if counts["waiting"]:
            return "Pending", f": {self._cause('waiting')}"
        if counts["unseen"]:
            seen = sum(counts.values()) - counts["unseen"]
            everything = sum(counts.values())
            return ("Progressing", f" {seen}/{everything} pods") if seen else ("Pending", "")
        if counts["observed"] or (total and self.route.mode == "Observe"):
            return "Observed", f": {_pods(counts['observed'])} would change"
        if not total:
            return "NoMatch", ""
        return "Ready", f" {_pods(total)}"

    def _cause(self, standing: Standing) -> str:
        """The commonest cause (of equals the first in the alphabet), and how many others."""
        causes = self.causes[standing]
        first = min(causes, key=lambda cause: (-causes[cause], cause))
        others = len(causes) - 1
        return f"{first} (and {others} more)" if others else first


def _standing(verdict: Verdict) -> Standing:
    return _STANDING[verdict.outcome]


def _failure(pod: str, verdict: Verdict) -> Failure:
    return Failure(
        pod, verdict.path, verdict.code, verdict.reason[:MAX_TEXT], verdict.dst, verdict.dev
    )


def _cause(verdict: Verdict) -> str:
    """A conflict by its sentence (it names the winner), all else by its code and NIC."""
    if verdict.outcome == "conflict":
        return verdict.reason or f"{verdict.dst or verdict.path} is another rule's"
    return " ".join(part for part in (verdict.code or verdict.outcome, verdict.dev) if part)


def _problems(problems: Sequence[Problem]) -> str:
    first = ": ".join(part for part in (problems[0].path, problems[0].message) if part)
    return f"{first} (and {len(problems) - 1} more)" if len(problems) > 1 else first


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _notes(route: Route) -> tuple[str, ...]:
    unknown = sorted(name for name, _ in route.feature_gate if name not in _KNOWN_GATES)
    if not unknown:
        return ()
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    return (f"feature_gate: {', '.join(unknown[:5])}{more} not known here, without effect",)
