"""The questions that the command line asks the running service, and their answers as JSON.

An answer is {"items": [...], "notices": [sentence, ...]} or {"error": sentence}; the items are
those that `-o json` prints (docs/cli.md). All of it is read from the ledger and the store's view:
no route is computed here. Only `cleanup` changes anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cni_route.model import Link
from cni_route.summary import PodVerdicts, Summary, summarize
from sync_service.podname import UnknownPod, find
from sync_service.sidebyside import Protocols, rows

if TYPE_CHECKING:  # the types of the running service cost its start, and are not needed to ask
    from cni_route.model import Problem, Route
    from sync_service.house import Cleaned, House
    from sync_service.ledger import PodState

__all__ = ["answer", "cleaned_item"]

NOT_ASKED_FOR = ("skipped", "filtered", "conflict")  # outcomes of rules that add no route
WAITING = ("failed", "pending", "deferred")  # outcomes that keep a pod from being well


def answer(query: Mapping[str, object], house: House) -> dict[str, object]:
    """Answer one query; one that is not known, or names no pod, gets an `error`.

    Queries: {"query": "pods"}, {"query": "routes"}, {"query": "show", "pod": "[NAMESPACE/]NAME"}
    and {"query": "cleanup"}.
    """
    name = query.get("query")
    reply = _QUERIES.get(name) if isinstance(name, str) else None
    if reply is None:
        return {"error": f"This service knows no query {name!r}; is it older than the command?"}
    try:
        return reply(query, house)
    except UnknownPod as error:
        return {"error": str(error)}


def _pods(_query: Mapping[str, object], house: House) -> dict[str, object]:
    return _listed([_pod_item(state) for state in house.ledger.pods()], house)


def _routes(_query: Mapping[str, object], house: House) -> dict[str, object]:
    view = house.store.view
    pods = (
        PodVerdicts(
            f"{state.namespace}/{state.name}", state.verdicts, settled=state.state != "unknown"
        )
        for state in house.ledger.pods()
        if state.state != "gone"
    )
    summaries = summarize(view.routes.values(), pods)
    items = [_route_item(view.routes[name], summaries[name]) for name in sorted(summaries)]
    answered = _listed(items, house)
    # a Route's own problems stand in its item
    told = {str(problem) for route in view.routes.values() for problem in route.problems}
    answered["notices"] = [
        *(sentence for sentence in house.store.problems() if sentence not in told),
        *_conditions(house),
    ]
    return answered


def _show(query: Mapping[str, object], house: House) -> dict[str, object]:
    wanted = query.get("pod")
    if not isinstance(wanted, str):
        return {"error": "The query names no pod."}
    states = house.ledger.pods()
    pod = find(wanted, ((state.namespace, state.name) for state in states))
    state = _newest([state for state in states if (state.namespace, state.name) == pod])
    seen = house.loop.look(state.container_id) or state
    state = _with_refusals(seen, house.ledger.get(state.container_id) or state)
    protocols = Protocols(house.settings.protocol, house.settings.backup_protocol)
    answered = _listed(rows(state, protocols), house)
    answered["pod"] = _pod_item(state)
    answered["stale"] = bool(state.error) or state.state in ("gone", "unknown")
    return answered


def _cleanup(_query: Mapping[str, object], house: House) -> dict[str, object]:
    done = sorted(house.loop.cleanup(), key=lambda c: (c.namespace, c.name, c.container_id))
    return {"items": [cleaned_item(cleaned) for cleaned in done], "notices": []}


_QUERIES: Mapping[str, Callable[[Mapping[str, object], House], dict[str, object]]] = {
    "pods": _pods,
    "routes": _routes,
    "show": _show,
    "cleanup": _cleanup,
}


# ---------------------------------------------------------------- items


def _listed(items: list[dict[str, object]], house: House) -> dict[str, object]:
    return {"items": items, "notices": _conditions(house)}


def _conditions(house: House) -> list[str]:
    """What has to be known to read a list rightly."""
    notices = []
    if not house.store.complete:
        notices.append("The source has not been read whole yet: this is what is known so far.")
    if house.loop.paused:
        notices.append("The service is paused: nothing is written into any pod.")
    return notices


def _with_refusals(seen: PodState, last: PodState) -> PodState:
    """A look with what the kernel refused in the last pass: a look itself tries nothing."""
    refused = {(v.route, v.path, v.dst): v for v in last.verdicts if v.outcome == "failed"}
    if not refused:
        return seen
    verdicts = (
        refused.get((v.route, v.path, v.dst), v) if v.outcome == "applied" else v
        for v in seen.verdicts
    )
    return seen._replace(verdicts=tuple(verdicts))


def _newest(states: Sequence[PodState]) -> PodState:
    """Of the sandboxes of one pod the one that lives, else the one last looked at."""
    return max(states, key=lambda state: (state.state != "gone", state.updated))


def _pod_item(state: PodState) -> dict[str, object]:
    asked = [v for v in state.verdicts if v.outcome not in NOT_ASKED_FOR]
    return {
        "namespace": state.namespace,
        "name": state.name,
        "uid": state.uid,
        "containerID": state.container_id,
        "netns": state.netns,
        "nics": [_nic(link) for link in state.links if not link.loopback],
        "routes": {
            "asked": len(asked),
            "applied": sum(verdict.outcome == "applied" for verdict in asked),
        },
        "state": state.state,
        "why": state.error or next((v.reason for v in asked if v.outcome in WAITING), ""),
        "updated": timestamp(state.updated),
    }


def _nic(link: Link) -> dict[str, object]:
    return {
        "name": link.name,
        "up": link.up,
        "carrier": link.carrier,
        "addresses": [f"{each.address}/{each.length}" for each in link.addresses],
    }


def _route_item(route: Route, summary: Summary) -> dict[str, object]:
    return {
        "name": route.name,
        "uid": route.uid,
        "generation": route.generation,
        "source": route.source,
        "mode": route.mode,
        "priority": route.priority,
        "rules": len(route.rules),
        "state": summary.word,
        "status": summary.text,
        "pods": {
            "total": summary.pods,
            "ready": summary.ready,
            "observed": summary.observed,
            "waiting": summary.waiting,
            "conflicted": summary.conflicted,
            "failed": summary.failed,
            "unseen": summary.unseen,
        },
        "problems": [_problem(problem) for problem in route.problems],
        "failures": [failure._asdict() for failure in summary.failures],
        "notes": list(summary.notes),
    }


def _problem(problem: Problem) -> dict[str, object]:
    return {
        "source": problem.source,
        "document": problem.document,
        "path": problem.path,
        "message": problem.message,
    }


def cleaned_item(cleaned: Cleaned) -> dict[str, object]:
    """What a cleanup left in one pod, as `cleanup -o json` lists it."""
    return {
        "namespace": cleaned.namespace,
        "name": cleaned.name,
        "containerID": cleaned.container_id,
        "removed": cleaned.removed,
        "left": cleaned.left,
        "error": cleaned.error,
    }


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC of unix seconds; empty for 0 (never)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds)) if seconds else ""
