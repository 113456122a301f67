"""A view, a pod and its interfaces → what the pod should have, and a verdict a rule. Pure.

Decided key by key, because rules of different keys never compete: a pass after a change asks only
for the keys that changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cni_route.address import AF_INET, AF_INET6, Address
from cni_route.filter import Known, decide
from cni_route.model import (
    SCOPE_LINK,
    SCOPE_UNIVERSE,
    TYPE_UNICAST,
    Filter,
    Hop,
    KernelRoute,
    Link,
    Outcome,
    Pod,
    Rule,
    Verdict,
    Want,
)
from cni_route.view import Candidate, Compiled

EVERY_POD = Filter()


class Interfaces(NamedTuple):
    """The pod's NICs by name, and the gateway that each already has, by name and family."""

    links: Mapping[str, Link]
    gateways: Mapping[tuple[str, int], Address]


class Subject(NamedTuple):
    """For whom it is resolved."""

    pod: Pod
    interfaces: Interfaces
    known: Known
    paused: bool = False  # nothing is written: what would be applied is only observed


class Resolved(NamedTuple):
    """What became of one key.

    `want` is the winner's route. Without one, `held` tells that a rule still claims the key but
    cannot have its route just now (its link is down): nothing is written, nothing given back.
    """

    want: Want | None
    held: bool
    verdicts: tuple[Verdict, ...]


NOTHING = Resolved(None, False, ())


def resolve_key(candidates: Iterable[Candidate], subject: Subject) -> Resolved:
    """Decide one key among its candidates, which come best rank first."""
    winner: Candidate | None = None
    want: Want | None = None
    held = False
    verdicts: list[Verdict] = []
    for candidate in candidates:
        refused = _unfit(candidate, subject)
        if refused is not None:
            verdicts.append(refused)
            continue
        via = _gateway(candidate, subject.interfaces)
        if isinstance(via, Verdict):
            verdicts.append(via)
            continue
        asked = _want(candidate, via)
        if candidate.observe:
            verdicts.append(_observed(candidate, subject))
        elif winner is None:
            winner, want = candidate, asked
            down = not subject.interfaces.links[candidate.rule.dev].up
            held = down
            verdicts.append(_link_down(candidate) if down else _granted(candidate, subject))
        elif asked == want:
            verdicts.append(_granted(candidate, subject))
        else:
            verdicts.append(_beaten(candidate, winner))
    return Resolved(None if held else want, held, tuple(verdicts))


def waiting_verdicts(compiled: Compiled, subject: Subject) -> tuple[Verdict, ...]:
    """Verdicts of the rules that have no destination yet."""
    verdicts = []
    for item in compiled.waiting:
        left_out = _left_out(item.filter, item.verdict, subject)
        no_device = _no_device(item.rule, item.verdict, subject)
        verdicts.append(left_out or no_device or item.verdict)
    return tuple(verdicts)


def kernel_route(want: Want, links: Mapping[str, Link], protocol: int) -> KernelRoute:
    """The want as the kernel will show it: by interface index, scope and metric normalised."""
    scope = SCOPE_LINK if want.via is None and want.key.family == AF_INET else SCOPE_UNIVERSE
    hop = Hop(links[want.dev].ifindex, want.via, 1, want.onlink)
    return KernelRoute(want.key, (hop,), protocol, scope, TYPE_UNICAST, want.src, want.mtu)


def gateways_of(
    links: Mapping[str, Link],
    told: Iterable[tuple[str, Address]],
    foreign: Iterable[KernelRoute],
) -> dict[tuple[str, int], Address]:
    """The gateway that each NIC already has, for `via: auto`.

    `told` comes from the CNI results and wins; then the foreign gatewayed routes, default routes
    first, displaced ones among them; never our own and never backups.
    """
    names = {link.ifindex: name for name, link in links.items()}
    found: dict[tuple[str, int], Address] = {}
    for dev, gateway in told:
        found.setdefault((dev, gateway.family), gateway)
    for route in sorted(foreign, key=lambda r: (r.key.dst.length > 0, r.key.metric)):
        for hop in route.hops:
            name = names.get(hop.dev)
            if name is not None and hop.via is not None:
                found.setdefault((name, hop.via.family), hop.via)
    return found


# ---------------------------------------------------------------- one candidate


def _unfit(candidate: Candidate, subject: Subject) -> Verdict | None:
    """Why the rule is not for this pod, or None."""
    left_out = _left_out(candidate.filter, candidate.applied, subject)
    if left_out is not None:
        return left_out
    missing = _no_device(candidate.rule, candidate.applied, subject)
    if missing is not None:
        return missing
    rule, family = candidate.rule, candidate.key.family
    link = subject.interfaces.links[rule.dev]
    # a link that is down has lost its IPv6 addresses: whether it has the family shows when it is up
    if link.up and not link.has_family(family):
        name = "IPv4" if family == AF_INET else "IPv6"
        return _say(
            candidate.applied, "skipped", "NoAddressOfFamily", f"{rule.dev} has no {name} address"
        )
    return None


def _left_out(chosen: Filter, base: Verdict, subject: Subject) -> Verdict | None:
    if chosen == EVERY_POD:
        return None
    decision = decide(chosen, subject.pod, subject.known)
    if decision.answer == "yes":
        return None
    if decision.answer == "no":
        return _say(base, "filtered", "Filtered", decision.reason)
    return _say(base, "deferred", "NotKnownYet", f"not known yet: {decision.reason}")


def _no_device(rule: Rule, base: Verdict, subject: Subject) -> Verdict | None:
    if rule.dev in subject.interfaces.links:
        return None
    return _say(base, "skipped", "NoSuchDevice", f"the pod has no {rule.dev}")


def _gateway(candidate: Candidate, interfaces: Interfaces) -> Address | Verdict | None:
    """The gateway to use, None for link scope, or the verdict of a rule that waits for one."""
    rule, family = candidate.rule, candidate.key.family
    if isinstance(rule.via, Address) and rule.via.family == family:
        return rule.via
    of_service = rule.service is not None
    # a gateway serves its own family; the other one of a dual-stack Service takes auto, and so
    # does an IPv6 Service without any: its neighbours are not on the link
    if rule.via is None and not (of_service and family == AF_INET6):
        return None
    found = interfaces.gateways.get((rule.dev, family))
    if found is not None:
        return found
    return _say(
        candidate.applied,
        "pending",
        "NoGatewayKnown",
        f"{rule.dev} has no gateway yet that 'via: auto' could use; name one in via",
    )


def _want(candidate: Candidate, via: Address | None) -> Want:
    rule = candidate.rule
    src = rule.src if rule.src is not None and rule.src.family == candidate.key.family else None
    return Want(candidate.key, rule.dev, via, src, rule.mtu or 0, rule.onlink and via is not None)


# ---------------------------------------------------------------- the words of verdicts


def _say(base: Verdict, outcome: Outcome, code: str, reason: str) -> Verdict:
    return Verdict(base.route, base.path, outcome, code, reason, base.dst, base.dev)


def _granted(candidate: Candidate, subject: Subject) -> Verdict:
    if subject.paused:
        return _say(candidate.applied, "observed", "Paused", "the service is paused")
    return candidate.applied


def _observed(candidate: Candidate, subject: Subject) -> Verdict:
    if not subject.interfaces.links[candidate.rule.dev].up:
        return _link_down(candidate)
    return _say(candidate.applied, "observed", "Observed", "the Route's mode is Observe")


def _link_down(candidate: Candidate) -> Verdict:
    reason = f"{candidate.rule.dev} is down; the route follows when it comes up"
    return _say(candidate.applied, "pending", "LinkDown", reason)


def _beaten(candidate: Candidate, winner: Candidate) -> Verdict:
    owner = winner.route if winner.rank[0] else f"Route {winner.route}"
    if winner.route == candidate.route:
        owner = f"{winner.rule.path} of the same Route"
    return _say(candidate.applied, "conflict", "Conflict", f"{owner} wins {candidate.applied.dst}")


__all__ = [
    "NOTHING",
    "Interfaces",
    "Resolved",
    "Subject",
    "gateways_of",
    "kernel_route",
    "resolve_key",
    "waiting_verdicts",
]
