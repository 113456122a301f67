"""What every source speaks to: it tells objects, and when it has told all it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cni_route.model import Namespace, Pod, Route, Service, Workload

__all__ = ["Identity", "Object", "Sink", "identity"]

Object = Route | Service | Pod | Namespace | Workload
Identity = tuple[str, str, str]  # kind, namespace (empty where the kind has none), name


def identity(thing: Object) -> Identity:
    """What makes two tellings one object: kind, namespace and name."""
    if isinstance(thing, Route | Namespace):
        return type(thing).__name__, "", thing.name
    if isinstance(thing, Workload):
        return thing.kind, thing.namespace, thing.name
    return type(thing).__name__, thing.namespace, thing.name


class Sink(Protocol):
    """Takes what a source knows; all calls come from the source's one thread.

    Nothing that was told counts before the next `complete`, so that what belongs together (an
    object that moves from one file to another) never shows half done.
    """

    def put(self, thing: Object) -> None:
        """An object as it is now."""

    def gone(self, which: Identity) -> None:
        """The object was really deleted; one that is not known is fine."""

    def complete(self, whole: bool = True) -> None:
        """All that is known has been told: once after the start, then after every change.

        Not `whole`: a part could not be read (a broken file). What was known of it before, from
        the snapshot, then stays.
        """

    def trouble(self, place: str, sentences: Sequence[str]) -> None:
        """What is wrong at one place (a file, a watch) now; none: nothing any more."""
