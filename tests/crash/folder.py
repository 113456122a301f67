"""The manifests that the crash tests' service reads, and what they make of a pod."""

from __future__ import annotations

import json

from tests.node.documents import Document, route, service, to_service

FILLER = 150  # Services that no rule names: the snapshot takes several writes
_SERVICES = (
    service("shop", "10.86.0.10", "fd00:86::10"),
    service("ledger", "10.86.0.20", "fd00:86::20"),
    *(
        service(f"s{n}", f"10.86.1.{n}", f"fd00:86::1:{n}", namespace="other")
        for n in range(FILLER)
    ),
)


def _list(*documents: Document) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": documents})


def _mark(name: str) -> Document:
    """A Namespace, by whose name a snapshot shows which text it follows."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _net(dst: str, dev: str = "eth1") -> Document:
    return {"dst": dst, "dev": dev, "via": "auto"}


def _demo(mark: str, shop: str, *rules: Document) -> str:
    services = (to_service("shop", shop, via="auto"), to_service("ledger", "eth0", via="auto"))
    return _list(route(*rules, services=services), _mark(mark))


_NETWORKS = (_net("172.16.10.0/24"), _net("2001:db8:aa::/48"))
_TAKEN = tuple(map(_net, ("default", "default6", "10.9.0.0/16", "2001:db8:9::/48")))

SERVICES = _list(*_SERVICES)
NEWS = _list(_mark("news"))
PLAIN = _demo("plain", "eth0", *_NETWORKS)
CHANGED = _demo("changed", "eth1", _net("172.16.10.0/24", "eth0"), _net("172.16.20.0/24"))
TAKING = _demo("taking", "eth0", *_NETWORKS, *_TAKEN)  # what is foreign in the pod is displaced

OWN_PLAIN = [
    "10.86.0.10 dev eth0 via 10.0.0.1",
    "10.86.0.20 dev eth0 via 10.0.0.1",
    "172.16.10.0/24 dev eth1 via 10.1.0.1",
    "2001:db8:aa::/48 dev eth1 via 2001:db8:1::1",
    "fd00:86::10 dev eth0 via 2001:db8::1",
    "fd00:86::20 dev eth0 via 2001:db8::1",
]
OWN_CHANGED = [
    "10.86.0.10 dev eth1 via 10.1.0.1",
    "10.86.0.20 dev eth0 via 10.0.0.1",
    "172.16.10.0/24 dev eth0 via 10.0.0.1",
    "172.16.20.0/24 dev eth1 via 10.1.0.1",
    "fd00:86::10 dev eth1 via 2001:db8:1::1",
    "fd00:86::20 dev eth0 via 2001:db8::1",
]
OWN_TAKING = sorted(
    [
        *OWN_PLAIN,
        "10.9.0.0/16 dev eth1 via 10.1.0.1",
        "2001:db8:9::/48 dev eth1 via 2001:db8:1::1",
        "default dev eth1 via 10.1.0.1",
        "default dev eth1 via 2001:db8:1::1",
    ]
)
