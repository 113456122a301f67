"""How a pass works, and what it leaves behind: values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cni_route.model import (
    BACKUP_PROTOCOL,
    OWN_PROTOCOL,
    KernelRoute,
    Key,
    Link,
    Operation,
    Verdict,
)
from cni_route.record import Displaced, Record


class Options(NamedTuple):
    """How a pass works. `dry` writes nothing; `only_add` takes no own route out."""

    protocol: int = OWN_PROTOCOL
    backup_protocol: int = BACKUP_PROTOCOL
    dry: bool = False
    only_add: bool = False
    paused: bool = False  # dry, and the verdicts say so
    bare: bool = False  # without the rules of the plugin's own configuration (cleanup)
    # NICs that are left alone, as their CNI chain may still be at work: those of these names, and
    # (where it is given) those whose name and interface index are not in `finished`
    unfinished: frozenset[str] = frozenset()
    finished: frozenset[tuple[str, int]] | None = None


DEFAULTS = Options()


class Outcome(NamedTuple):
    """What a pass left behind. The mappings may be shared with other pods: nobody changes them.

    `written`: operations that the kernel acknowledged. `planned`: what a dry pass would have
    sent. `retry`: something is not as wanted that a later pass may mend by itself. `error`: why
    the pass could not be done or finished, '' if it was.
    """

    record: Record
    verdicts_by_key: Mapping[Key | None, tuple[Verdict, ...]]
    wanted_by_key: Mapping[Key, KernelRoute | None]
    actual_by_key: Mapping[Key, tuple[KernelRoute, ...]]
    links_by_name: Mapping[str, Link]
    written: int = 0
    planned: tuple[Operation, ...] = ()
    retry: bool = False
    error: str = ""
    owed: tuple[Displaced, ...] = ()  # displaced, no longer by a rule, and not yet put back

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts of the pod."""
        return tuple(v for verdicts in self.verdicts_by_key.values() for v in verdicts)

    @property
    def wanted(self) -> tuple[KernelRoute, ...]:
        """The own routes that the pod should have."""
        return tuple(route for route in self.wanted_by_key.values() if route is not None)

    @property
    def actual(self) -> tuple[KernelRoute, ...]:
        """The main table, under each key in the kernel's order."""
        return tuple(route for routes in self.actual_by_key.values() for route in routes)

    @property
    def links(self) -> tuple[Link, ...]:
        """The pod's interfaces, loopback among them."""
        return tuple(self.links_by_name.values())
