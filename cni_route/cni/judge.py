"""What a pass left behind, as CNI reports it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cni_route.cni.protocol import CniError, Code
from cni_route.model import KernelRoute, Key, Verdict

if TYPE_CHECKING:
    from cni_route.reconcile import Outcome
    from cni_route.record import Record

__all__ = ["SHOWN", "check_applied", "check_wanted", "faults", "summary"]

SHOWN = 3  # so many failures are named by an error; the log and the service have all


def faults(outcome: Outcome) -> list[CniError]:
    """What a pass could not do, as errors. A rule that waits or loses is none."""
    told = []
    if outcome.error:
        told.append(CniError(Code.PASS, outcome.error))
    for found, code in (("failed", Code.ROUTE), ("deferred", Code.LATER)):
        verdicts = [v for v in outcome.verdicts if v.outcome == found]
        if verdicts:
            named = "; ".join(map(_verdict, verdicts[:SHOWN]))
            more = f"; and {len(verdicts) - SHOWN} more" if len(verdicts) > SHOWN else ""
            told.append(CniError(code, named + more))
    return told


def summary(outcome: Outcome) -> str:
    """A pass in one line: how many rules came to what, and the reasons of those that are open."""
    counts: dict[str, int] = {}
    for verdict in outcome.verdicts:
        counts[verdict.outcome] = counts.get(verdict.outcome, 0) + 1
    words = [f"{count} {found}" for found, count in counts.items()] or ["no rules"]
    opened = [v for v in outcome.verdicts if v.outcome in ("pending", "conflict")]
    return "; ".join([", ".join(words), *map(_verdict, opened[:SHOWN])])


def _verdict(verdict: Verdict) -> str:
    place = " ".join(filter(None, (verdict.route, verdict.path, verdict.dst)))
    return f"{place}: {verdict.reason or verdict.code or verdict.outcome}"


# ---------------------------------------------------------------- CHECK


def check_wanted(done: Outcome, looked: Outcome) -> list[CniError]:
    """After a pass, a look: nothing may be left to do but what was reported already."""
    if done.error or any(v.code == "Paused" for v in looked.verdicts):
        return []
    reported = {k for k, verdicts in done.verdicts_by_key.items() if _any_failed(verdicts)}
    return _gone([key for key in _planned(looked) if key not in reported])


def check_applied(record: Record, looked: Outcome, own: int) -> list[CniError]:
    """Alone: under each key that had its route, there must be one still.

    Ours counts however it looks: the snapshot may be older than the pod. Where only another's is
    left, the snapshot's word is the best there is on whether it is as good as ours.
    """
    if looked.error:
        return [CniError(Code.PASS, looked.error)]
    planned = _planned(looked)
    gone = []
    for key in record.applied:
        routes = looked.actual_by_key.get(key, ())
        if not any(r.protocol == own for r in routes) and (not routes or key in planned):
            gone.append(key)
    return _gone(gone)


def _planned(outcome: Outcome) -> list[Key]:
    """Keys of the routes that a dry pass would write."""
    subjects = [op.subject for op in outcome.planned if op.verb != "delete"]
    return [route.key for route in subjects if isinstance(route, KernelRoute)]


def _any_failed(verdicts: tuple[Verdict, ...]) -> bool:
    return any(verdict.outcome == "failed" for verdict in verdicts)


def _gone(keys: list[Key]) -> list[CniError]:
    if not keys:
        return []
    named = ", ".join(str(key.dst) for key in sorted(keys)[:SHOWN])
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return [CniError(Code.GONE, f"routes that should be there are gone: {named}{more}")]
