"""When to look at what again; no threads, no clock of its own."""

from __future__ import annotations

import heapq
import random
from collections.abc import Hashable
from typing import Generic, TypeVar

__all__ = ["Agenda", "Calm", "pause"]

K = TypeVar("K", bound=Hashable)

_SHORTEST = 0.002  # seconds between two looks at a pod that does not come to rest
_LONGEST = 1.0
_REST = 2.0  # seconds without an event after which a pod is at rest


class Agenda(Generic[K]):
    """Keys with the time at which each is due; of two times of one key the earlier stands."""

    def __init__(self) -> None:
        self._times: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []  # may hold times that no longer stand
        self._count = 0

    def add(self, key: K, when: float) -> None:
        """Let `key` be due at `when`, unless it is due earlier already."""
        if when < self._times.get(key, float("inf")):
            self._times[key] = when
            self._count += 1  # keys need not be comparable
            heapq.heappush(self._heap, (when, self._count, key))

    def __contains__(self, key: K) -> bool:
        return key in self._times

    def drop(self, key: K) -> None:
        """Forget a key; one that is not there is fine."""
        self._times.pop(key, None)

    def next(self) -> float | None:
        """When the next key is due; None: nothing is."""
        while self._heap:
            when, _, key = self._heap[0]
            if self._times.get(key) == when:
                return when
            heapq.heappop(self._heap)
        return None

    def take(self, now: float) -> list[K]:
        """The keys due by `now`, the earliest first; they are no longer on the agenda."""
        due = []
        while (when := self.next()) is not None and when <= now:
            key = heapq.heappop(self._heap)[2]
            del self._times[key]
            due.append(key)
        return due


def pause(failures: int, base: float, cap: float, random: random.Random) -> float:
    """Seconds to wait after so many failures in a row (1 or more): doubled, capped, jittered."""
    longest = min(cap, base * 2.0 ** min(failures - 1, 60))
    return longest * random.uniform(0.5, 1.0)


class Calm:
    """Spaces the looks at a pod whose table never rests (a routing daemon, a fight).

    The first event is acted upon at once; while they keep coming, the pauses grow.
    """

    __slots__ = ("_last", "_pause")

    def __init__(self) -> None:
        self._last = float("-inf")
        self._pause = 0.0

    def event(self, now: float) -> float:
        """When to act on an event that comes at `now`; the look is then counted as made."""
        if now >= self._last + max(_REST, self._pause):
            self._pause = 0.0
        when = max(now, self._last + self._pause)
        self._last = when
        self._pause = min(_LONGEST, max(_SHORTEST, self._pause * 2))
        return when
