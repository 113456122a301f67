"""What tells pods apart when rules are resolved, and what a resolution comes to. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cni_route.address import AF_INET, Address
from cni_route.filter import Decision
from cni_route.model import OWN_PROTOCOL, KernelRoute, Key, Rule, Verdict


class Nic(NamedTuple):
    """What resolving asks of an interface; gateways are those that it already has."""

    ifindex: int
    up: bool
    ipv4: bool
    ipv6: bool
    gateway4: Address | None = None
    gateway6: Address | None = None
    carrier: bool = True

    def has_family(self, family: int) -> bool:
        """Whether it has an address of the family."""
        return self.ipv4 if family == AF_INET else self.ipv6

    def gateway(self, family: int) -> Address | None:
        """For `via: auto`."""
        return self.gateway4 if family == AF_INET else self.gateway6


class Terms(NamedTuple):
    """What else it is resolved by: the rules of the plugin's configuration, and how to write."""

    own_rules: tuple[Rule, ...] = ()
    paused: bool = False  # nothing is written: what would be applied is only observed
    unfinished: frozenset[str] = frozenset()  # NICs whose CNI chain may still be at work
    protocol: int = OWN_PROTOCOL


class Shape(NamedTuple):
    """All that a resolution depends on besides the view: pods of one shape share it."""

    nics: tuple[tuple[str, Nic], ...]
    decisions: tuple[Decision, ...]  # of the view's filters, in their order
    terms: Terms = Terms()


class Resolution(NamedTuple):
    """What became of all rules in pods of one shape; shared, so never changed.

    `wanted` has None for a key that a rule claims but cannot have just now (its link is down):
    nothing is written there, and nothing given back. `said`: the verdicts by key, under None
    those of rules without a destination. `applied`: the keys of `wanted` that have a route.
    """

    wanted: Mapping[Key, KernelRoute | None] = {}
    said: Mapping[Key | None, tuple[Verdict, ...]] = {}
    applied: frozenset[Key] = frozenset()
