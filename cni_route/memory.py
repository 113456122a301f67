"""What is remembered of one pod between passes, so that a pass costs only what changed.

Held by whoever makes the passes (the service, one a sandbox); a pass without one starts from
nothing and comes to the same result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cni_route.address import Address
from cni_route.displace import Shade, Shadow, is_backup
from cni_route.kernel import Table
from cni_route.model import KernelRoute, Key, Link, Pod, Rule, Verdict
from cni_route.plan import table_of
from cni_route.record import Displaced, Record
from cni_route.refused import Meaning
from cni_route.resolve import (
    NOTHING,
    Resolved,
    Subject,
    gateways_of,
    kernel_route,
    resolve_key,
    waiting_verdicts,
)
from cni_route.view import Candidate, Compiled, View, compile_own

_NO_RULES = compile_own(())


class Memory:
    """The table after the last pass, what was resolved, and what the kernel refused."""

    def __init__(self) -> None:
        self.doubtful = True
        self.links: Mapping[str, Link] = {}
        self.up: frozenset[int] = frozenset()
        self.table: dict[Key, tuple[KernelRoute, ...]] = {}
        self.previous: dict[Key, tuple[KernelRoute, ...]] = {}
        self.copies: tuple[KernelRoute, ...] = ()
        self.wanted: dict[Key, KernelRoute | None] = {}
        self.refused: dict[Key, Meaning] = {}
        self.pending: frozenset[Key] = frozenset()  # to be tried again in the next pass
        self.keys_changed = True  # whether other keys are applied than the record says
        self.stamp: tuple[int, int] | None = None
        self.record: Record | None = None
        self._resolved: dict[Key, Resolved] = {}
        self._waiting: tuple[Verdict, ...] = ()
        self._own_rules: Compiled = _NO_RULES
        self._foreign: tuple[KernelRoute, ...] = ()
        self._said: dict[Key | None, tuple[Verdict, ...]] = {}
        self._settled = False  # whether `table` is what a whole pass left behind
        self._last: tuple[View, Pod, tuple[Rule, ...], bool] | None = None
        self._seen: tuple[object, ...] = ()

    def doubt(self) -> None:
        """The kernel may hold something else by now: look again in the next pass.

        Called from any thread: a pass forgets its doubts before it looks, never after.
        """
        self.doubtful = True

    def begin(self, protocol: int) -> None:
        """Start a pass: what was refused in the last one is wanted again."""
        again = list(self.refused)
        self.refused = {}
        for key in again:
            self._put(key, self._resolved.get(key, NOTHING), protocol)

    # ------------------------------------------------------------ the table

    def look(self, table: Table, marks: tuple[int, int]) -> None:
        """Read interfaces and main table; `marks` are our protocol and the backups'."""
        self.doubtful = False
        self.previous = self.table if self._settled else {}
        self._settled = False
        self.links = dict(table.links())
        self.up = frozenset(link.ifindex for link in self.links.values() if link.up)
        routes = table.dump()
        self.table = table_of(routes)
        self.copies = tuple(r for r in routes if is_backup(r, marks[1]))
        self._foreign = tuple(r for r in routes if r.protocol not in marks)

    def settle(self, after: Mapping[Key, tuple[KernelRoute, ...]]) -> None:
        """Take over what acknowledged operations made of the lists."""
        self.previous = {}
        for key, routes in after.items():
            if routes:
                self.table[key] = routes
            else:
                self.table.pop(key, None)

    def gateways(
        self, told: Iterable[tuple[str, Address]], displaced: Iterable[KernelRoute]
    ) -> dict[tuple[str, int], Address]:
        """The gateway of each NIC by name and family."""
        return gateways_of(self.links, told, (*self._foreign, *displaced))

    def name_of(self, route: KernelRoute) -> str:
        """The name of a route's (first) device."""
        for link in self.links.values():
            if route.hops and link.ifindex == route.hops[0].dev:
                return link.name
        return "the device"

    # ------------------------------------------------------------ what is wanted

    def is_touched(self, pod: Pod, view: View, rules: tuple[Rule, ...], paused: bool) -> bool:
        """Whether anything that a pass depends on changed since the last one."""
        if self._last is None:
            return True
        last_view, last_pod, last_rules, was_paused = self._last
        if (last_pod, last_rules, was_paused) != (pod, rules, paused):
            return True
        if last_view is view:
            return False
        change = view.change_since(last_view)
        return bool(change.keys or change.surroundings or change.waiting)

    def resolve(
        self, subject: Subject, view: View, rules: tuple[Rule, ...], protocol: int
    ) -> frozenset[Key] | None:
        """Resolve what changed since the last pass; return those keys, None for all."""
        keys = self._to_resolve(subject, view, rules)
        own = self._own_rules.groups
        groups = view.compiled.groups
        chosen = keys if keys is not None else {**self._resolved, **groups, **own}.keys()
        for key in chosen:
            candidates: Sequence[Candidate] = groups.get(key, ())
            if key in own:
                candidates = (*candidates, *own[key])
            self._put(key, resolve_key(candidates, subject) if candidates else NOTHING, protocol)
        return keys

    def _to_resolve(
        self, subject: Subject, view: View, rules: tuple[Rule, ...]
    ) -> frozenset[Key] | None:
        seen = (subject.interfaces, subject.pod, subject.paused, rules)
        everything = seen != self._seen or self._last is None
        self._seen = seen
        if everything:
            self._own_rules = compile_own(rules) if rules else _NO_RULES
        change = None if self._last is None else view.change_since(self._last[0])
        if change is None or everything or change.surroundings:
            self._wait(view, subject)
            return None
        if change.waiting:
            self._wait(view, subject)
        return change.keys

    def _wait(self, view: View, subject: Subject) -> None:
        self._waiting = waiting_verdicts(view.compiled, subject)

    def applied(self) -> tuple[Key, ...]:
        """The keys of the own routes that are in the kernel."""
        return tuple(
            key
            for key, route in self.wanted.items()
            if route is not None and key not in self.refused
        )

    def _put(self, key: Key, resolved: Resolved, protocol: int) -> None:
        had = self.wanted.get(key)
        self._want(key, resolved, protocol)
        if (had is None) != (self.wanted.get(key) is None):
            self.keys_changed = True

    def _want(self, key: Key, resolved: Resolved, protocol: int) -> None:
        if resolved is NOTHING:
            self._resolved.pop(key, None)
            self._said.pop(key, None)
        else:
            self._resolved[key] = resolved
            self._said[key] = resolved.verdicts
        refused = self.refused.get(key)
        if resolved.want is not None and refused is None:
            self.wanted[key] = kernel_route(resolved.want, self.links, protocol)
        elif resolved.held or (refused is not None and refused.passing):
            self.wanted[key] = None
        else:
            self.wanted.pop(key, None)
        if refused is not None:
            self._say_refused(key, refused)

    def refuse(self, key: Key, why: Meaning) -> None:
        """The key cannot be had: not in this pass, and its verdicts say why."""
        self.refused[key] = why
        self.keys_changed = True
        if why.passing or why.code == "CannotDisplace":
            self.wanted[key] = None
        else:
            self.wanted.pop(key, None)
        self._say_refused(key, why)

    def _say_refused(self, key: Key, why: Meaning) -> None:
        self._said[key] = tuple(
            v._replace(outcome="failed", code=why.code, reason=why.reason)
            if v.outcome == "applied"
            else v
            for v in self._said.get(key, ())
        )

    def verdicts(self) -> dict[Key | None, tuple[Verdict, ...]]:
        """All verdicts by key; under None those of rules without a destination."""
        said: dict[Key | None, tuple[Verdict, ...]] = self._said.copy()
        if self._waiting:
            said[None] = self._waiting
        return said

    @property
    def is_fresh(self) -> bool:
        """Whether no pass has ended yet: nothing is known but what record and kernel say."""
        return self._last is None

    def finish(self, view: View, rules: tuple[Rule, ...], pod: Pod, paused: bool) -> None:
        """Note by what this pass went, and what the next one has to try again."""
        self._settled = not self.doubtful
        self._last = (view, pod, rules, paused)
        self.pending = frozenset(self.refused)


# ---------------------------------------------------------------- shadow and record


def bound_shadow(
    displaced: Iterable[Displaced], links: Mapping[str, Link]
) -> tuple[Shadow, tuple[Displaced, ...]]:
    """What is displaced by today's interface indexes, and what has no interface now."""
    shadow: dict[Key, tuple[Shade, ...]] = {}
    unbound = []
    for entry in displaced:
        route = entry.bound(links)
        if route is None:
            unbound.append(entry)
        else:
            shade = Shade(route, entry.behind)
            shadow[route.key] = (*shadow.get(route.key, ()), shade)
    return shadow, tuple(unbound)


def named_shadow(shadow: Shadow, links: Mapping[str, Link]) -> tuple[Displaced, ...]:
    """The shadow with its devices by name, as a record keeps it."""
    names = {link.ifindex: name for name, link in links.items()}
    return tuple(
        Displaced(s.route, tuple(names.get(hop.dev, "") for hop in s.route.hops), s.behind)
        for shades in shadow.values()
        for s in shades
    )
