"""The latest that is known of each pod: what the loop leaves, and all that reporters read."""

from __future__ import annotations

from typing import Literal, NamedTuple

from cni_route.model import KernelRoute, Link, Verdict
from cni_route.reconcile import Outcome

__all__ = ["Ledger", "PodState", "State", "state_of"]

State = Literal[
    "ok",  # every rule is in the kernel, or rightly not
    "pending",  # something is waited for: a link, a gateway, a Service, the pod's object
    "failed",  # the last pass failed, or a rule did; it is tried again
    "gone",  # the namespace is no longer there; the record goes once that is confirmed
    "unknown",  # no pass has been made yet
]


class PodState(NamedTuple):
    """One sandbox as its last pass found it."""

    container_id: str
    namespace: str
    name: str
    uid: str
    netns: str  # path of the network namespace
    links: tuple[Link, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    wanted: tuple[KernelRoute, ...] = ()
    actual: tuple[KernelRoute, ...] = ()
    state: State = "unknown"
    error: str = ""  # a sentence; empty: none
    updated: float = 0.0  # unix seconds of that pass


class Ledger:
    """Pod states by container id; every method may be called from any thread.

    A pass costs one assignment: what it left becomes a PodState when somebody asks. Each method
    touches the dictionary once, which is whole for every other thread.
    """

    def __init__(self) -> None:
        self._states: dict[str, PodState | tuple[Outcome, float]] = {}

    def note(self, outcome: Outcome, when: float) -> None:
        """What a pass left, at `when` (unix seconds)."""
        self._states[outcome.record.container_id] = (outcome, when)

    def put(self, state: PodState) -> None:
        """Replace what is known of one sandbox."""
        self._states[state.container_id] = state

    def drop(self, container_id: str) -> None:
        """Forget a sandbox; one that is not known is fine."""
        self._states.pop(container_id, None)

    def get(self, container_id: str) -> PodState | None:
        """What is known of one sandbox."""
        known = self._states.get(container_id)
        return None if known is None else _state(known)

    def pods(self) -> tuple[PodState, ...]:
        """All sandboxes, sorted by namespace, name and container id."""
        states = map(_state, self._states.copy().values())
        return tuple(sorted(states, key=lambda s: (s.namespace, s.name, s.container_id)))


def state_of(outcome: Outcome, when: float) -> PodState:
    """A pass's outcome as reporters read it."""
    record = outcome.record
    verdicts = outcome.verdicts
    return PodState(
        record.container_id,
        record.namespace,
        record.name,
        record.uid,
        record.netns,
        outcome.links,
        verdicts,
        outcome.wanted,
        outcome.actual,
        _word(outcome, verdicts),
        outcome.error,
        when,
    )


def _word(outcome: Outcome, verdicts: tuple[Verdict, ...]) -> State:
    found = {verdict.outcome for verdict in verdicts}
    if outcome.error or "failed" in found:
        return "failed"
    if outcome.retry or found & {"pending", "deferred"}:
        return "pending"
    return "ok"


def _state(known: PodState | tuple[Outcome, float]) -> PodState:
    return known if isinstance(known, PodState) else state_of(*known)
