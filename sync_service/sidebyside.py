"""What a pod should have beside what it has: one row a route. Pure; decides no route.

A row's `state` is one of
    same      the kernel holds what a rule asks for
    differs   it holds another route under that key
    missing   it holds none, though a rule asks for one
    surplus   it holds one of ours that nothing asks for
    backup    it holds our copy of a route that ours stands in for
    observed  a rule of a Route that is only observed would ask for one
    rival     it holds one that is not ours, and that counts instead of or beside ours
    foreign   it holds one that is not ours, and is in nobody's way
    idle      a rule asks for nothing here (no such NIC, filtered, another rule wins)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cni_route.address import AF_INET, AF_INET6, DEFAULT4, DEFAULT6, Prefix
from cni_route.displace import is_backup
from cni_route.model import Hop, KernelRoute, Key, Verdict
from cni_route.slot import is_same

if TYPE_CHECKING:
    from sync_service.ledger import PodState

__all__ = ["DIFFERENCES", "Protocols", "rows"]

DIFFERENCES = frozenset(("differs", "missing", "rival", "surplus"))  # states

ASKING = frozenset(("applied", "observed", "deferred", "pending", "failed"))  # outcomes
BACKUP = "backup of a route that ours stands in for"

Row = dict[str, object]


class Protocols(NamedTuple):
    """The rtm_protocols that are ours."""

    own: int
    backup: int


def rows(state: PodState, protocols: Protocols) -> list[Row]:
    """The rows of one pod: its routes by table, family, destination and metric, then the rules
    that have none.
    """
    names = {link.ifindex: link.name for link in state.links}
    by_place: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in state.verdicts:
        if verdict.dst and verdict.outcome in ASKING:
            by_place.setdefault((verdict.dst, verdict.dev), []).append(verdict)
    claimed = {dst for dst, _ in by_place} | {str(want.key.dst) for want in state.wanted}
    shown: list[Row] = []
    placed: set[Verdict] = set()
    for pair in _pairs(state.wanted, state.actual, protocols):
        verdicts = by_place.get((str(pair.key.dst), _dev(pair.want, names)), [])
        placed.update(verdicts)
        row = _row(pair, names)
        row["state"] = _state(pair, protocols, claimed)
        row["verdicts"] = [_verdict(verdict) for verdict in verdicts]
        row["note"] = BACKUP if row["state"] == "backup" else ""
        shown.append(row)
    left = [verdict for verdict in state.verdicts if verdict not in placed]
    return shown + [_without_route(verdict) for verdict in sorted(left, key=_rule_order)]


def destination(prefix: Prefix) -> str:
    """A destination in a Route's own words: `default`, `default6` or a CIDR."""
    if prefix == DEFAULT4:
        return "default"
    return "default6" if prefix == DEFAULT6 else str(prefix)


# ---------------------------------------------------------------- which stands beside which


class _Pair(NamedTuple):
    key: Key
    want: KernelRoute | None
    have: KernelRoute | None
    rival: bool = False


def _pairs(
    wanted: Iterable[KernelRoute], actual: Iterable[KernelRoute], protocols: Protocols
) -> Iterator[_Pair]:
    """Every route once: beside its equal, else beside what stands under its key instead.

    Of several routes under an IPv4 key the first counts; of an IPv6 key any may be chosen.
    """
    keys: dict[Key, tuple[list[KernelRoute], list[KernelRoute]]] = {}
    for route in wanted:
        keys.setdefault(route.key, ([], []))[0].append(route)
    for route in actual:
        keys.setdefault(route.key, ([], []))[1].append(route)
    for key in sorted(keys, key=_key_order):
        wants, haves = keys[key]
        missing = []
        rivals: list[KernelRoute] = []
        for want in wants:
            index = next((i for i, have in enumerate(haves) if is_same(want, have)), None)
            if index is None:
                missing.append(want)
                continue
            rivals += haves[:index] if key.family == AF_INET else haves
            yield _Pair(key, want, haves.pop(index))
        haves.sort(key=lambda have: have.protocol not in protocols)
        for want in missing:
            yield _Pair(key, want, haves.pop(0) if haves else None)
        for have in haves:
            yield _Pair(key, None, have, have in rivals)


def _key_order(key: Key) -> tuple[object, ...]:
    return key.table, key.family == AF_INET6, key.dst, key.metric, key.tos


def _rule_order(verdict: Verdict) -> tuple[object, ...]:
    return verdict.route, verdict.path, verdict.dst


# ---------------------------------------------------------------- a row


def _row(pair: _Pair, names: Mapping[int, str]) -> Row:
    key, want, have, _ = pair
    return {
        "destination": destination(key.dst),
        "table": key.table,
        "metric": key.metric,
        "tos": key.tos,
        "wanted": want and _route(want, names),
        "actual": have and _route(have, names),
        "state": "",
        "verdicts": [],
        "note": "",
    }


def _state(pair: _Pair, protocols: Protocols, claimed: set[str]) -> str:
    """`claimed`: the destinations that some rule asks for, in text."""
    if pair.have is None:
        return "missing"
    if pair.want is not None:
        return "same" if is_same(pair.want, pair.have) else "differs"
    if is_backup(pair.have, protocols.backup) and str(pair.key.dst) in claimed:
        return "backup"
    if pair.have.protocol in protocols:
        return "surplus"
    return "rival" if pair.rival else "foreign"


def _without_route(verdict: Verdict) -> Row:
    """A rule that no route of the pod stands for: it waits, was refused, or is not for it."""
    asks = verdict.outcome in ASKING
    hop = {"dev": verdict.dev, "via": "", "onlink": False}
    asked = {"type": "unicast", "hops": [hop], "protocol": 0, "src": "", "mtu": 0}
    return {
        "destination": destination(Prefix.parse(verdict.dst)) if verdict.dst else "",
        "table": None,
        "metric": None,
        "tos": None,
        "wanted": asked if asks else None,
        "actual": None,
        "state": _unrouted(verdict),
        "verdicts": [_verdict(verdict)],
        "note": "",
    }


_TYPES = {1: "unicast", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}  # RTN_*


def _unrouted(verdict: Verdict) -> str:
    if verdict.outcome == "observed":
        return "observed"
    return "missing" if verdict.outcome in ASKING else "idle"


def _route(route: KernelRoute, names: Mapping[int, str]) -> dict[str, object]:
    return {
        "type": _TYPES.get(route.type, str(route.type)),
        "hops": [_hop(hop, names) for hop in route.hops],
        "protocol": route.protocol,
        "src": "" if route.src is None else str(route.src),
        "mtu": route.mtu,
    }


def _hop(hop: Hop, names: Mapping[int, str]) -> dict[str, object]:
    via = "" if hop.via is None else str(hop.via)
    return {"dev": names.get(hop.dev, f"if{hop.dev}"), "via": via, "onlink": hop.onlink}


def _verdict(verdict: Verdict) -> dict[str, object]:
    return {
        "route": verdict.route,
        "path": verdict.path,
        "outcome": verdict.outcome,
        "code": verdict.code,
        "reason": verdict.reason,
    }


def _dev(want: KernelRoute | None, names: Mapping[int, str]) -> str:
    return names.get(want.hops[0].dev, "") if want and want.hops else ""
