"""What is known now: the latest View, whether the source has been read, and what troubles it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from cni_route.model import Pod, Selector
from cni_route.view import EMPTY, View, touched

__all__ = ["POD_WAIT", "News", "Store"]

POD_WAIT = 0.2  # seconds that an ADD waits for its pod, where a filter needs it


class News(NamedTuple):
    """The next View; `touched`: UIDs of the pods that it may concern, None for all."""

    view: View
    touched: frozenset[str] | None
    complete: bool  # the source has been read since the start; before, only the snapshot is known


class Store:
    """Shared by all threads. `deliver` gets every change in order, `log` gets sentences."""

    def __init__(self, deliver: Callable[[News], None], log: Callable[[str], None]) -> None:
        self._deliver = deliver
        self._log = log
        self._troubles: dict[str, tuple[str, ...]] = {}
        self._news = threading.Condition()
        self._view = EMPTY
        self._complete = False
        self._ready = False

    @property
    def view(self) -> View:
        """The latest picture; immutable."""
        return self._view

    @property
    def complete(self) -> bool:
        """Whether the source has been read since the start."""
        return self._complete

    @property
    def ready(self) -> bool:
        """Whether there is something to decide an ADD by: the source, or a snapshot."""
        return self._ready

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the source now: a sentence each, sorted."""
        with self._news:
            return tuple(sorted(s for sentences in self._troubles.values() for s in sentences))

    def publish(self, view: View, complete: bool) -> None:
        """The next picture; called by one thread at a time."""
        first = complete and not self._complete
        news = News(view, None if first else touched(self._view, view), complete)
        with self._news:
            self._view = view
            self._complete = complete
            self._ready = True
            self._news.notify_all()
        self._deliver(news)

    def trouble(self, place: str, sentences: Sequence[str]) -> None:
        """What is wrong at one place now; none: nothing any more."""
        with self._news:
            before = self._troubles.pop(place, ())
            if sentences:
                self._troubles[place] = tuple(sentences)
        for sentence in sentences:
            if sentence not in before:
                self._log(sentence)
        if before and not sentences:
            self._log(f"{place}: is well again")

    def wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Until `condition` holds, asked at every new picture; False after so many seconds."""
        with self._news:
            return self._news.wait_for(condition, seconds)

    def wake(self) -> None:
        """Let everybody who waits ask again."""
        with self._news:
            self._news.notify_all()

    def find_pod(self, namespace: str, name: str, uid: str) -> Pod | None:
        """The pod of an ADD; waited for a moment only where a filter needs to see it."""

        def found() -> bool:
            return self._view.find_pod(namespace, name, uid) is not None

        if not found() and any(map(_needs_pod, _selectors(self._view))):
            self.wait_until(found, POD_WAIT)
        return self._view.find_pod(namespace, name, uid)


def _selectors(view: View) -> list[Selector]:
    return [s for r in view.routes.values() for s in (*r.filter.include, *r.filter.exclude)]


def _needs_pod(selector: Selector) -> bool:
    """Whether it asks for more of a pod than namespace and name, which a request has."""
    if selector.kind == "Namespace":
        return False
    return selector.kind != "Pod" or selector.labels is not None
