"""A sink that remembers: what counts, what was told, and how often."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from sync_service.sources.sink import Identity, Object, identity


class RememberingSink:
    """Holds objects as a store would; `changed` is notified at every `complete`."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.objects: dict[Identity, Object] = {}
        self.troubles: dict[str, tuple[str, ...]] = {}
        self.completed: list[bool] = []
        self.history: list[list[str]] = []  # the names at each `complete`
        self._next: dict[Identity, Object] = {}

    def put(self, thing: Object) -> None:
        self._next[identity(thing)] = thing

    def gone(self, which: Identity) -> None:
        del self._next[which]  # a source must not take back what it never told

    def complete(self, whole: bool = True) -> None:
        with self.changed:
            self.objects = dict(self._next)
            self.completed.append(whole)
            self.history.append(self.names())
            self.changed.notify_all()

    def trouble(self, place: str, sentences: Sequence[str]) -> None:
        with self.changed:
            self.troubles.pop(place, None)
            if sentences:
                self.troubles[place] = tuple(sentences)
            self.changed.notify_all()

    def names(self) -> list[str]:
        """What counts now, as "Kind namespace/name"."""
        return sorted(f"{k} {ns}/{n}" if ns else f"{k} {n}" for k, ns, n in self.objects)
