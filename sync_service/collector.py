"""The sink of every source: collects objects, and makes the next View of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from cni_route.model import Namespace, Pod, Route, Service, Workload
from cni_route.view import View, build
from sync_service.sources.sink import Identity, Object, identity
from sync_service.store import Store

__all__ = ["Collector"]

EMPTY_SOURCE = (
    "the source is empty but the snapshot is not: what the snapshot holds stays until something"
    " is in the source; if that is meant, remove the snapshot and start again"
)
_T = TypeVar("_T", Route, Service, Pod, Namespace, Workload)


class Collector:
    """A Sink, of one thread. What the snapshot knew stays until the source was read whole."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: dict[Identity, Object] = {}
        self._kept: dict[Identity, Object] = {}  # of the snapshot
        self._pending = False  # something was told since the last view
        self.whole = False  # the last telling was complete in every part

    def start_from(self, view: View) -> None:
        """Take over the snapshot's picture."""
        self._kept = {identity(thing): thing for thing in _things(view)}
        self._store.publish(view, False)

    def put(self, thing: Object) -> None:
        """An object as it is now; counts at the next `complete`."""
        self._told[identity(thing)] = thing
        self._pending = True

    def gone(self, which: Identity) -> None:
        """An object was deleted; counts at the next `complete`."""
        self._told.pop(which, None)
        self._kept.pop(which, None)
        self._pending = True

    def complete(self, whole: bool = True) -> None:
        """All that is known has been told. Nothing goes because the source is empty or partial."""
        empty = bool(self._kept) and not self._told
        self._store.trouble("the source", (EMPTY_SOURCE,) if empty else ())
        self.whole = whole and not empty
        if self.whole and self._kept:
            self._kept = {}
            self._pending = True
        if self._pending or not self._store.complete:
            self._pending = False
            self._store.publish(self._view(), True)

    def trouble(self, place: str, sentences: Sequence[str]) -> None:
        """What is wrong at one place now."""
        self._store.trouble(place, sentences)

    def _view(self) -> View:
        things = list({**self._kept, **self._told}.values())

        def of(kind: type[_T]) -> list[_T]:
            return [thing for thing in things if isinstance(thing, kind)]

        return build(of(Route), of(Service), of(Pod), of(Namespace), of(Workload))


def _things(view: View) -> Iterator[Object]:
    yield from view.routes.values()
    yield from view.services.values()
    yield from view.pods.values()
    yield from view.namespaces.values()
    yield from view.workloads.values()
