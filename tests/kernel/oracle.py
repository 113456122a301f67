"""The second opinion: routes and policy rules written and read by pyroute2."""

from __future__ import annotations

from typing import Any

from pyroute2 import IPRoute

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key, PolicyRule
from tests.kernel.namespaces import Namespace

KEPT_BY_KERNEL = (2, 3, 4, 5)
WITHOUT_DEVICE = (6, 7, 8, 9)
ONLINK = 4
METRICS = {"RTAX_MTU": 2, "RTAX_WINDOW": 3, "RTAX_ADVMSS": 8, "RTAX_HOPLIMIT": 10}
KEYWORDS = {2: "mtu", 3: "window", 8: "advmss", 10: "hoplimit"}


def read_routes(namespace: Namespace, table: int = 254) -> set[KernelRoute]:
    """One table, both families, without what the kernel keeps for itself."""

    def read() -> list[Any]:
        with IPRoute() as ip:
            return list(ip.get_routes(table=table))

    return {
        _route(message) for message in namespace.call(read) if message["type"] not in KEPT_BY_KERNEL
    }


def _route(message: Any) -> KernelRoute:
    family = message["family"]
    source = None
    if message["src_len"]:
        source = Prefix(Address.parse(message.get_attr("RTA_SRC")), message["src_len"])
    src = message.get_attr("RTA_PREFSRC")
    metrics = message.get_attr("RTA_METRICS")
    values = dict(metrics["attrs"]) if metrics else {}
    pref = message.get_attr("RTA_PREF") or 0
    cache = message.get_attr("RTA_CACHEINFO") or {}
    hops = [_hop(message, message.get_attr("RTA_OIF"), 1)] if message.get_attr("RTA_OIF") else []
    for hop in message.get_attr("RTA_MULTIPATH") or ():
        hops.append(_hop(hop, hop["oif"], hop["hops"] + 1))
    return KernelRoute(
        Key(
            _destination(message, family),
            message.get_attr("RTA_PRIORITY") or 0,
            message["tos"],
            message.get_attr("RTA_TABLE"),
        ),
        () if message["type"] in WITHOUT_DEVICE else tuple(hops),
        message["proto"],
        message["scope"],
        message["type"],
        Address.parse(src) if src else None,
        values.pop("RTAX_MTU", 0),
        message.get_attr("RTA_NH_ID") or 0,
        tuple(sorted((METRICS[k], v.to_bytes(4, "little")) for k, v in values.items())),
        ((20, bytes((pref,))),) if pref else (),
        bool(cache.get("rta_expires")) or (family == AF_INET6 and message["proto"] == 9),
        source,
    )


def _destination(message: Any, family: int) -> Prefix:
    text = message.get_attr("RTA_DST") or ("0.0.0.0" if family == AF_INET else "::")
    return Prefix(Address.parse(text), message["dst_len"])


def _hop(message: Any, dev: int, weight: int) -> Hop:
    attrs = dict(message["attrs"])
    via = attrs.get("RTA_GATEWAY") or attrs.get("RTA_VIA", {}).get("addr")
    extra = []
    if "RTA_FLOW" in attrs:
        extra.append((11, attrs["RTA_FLOW"].to_bytes(4, "little")))
    if "RTA_ENCAP_TYPE" in attrs:
        extra.append((21, attrs["RTA_ENCAP_TYPE"].to_bytes(2, "little")))
        extra.append((22, bytes.fromhex(attrs["RTA_ENCAP"].replace(":", ""))))
    onlink = bool(message["flags"] & ONLINK)
    return Hop(dev, Address.parse(via) if via else None, weight, onlink, tuple(extra))


def write_route(namespace: Namespace, command: str, route: KernelRoute) -> None:
    """`command` is pyroute2's: add, replace, append, del."""

    def write() -> None:
        with IPRoute() as ip:
            ip.route(command, **_keywords(route))

    namespace.call(write)


def _keywords(route: KernelRoute) -> dict[str, Any]:
    key = route.key
    words: dict[str, Any] = {
        "family": key.family,
        "dst": str(key.dst.address),
        "dst_len": key.dst.length,
        "table": key.table,
        "proto": route.protocol,
        "type": route.type,
        "scope": route.scope,
        "tos": key.tos,
    }
    if key.metric:
        words["priority"] = key.metric
    if route.src:
        words["prefsrc"] = str(route.src)
    if route.source:
        words["src"] = f"{route.source}"
    if route.mtu or route.metrics:
        words["metrics"] = {"mtu": route.mtu} if route.mtu else {}
        for kind, value in route.metrics:
            words["metrics"][KEYWORDS[kind]] = int.from_bytes(value, "little")
    if route.nexthop_id:
        words["nh_id"] = route.nexthop_id
    elif len(route.hops) == 1:
        words.update(_hop_keywords(route.hops[0], key.family))
    elif route.hops:
        words["multipath"] = [
            {**_hop_keywords(hop, key.family), "hops": hop.weight - 1} for hop in route.hops
        ]
    return words


def _hop_keywords(hop: Hop, family: int) -> dict[str, Any]:
    words: dict[str, Any] = {"oif": hop.dev}
    if hop.via and hop.via.family == family:
        words["gateway"] = str(hop.via)
    elif hop.via:
        words["via"] = {"family": hop.via.family, "addr": str(hop.via)}
    if hop.onlink:
        words["flags"] = ["onlink"]
    return words


def read_rules(namespace: Namespace) -> set[PolicyRule]:
    """All policy rules that have only what ours have."""

    def read() -> list[Any]:
        with IPRoute() as ip:
            return [*ip.get_rules(family=AF_INET), *ip.get_rules(family=AF_INET6)]

    return {_rule(message) for message in namespace.call(read)}


def _rule(message: Any) -> PolicyRule:
    src = message.get_attr("FRA_SRC")
    return PolicyRule(
        message["family"],
        message.get_attr("FRA_PRIORITY") or 0,
        message.get_attr("FRA_TABLE"),
        Prefix(Address.parse(src), message["src_len"]) if src else None,
        message.get_attr("FRA_PROTOCOL"),
    )
