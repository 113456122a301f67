"""What the service keeps of a sandbox between passes."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from cni_route.memory import Memory
from cni_route.model import Link
from cni_route.record import Record
from sync_service.agenda import Calm
from sync_service.chains import Chains

__all__ = ["Pod"]


class Pod:
    """One sandbox; `lock` is held by whoever makes a pass over it."""

    __slots__ = (
        "calm",
        "chains",
        "due",
        "failures",
        "heard",
        "links",
        "lock",
        "memory",
        "record",
        "said",
        "written",
    )

    def __init__(self, record: Record) -> None:
        self.record = record
        self.memory = Memory()
        self.lock = threading.Lock()
        self.calm = Calm()
        self.chains = Chains()
        self.links: Mapping[str, Link] | None = None  # of the last pass; None: none was made
        self.due: float | None = None  # monotonic time: new NICs have waited long enough then
        self.failures = 0  # passes in a row that left something to be tried again
        self.heard = False  # its namespace's events reach us
        self.said = ""  # what was last logged of it
        self.written = 0  # operations acknowledged in the last pass

    @property
    def name(self) -> str:
        """namespace/name, or the container id where they are not known."""
        record = self.record
        return f"{record.namespace}/{record.name}" if record.name else record.container_id

    def renew(self, record: Record) -> None:
        """Go by this record from now on; another namespace means that nothing else holds."""
        if record.inode != self.record.inode:
            self.memory = Memory()
            self.chains = Chains()
            self.links = None
            self.heard = False
        self.record = record
