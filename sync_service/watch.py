"""What happens in pods' namespaces marks the pods: links, addresses, routes, policy rules."""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Callable, Iterable
from typing import Protocol

from cni_route.netlink.events import Event, assign_nsid

__all__ = ["Ears", "Watch"]

_log = logging.getLogger(__name__)


class Ears(Protocol):
    """A Listener."""

    def fileno(self) -> int:
        """Readable when there is something to hear."""

    def read(self) -> Iterable[Event]:
        """What has come; never waits."""

    def close(self) -> None:
        """Stop listening."""


class Watch:
    """One thread listens for all pods (`run`); sandboxes become known from any thread.

    `event` gets the container id of a pod in which something happened, and whether a link or an
    address changed (or events were lost, so that it is not known); `lost` is called when events
    were lost anywhere.
    """

    def __init__(
        self,
        ears: Ears,
        *,
        event: Callable[[str, bool], None],
        lost: Callable[[], None],
        nsid_of: Callable[[int], int] = assign_nsid,
    ) -> None:
        self._ears = ears
        self._event = event
        self._lost = lost
        self._nsid_of = nsid_of
        self._lock = threading.Lock()
        self._sandboxes: dict[int, str] = {}  # the newest by nsid: the kernel uses ids again
        self._nsids: dict[str, int] = {}
        self._unheard: set[str] = set()  # that was said of them

    def learn(self, container_id: str, descriptor: int) -> bool:
        """Let the events of this namespace mark that sandbox; whether they can be heard."""
        try:
            nsid = self._nsid_of(descriptor)
        except OSError as error:
            if container_id not in self._unheard:
                self._unheard.add(container_id)
                words = "%s: its events cannot be heard, sweeps must do: %s"
                _log.warning(words, container_id, error.strerror)
            return False
        with self._lock:
            self._sandboxes[nsid] = container_id
            self._nsids[container_id] = nsid
        return True

    def forget(self, container_id: str) -> None:
        """The sandbox is no longer there; one that is not known is fine."""
        self._unheard.discard(container_id)
        with self._lock:
            nsid = self._nsids.pop(container_id, None)
            if nsid is not None and self._sandboxes.get(nsid) == container_id:
                del self._sandboxes[nsid]

    def run(self, stop: int) -> None:
        """Listen until the descriptor `stop` is readable."""
        poll = select.poll()
        poll.register(stop, select.POLLIN)
        poll.register(self._ears, select.POLLIN)
        try:
            while stop not in [descriptor for descriptor, _ in poll.poll()]:
                self._hear(self._ears.read())
        finally:
            self._ears.close()

    def _hear(self, events: Iterable[Event]) -> None:
        """Level-triggered: that something happened is all that counts, once a pod."""
        nsids: dict[int, bool] = {}  # and whether a link or an address changed there
        for event in events:
            if event.nsid is not None:
                of_link = event.kind not in ("route", "rule")
                nsids[event.nsid] = nsids.get(event.nsid, False) or of_link
        if any(event.nsid is None and event.kind == "overrun" for event in events):
            _log.warning("events were lost: every pod is looked at again")
            self._lost()
            return
        for nsid, link_changed in nsids.items():
            container_id = self._sandboxes.get(nsid)
            if container_id is not None:  # else no pod of ours
                self._event(container_id, link_changed)
