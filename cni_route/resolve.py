"""A view, a pod and its interfaces → what the pod should have, and a verdict a rule. Pure.

Decided key by key, because rules of different keys never compete: a change of a few keys is
resolved by those. And decided once for all pods that cannot be told apart: whatever a resolution
depends on is in its `Shape`, and the view remembers what it came to for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from cni_route.address import AF_INET, AF_INET6, Address
from cni_route.filter import YES, Decision, decide
from cni_route.model import (
    SCOPE_LINK,
    SCOPE_UNIVERSE,
    TYPE_UNICAST,
    Filter,
    Hop,
    KernelRoute,
    Key,
    Link,
    Outcome,
    Pod,
    Rule,
    Verdict,
    Want,
)
from cni_route.shape import Nic, Resolution, Shape, Terms
from cni_route.view import NO_RULES, Candidate, Compiled, View, compile_own

_MOST_REMEMBERED = 1024  # resolutions of a view; pods of a node have few shapes


def shape_of(view: View, pod: Pod, nics: tuple[tuple[str, Nic], ...], terms: Terms) -> Shape:
    """What a resolution for this pod depends on."""
    return Shape(nics, tuple(decide(chosen, pod, view) for chosen in view.filters), terms)


def resolve(view: View, shape: Shape, old: View | None = None) -> Resolution:
    """What pods of this shape should have; from the resolution of an `old` view where it can."""
    known = view.resolutions
    found = known.get(shape)
    if found is None:
        before = None if old is None else old.resolutions.get(shape)
        found = _resolve(view, shape, old, before)
        if len(known) >= _MOST_REMEMBERED:
            known.clear()
        known[shape] = found
    return found


def _resolve(view: View, shape: Shape, old: View | None, before: Resolution | None) -> Resolution:
    own = compile_own(shape.terms.own_rules) if shape.terms.own_rules else NO_RULES
    decisions = dict(zip(view.filters, shape.decisions, strict=True))
    terms = shape.terms
    subject = _Subject(dict(shape.nics), decisions, terms.paused, terms.unfinished)
    keys: Iterable[Key]
    if old is None or before is None or old.filters != view.filters:
        keys, wanted, said = {**view.compiled.groups, **own.groups}, {}, {}
    else:
        keys, wanted, said = view.change_since(old).keys, {**before.wanted}, {**before.said}
    for key in keys:
        candidates = (*view.compiled.groups.get(key, ()), *own.groups.get(key, ()))
        want, held, verdicts = _resolve_key(candidates, subject)
        wanted.pop(key, None)
        said.pop(key, None)
        if verdicts:
            said[key] = verdicts
        if want is not None:
            wanted[key] = _kernel_route(want, subject.nics[want.dev].ifindex, shape.terms.protocol)
        elif held:
            wanted[key] = None
    said.pop(None, None)
    waiting = _waiting_verdicts(view.compiled, subject)
    if waiting:
        said[None] = waiting
    applied = frozenset(key for key, route in wanted.items() if route is not None)
    if before is not None and applied == before.applied:
        applied = before.applied
    return Resolution(wanted, said, applied)


class _Subject(NamedTuple):
    """A shape, arranged for asking."""

    nics: Mapping[str, Nic]
    decisions: Mapping[Filter, Decision]
    paused: bool
    unfinished: frozenset[str]

    def hindrance(self, candidate: Candidate) -> Verdict | None:
        """Why a route by this NIC must wait now, though its key stays claimed; or None."""
        dev = candidate.rule.dev
        if dev in self.unfinished:
            reason = f"waits until the CNI chain that makes {dev} has put in its own routes"
            return _say(candidate.applied, "pending", "ChainAtWork", reason)
        if not self.nics[dev].up:
            reason = f"{dev} is down; the route follows when it comes up"
            return _say(candidate.applied, "pending", "LinkDown", reason)
        return None


def _resolve_key(
    candidates: Iterable[Candidate], subject: _Subject
) -> tuple[Want | None, bool, tuple[Verdict, ...]]:
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
        via = _gateway(candidate, subject)
        if isinstance(via, Verdict):
            verdicts.append(via)
            continue
        asked = _want(candidate, via)
        if winner is not None and asked != want:
            verdicts.append(_beaten(candidate, winner))
        elif candidate.observe:
            verdicts.append(_observed(candidate, subject))
        else:
            if winner is None:
                winner, want = candidate, asked
                held = subject.hindrance(candidate) is not None
            verdicts.append(_granted(candidate, subject))
    return (None if held else want), held, tuple(verdicts)


def _waiting_verdicts(compiled: Compiled, subject: _Subject) -> tuple[Verdict, ...]:
    """Verdicts of the rules that have no destination yet."""
    verdicts = []
    for item in compiled.waiting:
        left_out = _left_out(item.filter, item.verdict, subject)
        no_device = _no_device(item.rule, item.verdict, subject)
        verdicts.append(left_out or no_device or item.verdict)
    return tuple(verdicts)


def _kernel_route(want: Want, ifindex: int, protocol: int) -> KernelRoute:
    """The want as the kernel will show it: by interface index, scope and metric normalised."""
    scope = SCOPE_LINK if want.via is None and want.key.family == AF_INET else SCOPE_UNIVERSE
    hop = Hop(ifindex, want.via, 1, want.onlink)
    return KernelRoute(want.key, (hop,), protocol, scope, TYPE_UNICAST, want.src, want.mtu)


def nics_of(
    links: Mapping[str, Link], gateways: Mapping[tuple[str, int], Address]
) -> tuple[tuple[str, Nic], ...]:
    """The pod's NICs as resolving sees them, by name."""
    return tuple(
        (
            name,
            Nic(
                link.ifindex,
                link.up,
                link.has_family(AF_INET),
                link.has_family(AF_INET6),
                gateways.get((name, AF_INET)),
                gateways.get((name, AF_INET6)),
                link.carrier,
            ),
        )
        for name, link in sorted(links.items())
    )


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


def _unfit(candidate: Candidate, subject: _Subject) -> Verdict | None:
    """Why the rule is not for this pod, or None."""
    left_out = _left_out(candidate.filter, candidate.applied, subject)
    if left_out is not None:
        return left_out
    missing = _no_device(candidate.rule, candidate.applied, subject)
    if missing is not None:
        return missing
    rule, family = candidate.rule, candidate.key.family
    link = subject.nics[rule.dev]
    # a link that is down has lost its IPv6 addresses: whether it has the family shows when it is up
    if link.up and not link.has_family(family):
        name = "IPv4" if family == AF_INET else "IPv6"
        return _say(
            candidate.applied, "skipped", "NoAddressOfFamily", f"{rule.dev} has no {name} address"
        )
    return None


def _left_out(chosen: Filter, base: Verdict, subject: _Subject) -> Verdict | None:
    decision = subject.decisions.get(chosen, YES)
    if decision.answer == "yes":
        return None
    if decision.answer == "no":
        return _say(base, "filtered", "Filtered", decision.reason)
    return _say(base, "deferred", "NotKnownYet", f"not known yet: {decision.reason}")


def _no_device(rule: Rule, base: Verdict, subject: _Subject) -> Verdict | None:
    if rule.dev in subject.nics:
        return None
    return _say(base, "skipped", "NoSuchDevice", f"the pod has no {rule.dev}")


def _gateway(candidate: Candidate, subject: _Subject) -> Address | Verdict | None:
    """The gateway to use, None for link scope, or the verdict of a rule that waits for one."""
    rule, family = candidate.rule, candidate.key.family
    if isinstance(rule.via, Address) and rule.via.family == family:
        return rule.via
    of_service = rule.service is not None
    # a gateway serves its own family; the other one of a dual-stack Service takes auto, and so
    # does an IPv6 Service without any: its neighbours are not on the link
    if rule.via is None and not (of_service and family == AF_INET6):
        return None
    found = subject.nics[rule.dev].gateway(family)
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


def _granted(candidate: Candidate, subject: _Subject) -> Verdict:
    hindered = subject.hindrance(candidate)
    if hindered is None and subject.paused:
        return _say(candidate.applied, "observed", "Paused", "the service is paused")
    dev = candidate.rule.dev
    if hindered is None and not subject.nics[dev].carrier:
        reason = f"{dev} has no carrier: the route is there, but nobody answers"
        return _say(candidate.applied, "applied", "NoCarrier", reason)
    return hindered or candidate.applied


def _observed(candidate: Candidate, subject: _Subject) -> Verdict:
    hindered = subject.hindrance(candidate)
    observed = _say(candidate.applied, "observed", "Observed", "the Route's mode is Observe")
    return hindered or observed


def _beaten(candidate: Candidate, winner: Candidate) -> Verdict:
    owner = f"Route {winner.route}"
    if winner.route == candidate.route:
        same = winner.route if winner.rank[0] else "the same Route"
        owner = f"{winner.rule.path} of {same}"
    return _say(candidate.applied, "conflict", "Conflict", f"{owner} wins {candidate.applied.dst}")


__all__ = ["gateways_of", "nics_of", "resolve", "shape_of"]
