"""The seam to the kernel: what every table can do, real or fake, and nothing of how.

Errors: every call may raise OSError (ENOENT, ENODEV or EBADF where the namespace is gone).
A dump that the kernel interrupted is repeated inside; what returns is whole or raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from cni_route.model import MAIN_TABLE, Batch, KernelRoute, Link, PolicyRule, Refusal


class ForeignBatch(ValueError):
    """A batch was handed to the table of another namespace; nothing of it was sent."""


class Table(Protocol):
    """One pod's interfaces, routes and policy rules; pins the namespace until closed."""

    @property
    def namespace(self) -> int:
        """The namespace's identity (its inode); batches carry it."""

    def links(self) -> Mapping[str, Link]:
        """Interfaces by name, with their addresses."""

    def dump(self, table: int = MAIN_TABLE) -> tuple[KernelRoute, ...]:
        """All routes of one routing table, both families, in the kernel's order under each key.

        Left out is what the kernel keeps for itself: local, broadcast, multicast and cloned ones.
        """

    def rules(self) -> tuple[PolicyRule, ...]:
        """All policy rules, both families."""

    def apply(self, batch: Batch) -> tuple[Refusal, ...]:
        """Send the operations in their order; return those refused, in that order.

        A refusal does not stop the operations behind it. ForeignBatch for another's batch. An
        OSError (ENOBUFS) leaves open which operations were done: dump again.
        """

    def close(self) -> None:
        """Let go of the namespace; twice is fine."""


class Kernel(Protocol):
    """Opens tables."""

    def open(self, namespace: int) -> Table:
        """The table of an open, checked namespace descriptor (the caller closes that one)."""
