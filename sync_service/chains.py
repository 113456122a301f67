"""Which NICs of a pod are finished: whatever makes them has put in all that it puts in.

A CNI chain that is still at work must find its keys free: a plugin that adds a route where ours
stands already fails, and the pod does not start. So a NIC that is new is left alone until its own
ADD has come by, or until it has been quiet for a while. No I/O, no clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from cni_route.model import Link

__all__ = ["Chains", "Lore", "Nic", "Waits"]

Nic = tuple[str, int]  # name, interface index
_STRANGE = 20  # so many times as long a NIC must be quiet whose name tells nothing yet


class Waits(NamedTuple):
    """Seconds that a new NIC is left alone."""

    settle: float  # without an event in its namespace
    longest: float  # for its own ADD, where one is expected


class Lore:
    """What this node's pods have taught of NICs by their names: whether ADDs of ours name them."""

    def __init__(self) -> None:
        self.called: set[str] = set()
        self.uncalled: set[str] = set()

    def call(self, names: Iterable[str]) -> None:
        """An ADD named these: others will."""
        self.called.update(names)
        self.uncalled -= self.called

    def silence(self, names: Iterable[str]) -> None:
        """No ADD named these in a pod that has them."""
        self.uncalled.update(set(names) - self.called)


class Chains:
    """The NICs of one sandbox; `finished` are those that the loop may write to."""

    __slots__ = ("_active", "_names", "_new", "finished")

    def __init__(self) -> None:
        self.finished: frozenset[Nic] = frozenset()
        self._new: dict[Nic, float] = {}  # and when they were seen first
        self._names: set[str] = set()  # of NICs that were finished once, under any index
        self._active = float("-inf")  # when something happened last

    def event(self, now: float) -> None:
        """Something happened in the namespace that was not our doing."""
        self._active = now

    def see(self, links: Iterable[Link], now: float) -> None:
        """These are there now."""
        there = {(link.name, link.ifindex) for link in links if not link.loopback}
        self._new = {nic: self._new.get(nic, now) for nic in there - self.finished}
        if not self.finished <= there:
            self.finished &= there

    def finish(self, is_finished: Callable[[str], bool]) -> None:
        """The new NICs whose names are said to be finished are."""
        self._finish([nic for nic in self._new if is_finished(nic[0])])

    def wait(self, lore: Lore, waits: Waits, now: float) -> float | None:
        """Finish what has waited long enough; when to ask again, None: nothing is waited for."""
        if not self._new:
            return None
        ends = {nic: self._end(nic, lore, waits) for nic in self._new}
        done = [nic for nic, end in ends.items() if end <= now]
        lore.silence(name for name, _ in done)
        self._finish(done)
        return min((end for end in ends.values() if end > now), default=None)

    def _end(self, nic: Nic, lore: Lore, waits: Waits) -> float:
        name, since = nic[0], self._new[nic]
        longest = since + waits.longest
        if name in lore.called and name not in self._names:  # one that is made again has no ADD
            return longest
        strange = name not in lore.uncalled and name not in self._names
        quiet = waits.settle * (_STRANGE if strange else 1)
        return min(longest, max(since, self._active) + quiet)

    def _finish(self, nics: Collection[Nic]) -> None:
        if nics:
            self.finished |= frozenset(nics)
            self._names.update(name for name, _ in nics)
            for nic in nics:
                del self._new[nic]
