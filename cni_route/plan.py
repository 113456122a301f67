"""Wants and a table → ordered operations. Pure: nothing is asked of the kernel, nothing kept.

The order in which the steps go out is the type's: what is displaced is recorded, then copied
(`backups`), then `changes` go in, and only when all that is acknowledged copies that are no longer
needed go (`releases`). Applied to the table it was planned for, a second plan is empty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from cni_route.address import AF_INET, AF_INET6
from cni_route.displace import Shade, Shadow, backups_of, why_not
from cni_route.model import BACKUP_PROTOCOL, OWN_PROTOCOL, KernelRoute, Key, Operation
from cni_route.slot import (
    Slot,
    exchange,
    hit_by_replace,
    is_gatewayed,
    is_same,
    missing_part,
)

Wanted = Mapping[Key, KernelRoute | None]  # None: claimed, but cannot be had just now
Table = Mapping[Key, Sequence[KernelRoute]]  # under each key in the kernel's order


class Situation(NamedTuple):
    """The table as it is, and what is remembered of it."""

    actual: Table
    copies: tuple[KernelRoute, ...] = ()  # the backups among them
    shadow: Shadow = {}  # noqa: RUF012 - never written to
    previous: Table = {}  # noqa: RUF012 - the table after our last pass, where it is known
    up: frozenset[int] = frozenset()  # interface indexes that can carry a route
    blocked: frozenset[KernelRoute] = frozenset()  # displaced routes that the kernel refused
    frozen: str = ""  # why nothing more may be displaced; empty where it may
    own: int = OWN_PROTOCOL
    backup: int = BACKUP_PROTOCOL


class Steps(NamedTuple):
    """What to do, in the order of the fields."""

    displaced: Shadow  # to be recorded before anything is sent
    backups: tuple[Operation, ...]
    changes: tuple[Operation, ...]
    releases: tuple[Operation, ...]  # only after the changes were acknowledged
    kept: Shadow  # what is still displaced when all is done
    after: dict[Key, tuple[KernelRoute, ...]]  # the lists that changes leave, by changed key
    failures: dict[Key, str]  # keys that cannot be had, and why
    again: bool  # what there is to do can only be seen after this: dump, and plan once more

    @property
    def empty(self) -> bool:
        """Whether there is nothing to send."""
        return not (self.backups or self.changes or self.releases)


def plan(
    wanted: Wanted,
    situation: Situation,
    keys: Iterable[Key] | None = None,
    only_add: bool = False,
) -> Steps:
    """Plan all keys, or (with `keys`) only those; `only_add` takes no own route out."""
    chosen = _all_keys(wanted, situation) if keys is None else list(keys)
    planner = _Planner(wanted, situation, only_add)
    for key in chosen:
        planner.key(key)
    return planner.steps()


def table_of(routes: Iterable[KernelRoute]) -> dict[Key, tuple[KernelRoute, ...]]:
    """A dump, filed by key in its order; source-specific IPv6 routes are nobody's rivals."""
    lists: dict[Key, list[KernelRoute]] = {}
    for route in routes:
        if route.source is None:
            lists.setdefault(route.key, []).append(route)
    return {key: tuple(found) for key, found in lists.items()}


def _all_keys(wanted: Wanted, situation: Situation) -> list[Key]:
    keys = dict.fromkeys(wanted)
    keys.update(dict.fromkeys(situation.shadow))
    for key, routes in situation.actual.items():
        if key not in keys and any(route.protocol == situation.own for route in routes):
            keys[key] = None
    return list(keys)


class _Planner:
    """Collects the keys' operations; one plan, then thrown away."""

    def __init__(self, wanted: Wanted, situation: Situation, only_add: bool) -> None:
        self.wanted = wanted
        self.now = situation
        self.only_add = only_add
        self.shadow = dict(situation.shadow)
        self.recorded = dict(situation.shadow)
        self.slots: dict[Key, Slot] = {}
        self.exchanges: dict[Key, tuple[KernelRoute, KernelRoute]] = {}  # there, new
        self.failures: dict[Key, str] = {}
        self.again = False

    def key(self, key: Key) -> None:
        routes = self.now.actual.get(key, ())
        want = self.wanted.get(key)
        if want is not None and len(routes) == 1 and key not in self.shadow:
            # nearly all keys of nearly all passes: nothing there but what we wrote
            there = routes[0]
            if there is want or there == want:
                return
            if there.protocol == self.now.own and len(there.hops) == 1:
                self.exchanges[key] = (there, want)
                return
        slot = Slot(routes)
        supersede(self.shadow, key, slot.routes, self.now)
        if want is not None:
            self._settle(slot, want)
        elif key in self.wanted:
            self._step_out(slot, self._own(slot))
        elif not self.only_add:
            self._give_back(slot, key)
        if slot.operations:
            self.slots[key] = slot

    def _own(self, slot: Slot) -> list[KernelRoute]:
        return [route for route in slot.routes if route.protocol == self.now.own]

    def _foreign(self, slot: Slot) -> list[KernelRoute]:
        return [route for route in slot.routes if route.protocol != self.now.own]

    # -------------------------------------------------------- a key that is wanted

    def _settle(self, slot: Slot, want: KernelRoute) -> None:
        own = self._own(slot)
        if not own and want.key not in self.shadow and self._satisfied(slot, want):
            return
        if want.key.family == AF_INET:
            self._settle4(slot, want, own)
        else:
            self._settle6(slot, want, own)

    def _satisfied(self, slot: Slot, want: KernelRoute) -> bool:
        """Whether a foreign route already is what is wanted, and is the one that counts."""
        if not slot.routes or not is_same(slot.routes[0], want):
            return False
        return want.key.family == AF_INET or len(slot.routes) == 1

    def _settle4(self, slot: Slot, want: KernelRoute, own: list[KernelRoute]) -> None:
        """IPv4: the first of a key counts. What stands before ours is displaced, no more."""
        if own:
            ours = own[0]
            before = slot.routes[: slot.routes.index(ours)]
            if before and not self._displace(slot, want.key, before):
                return
            for route in before:
                slot.drop(route)
            for other in own[1:]:
                slot.drop(other)
            if ours != want:
                slot.swap(ours, want)
            self._keep_behind(slot, want.key)
        elif not slot.routes or self._stood_behind(want.key, slot.routes[0]):
            slot.put(want)
        elif self._displace(slot, want.key, slot.routes[:1]):
            slot.swap(slot.routes[0], want)

    def _keep_behind(self, slot: Slot, key: Key) -> None:
        """What stands behind ours is none of our business, but is remembered with the displaced.

        Unless it is a displaced route itself, which somebody wrote again: it has its place in
        the shadow, and goes back there.
        """
        shades = self.shadow.get(key)
        if shades is None:
            return
        known = {shade.route for shade in shades}
        for route in self._foreign(slot):
            if route in known:
                slot.drop(route)
        behind = tuple(self._foreign(slot))
        if any(shade.behind != behind for shade in shades):
            self.shadow[key] = tuple(shade._replace(behind=behind) for shade in shades)
            self.recorded[key] = self.shadow[key]

    def _settle6(self, slot: Slot, want: KernelRoute, own: list[KernelRoute]) -> None:
        """IPv6: any route of a key may be chosen, so all foreign ones are in the way."""
        if self._step_out(slot, own):
            return
        foreign = self._foreign(slot)
        if foreign and not self._displace(slot, want.key, foreign):
            return
        if want in own:
            rest = [route for route in slot.routes if route != want]
        else:
            # whatever REPLACE hits is either ours or recorded by now
            hit = hit_by_replace(slot.routes, want)
            if hit is None:
                slot.put(want)
            else:
                slot.swap(slot.routes[hit], want)
            rest = [route for route in slot.routes if route != want]
        for route in rest:
            slot.drop(route)

    def _step_out(self, slot: Slot, own: list[KernelRoute]) -> bool:
        """Leave an IPv6 multipath that a foreign route was merged into ours to make.

        Only ours carry our protocol, so the hops that are not ours are not hit (ESRCH); what is
        left is the foreign route as its owner wrote it, and is seen in the next dump.
        """
        merged = [route for route in own if len(route.hops) > 1]
        for route in merged:
            for hop in route.hops:
                slot.operations.append(Operation("delete", route._replace(hops=(hop,))))
        self.again = self.again or bool(merged)
        return bool(merged)

    def _stood_behind(self, key: Key, first: KernelRoute) -> bool:
        """Whether the foreign route that is first now stood behind ours before ours vanished."""
        if first.protocol in (self.now.own, self.now.backup) or key not in self.shadow:
            return False
        if any(first in shade.behind for shade in self.shadow[key]):
            return True
        before = self.now.previous.get(key, ())
        return first in before and before[0].protocol == self.now.own

    def _displace(self, slot: Slot, key: Key, foreign: Sequence[KernelRoute]) -> bool:
        """Put foreign routes into the shadow; False (and a failure) where one cannot be."""
        there = self.shadow.get(key, ())
        known = [shade.route for shade in there]
        new = [part for part in (missing_part(route, known) for route in foreign) if part]
        for route in foreign:
            reason = why_not(route) or (self.now.frozen if new else "")
            if reason:
                self.failures[key] = reason
                return False
        behind = tuple(r for r in slot.routes if r not in foreign and r.protocol != self.now.own)
        shades = tuple(Shade(route, behind) for route in new)
        # the order of the foreign list: IPv4 adds in front of it, IPv6 behind
        self.shadow[key] = shades + there if key.family == AF_INET else there + shades
        self.recorded[key] = self.shadow[key]
        return True

    # -------------------------------------------------------- a key that nobody wants

    def _give_back(self, slot: Slot, key: Key) -> None:
        own = self._own(slot)
        if key.family == AF_INET6 and self._step_out(slot, own):
            return
        shades = [shade.route for shade in self.shadow.get(key, ())]
        back = [
            route
            for route in shades
            if missing_part(route, self._foreign(slot))
            and self._alive(route)
            and route not in self.now.blocked
        ]
        if own and back and self._clear(slot, key, own[0]):
            return
        self._put_back(slot, own, back)
        rest = tuple(
            s for s in self.shadow.get(key, ()) if missing_part(s.route, self._foreign(slot))
        )
        if rest:
            self.shadow[key] = rest
        else:
            self.shadow.pop(key, None)

    def _clear(self, slot: Slot, key: Key, ours: KernelRoute) -> bool:
        """Displace what came beside ours meanwhile, so that all goes back in its old order.

        True where that is to be done first: the rest follows in the next round.
        """
        beside = self._foreign(slot)
        if key.family == AF_INET:
            beside = slot.routes[: slot.routes.index(ours)]
        if not beside or not self._displace(slot, key, beside):
            return False
        for route in beside:
            slot.drop(route)
        self.again = True
        return True

    def _put_back(self, slot: Slot, own: list[KernelRoute], back: list[KernelRoute]) -> None:
        # IPv4 puts in front, so the last of the foreign list goes in first
        if back and back[0].key.family == AF_INET:
            back = back[::-1]
        for index, route in enumerate(back):
            part = missing_part(route, self._foreign(slot))
            if part is None:
                continue
            if index == 0 and own:
                self._stand_down(slot, own.pop(0), part)
            else:
                slot.put(part)
        slot.take_all(own)

    def _stand_down(self, slot: Slot, ours: KernelRoute, back: KernelRoute) -> None:
        """Let the displaced route have the place of ours.

        The hops of an IPv6 multipath must lie side by side: a route between them is left out of
        dumps. So beside other routes it goes behind them, whole; until then those carry on.
        """
        if len(back.hops) > 1 and len(slot.routes) > 1 and back.key.family == AF_INET6:
            slot.drop(ours)
            slot.put(back)
        else:
            slot.swap(ours, back)

    def _alive(self, route: KernelRoute) -> bool:
        return all(hop.dev in self.now.up or not hop.dev for hop in route.hops)

    # -------------------------------------------------------- all together

    def steps(self) -> Steps:
        backups, releases = self._copies()
        after = {key: tuple(slot.routes) for key, slot in self.slots.items()}
        after.update((key, (new,)) for key, (_, new) in self.exchanges.items())
        return Steps(
            displaced=self.recorded,
            backups=backups,
            changes=self._changes(),
            releases=releases,
            kept=self.shadow,
            after=after,
            failures=self.failures,
            again=self.again,
        )

    def _changes(self) -> tuple[Operation, ...]:
        """Routes that go in before those that only go out; link scope before gatewayed.

        A gateway must be reachable when its route is written, and what replaces a route is in
        before anything is taken. The operations of one key stay together.
        """
        near: list[Operation] = []
        far: list[Operation] = []
        takes: list[Operation] = []
        for there, new in self.exchanges.values():
            (far if is_gatewayed(new) else near).append(exchange(there, new))
        for slot in self.slots.values():
            where = takes if slot.takes_only else far if slot.gatewayed else near
            where.extend(slot.operations)
        return (*near, *far, *takes)

    def _copies(self) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
        """Backups to put in before the changes, and those to release after them."""
        shades = [shade for there in self.shadow.values() for shade in there]
        if not shades and not self.now.copies:
            return (), ()
        wanted = [
            copy for copies in backups_of(shades, self.now.backup).values() for copy in copies
        ]
        puts = [
            Operation("append", part)
            for copy in wanted
            if self._alive(copy) and (part := missing_part(copy, self.now.copies))
        ]
        if self.only_add:
            return tuple(puts), ()
        extra = [part for copy in self.now.copies if (part := missing_part(copy, wanted))]
        return tuple(puts), tuple(Operation("delete", part) for part in extra)


def supersede(
    shadow: dict[Key, tuple[Shade, ...]],
    key: Key,
    routes: Sequence[KernelRoute],
    now: Situation,
) -> None:
    """Let a newcomer stand for the displaced route that it has replaced meanwhile.

    The evidence: our route stood alone in its place after our last pass, and now a foreign route
    stands exactly there, all else as it was. Without us, that `replace` would have hit one of the
    displaced routes.
    """
    shades = shadow.get(key)
    before = now.previous.get(key)
    if not shades or not before or not routes or len(before) != len(routes):
        return
    changed = [index for index, route in enumerate(routes) if before[index] != route]
    if len(changed) != 1 or before[changed[0]].protocol != now.own:
        return
    newcomer = routes[changed[0]]
    if newcomer.protocol == now.own or any(newcomer == shade.route for shade in shades):
        return
    index = hit_by_replace([shade.route for shade in shades], newcomer)
    assert index is not None
    place = Shade(newcomer, shades[index].behind)
    shadow[key] = (*shades[:index], place, *shades[index + 1 :])
