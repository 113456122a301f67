"""The latest that is known of each pod: what the loop leaves, and all that reporters read."""

from __future__ import annotations

import threading
from typing import Literal, NamedTuple

from cni_route.model import KernelRoute, Link, Verdict

__all__ = ["Ledger", "PodState", "State"]

State = Literal[
    "ok",  # every rule is in the kernel, or rightly not
    "pending",  # something is waited for: a link, a gateway, a Service, the pod's object
    "failed",  # the last pass failed; it is tried again
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
    """Pod states by container id; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: dict[str, PodState] = {}

    def put(self, state: PodState) -> None:
        """Replace what is known of one sandbox."""
        self._states[state.container_id] = state  # one store: whole for every reader

    def drop(self, container_id: str) -> None:
        """Forget a sandbox; one that is not known is fine."""
        self._states.pop(container_id, None)

    def get(self, container_id: str) -> PodState | None:
        """What is known of one sandbox."""
        return self._states.get(container_id)

    def pods(self) -> tuple[PodState, ...]:
        """All sandboxes, sorted by namespace, name and container id."""
        return tuple(
            sorted(list(self._states.values()), key=lambda s: (s.namespace, s.name, s.container_id))
        )
