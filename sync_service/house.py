"""What a query may read, and the little it may do: the parts of the running service."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from cni_route.view import View
from sync_service.ledger import Ledger, PodState
from sync_service.settings import Settings

__all__ = ["Cleaned", "House", "Loop", "Store"]


class Cleaned(NamedTuple):
    """What `cleanup` left in one pod: nothing own where `left` is 0 and `error` is empty."""

    container_id: str
    namespace: str
    name: str
    removed: int  # operations that the kernel acknowledged (removals and restored routes)
    left: int  # own routes and policy rules that are still there
    error: str = ""


class Store(Protocol):
    """What the source has told."""

    @property
    def view(self) -> View:
        """The latest picture; immutable, so a query takes it once."""

    @property
    def complete(self) -> bool:
        """Whether the source has been read whole since the start (else: from the snapshot)."""

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the source now: a sentence each, sorted."""


class Loop(Protocol):
    """The one that changes pods."""

    @property
    def paused(self) -> bool:
        """Whether nothing is written (setting `paused`, or after a cleanup)."""

    def look(self, container_id: str) -> PodState | None:
        """A dry pass now: what that pod has and should have; None where it is not known.

        Finishes what is pending for the pod first; waits for its writer up to a read timeout,
        then answers with what the ledger has.
        """

    def cleanup(self) -> tuple[Cleaned, ...]:
        """Take all that is ours out of every sandbox, restore what was displaced, stay paused.

        Paused until the service is started again or gets SIGHUP.
        """


class House(NamedTuple):
    """The running service, as queries see it."""

    ledger: Ledger
    store: Store
    loop: Loop
    settings: Settings
