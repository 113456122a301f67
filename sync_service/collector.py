"""The sink of every source: collects objects, and makes the next View of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from cni_route.model import Namespace, Pod, Route, Service, Workload
from cni_route.view import View
from sync_service.sources.sink import Identity, Object, identity
from sync_service.store import Store

__all__ = ["Collector"]

EMPTY_SOURCE = (
    "the source is empty but the snapshot is not: what the snapshot holds stays until something"
    " is in the source; if that is meant, remove the snapshot and start again"
)
K = TypeVar("K")
T = TypeVar("T")


class _Table(Generic[K, T]):
    """The objects of one type, filed as a View has them.

    A change costs no more than a copy of the table, however large it is.
    """

    def __init__(self, key: Callable[[T], K]) -> None:
        self._key = key
        self._things: dict[Identity, T] = {}
        self._filed: dict[K, T] = {}
        self._published: Mapping[K, T] = {}
        self._changed = False

    def put(self, which: Identity, thing: T) -> None:
        old = self._things.get(which)
        if old is not None and self._key(old) != self._key(thing):
            self.drop(which)
        self._things[which] = thing
        self._filed[self._key(thing)] = thing
        self._changed = True

    def drop(self, which: Identity) -> None:
        thing = self._things.pop(which, None)
        if thing is not None and self._filed.get(self._key(thing)) is thing:
            del self._filed[self._key(thing)]
        self._changed = True

    def publish(self) -> Mapping[K, T]:
        """As it is now; never changed any more."""
        if self._changed:
            self._published = self._filed.copy()
            self._changed = False
        return self._published


class Collector:
    """A Sink, of one thread. What the snapshot knew stays until the source was read whole."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._routes = _Table[str, Route](lambda r: r.name)
        self._services = _Table[tuple[str, str], Service](lambda s: (s.namespace, s.name))
        self._pods = _Table[str, Pod](lambda p: p.uid or f"{p.namespace}/{p.name}")
        self._namespaces = _Table[str, Namespace](lambda n: n.name)
        self._workloads = _Table[tuple[str, str, str], Workload](
            lambda w: (w.kind, w.namespace, w.name)
        )
        self._tables: dict[type[Object], _Table[Any, Any]] = {
            Route: self._routes,
            Service: self._services,
            Pod: self._pods,
            Namespace: self._namespaces,
            Workload: self._workloads,
        }
        self._kinds: dict[Identity, type[Object]] = {}  # of everything that is known
        self._kept: set[Identity] = set()  # known by the snapshot alone
        self._pending = False  # something was told since the last view
        self.whole = False  # the last telling was complete in every part
        self._guarded = False  # what a broken part held is known, or everything was read once

    def start_from(self, view: View) -> None:
        """Take over the snapshot's picture."""
        for thing in _things(view):
            self.put(thing)
        self._kept = set(self._kinds)
        self._guarded = bool(self._kept)
        self._pending = False
        self._store.publish(self._view(), False)

    def put(self, thing: Object) -> None:
        """An object as it is now; counts at the next `complete`."""
        which = identity(thing)
        self._tables[type(thing)].put(which, thing)
        self._kinds[which] = type(thing)
        self._kept.discard(which)
        self._pending = True

    def gone(self, which: Identity) -> None:
        """An object was deleted; counts at the next `complete`."""
        kind = self._kinds.pop(which, None)
        if kind is not None:
            self._tables[kind].drop(which)
            self._kept.discard(which)
            self._pending = True

    def complete(self, whole: bool = True) -> None:
        """All that is known has been told. Nothing goes because the source is empty or partial."""
        empty = bool(self._kept) and len(self._kept) == len(self._kinds)
        self._store.trouble("the source", (EMPTY_SOURCE,) if empty else ())
        self.whole = whole and not empty
        if self.whole:
            for which in list(self._kept):
                self.gone(which)
        self._guarded = self._guarded or self.whole
        if self._pending or not self._store.ready or self._guarded != self._store.complete:
            self._pending = False
            # of a part that was never read nothing is known: until it is, routes only come
            self._store.publish(self._view(), self._guarded)

    def trouble(self, place: str, sentences: Sequence[str]) -> None:
        """What is wrong at one place now."""
        self._store.trouble(place, sentences)

    def _view(self) -> View:
        return View(
            self._routes.publish(),
            self._services.publish(),
            self._pods.publish(),
            self._namespaces.publish(),
            self._workloads.publish(),
        )


def _things(view: View) -> Iterator[Object]:
    yield from view.routes.values()
    yield from view.services.values()
    yield from view.pods.values()
    yield from view.namespaces.values()
    yield from view.workloads.values()
