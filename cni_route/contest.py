"""Keys that somebody keeps taking from us: counted, then left to the rival for a while. Pure.

A route of ours that is taken five times within a minute is contested: taking it back at once
would be a fight that nobody wins. The tries go on for ever, at pauses that grow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cni_route.model import KernelRoute, Key
from cni_route.refused import Meaning

TIMES = 5
WITHIN = 60.0  # seconds
SHORTEST = 5.0  # seconds that a contested key is left alone
LONGEST = 300.0
_NAMES = {2: "kernel", 3: "boot", 4: "static", 9: "ra", 11: "zebra", 12: "bird", 16: "dhcp"}

Routes = Mapping[Key, tuple[KernelRoute, ...]]


class _Standing(NamedTuple):
    """How it stands with one key; times in seconds of a clock that only goes forward."""

    taken: tuple[float, ...]  # when, the latest last
    by: str
    pause: float = 0.0  # the last one
    until: float = 0.0  # left alone till then


class Contest:
    """Who took what of one pod; `now` is the time of the call, in seconds."""

    def __init__(self) -> None:
        self._keys: dict[Key, _Standing] = {}

    def look(
        self, before: Routes, after: Routes, wanted: Mapping[Key, KernelRoute | None], now: float
    ) -> None:
        """Note which of our routes are gone from the front of their key since the last pass.

        To be called only where no link or address changed between the two tables: what the
        kernel takes then is nobody's doing.
        """
        for key, want in wanted.items():
            had, has = before.get(key, ()), after.get(key, ())
            if had is has or want is None or had[:1] != (want,) or has[:1] == (want,):
                continue
            self._note(key, _by(has), now)

    def _note(self, key: Key, by: str, now: float) -> None:
        old = self._keys.get(key, _Standing((), by))
        recent = tuple(t for t in (*old.taken, now) if t > now - WITHIN)[-TIMES:]
        standing = old._replace(taken=recent, by=by)
        if len(recent) == TIMES:
            pause = min(LONGEST, max(SHORTEST, old.pause * 2))
            standing = standing._replace(taken=recent[1:], pause=pause, until=now + pause)
        self._keys[key] = standing

    def standing(self, now: float) -> dict[Key, Meaning]:
        """The keys to leave alone now, and why; forgets what is long at peace."""
        if not self._keys:
            return {}
        self._keys = {
            key: s
            for key, s in self._keys.items()
            if now < max(s.until + LONGEST, s.taken[-1] + WITHIN)
        }
        return {
            key: Meaning(
                "Contested",
                f"{s.by} {TIMES} times within {WITHIN:.0f} s; "
                f"left alone for {s.until - now:.0f} s, then tried again",
                passing=True,
            )
            for key, s in self._keys.items()
            if now < s.until
        }


def _by(routes: tuple[KernelRoute, ...]) -> str:
    if not routes:
        return "somebody deleted it"
    number = routes[0].protocol
    name = _NAMES.get(number)
    return f"a route of protocol {f'{name} ({number})' if name else number} took its place"
