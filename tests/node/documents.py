"""Manifests as the tests write them: JSON, which is YAML."""

from __future__ import annotations

import json
from typing import Any

Document = dict[str, Any]


def route(*rules: Document, services: tuple[Document, ...] = (), name: str = "demo") -> Document:
    """A Route of rules for networks and for Services."""
    return {
        "apiVersion": "k8s.ovn.org/v1",
        "kind": "Route",
        "metadata": {"name": name},
        "spec": {"route": list(rules), "svc": list(services)},
    }


def service(name: str, *addresses: str, namespace: str = "default") -> Document:
    """A Service with its ClusterIPs."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"clusterIP": addresses[0], "clusterIPs": list(addresses)},
    }


def pod(name: str, uid: str, namespace: str = "default", **spec: object) -> Document:
    """A pod as the API server would show it."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "uid": uid},
        "spec": {"containers": [{"name": "main"}], **spec},
    }


def text(*documents: Document) -> str:
    """One file of several documents."""
    return "---\n".join(json.dumps(document, indent=2) + "\n" for document in documents)


def to_service(name: str, dev: str, **more: str) -> Document:
    """A rule for one Service."""
    return {"namespace": "default", "name": name, "dev": dev, **more}


SERVICES = (
    service("shop", "10.86.0.10", "fd00:86::10"),
    service("ledger", "10.86.0.20"),
)
NETWORK = {"dst": "172.16.10.0/24", "dev": "eth1", "via": "auto"}
DEFAULT = {"dst": "default", "dev": "eth1", "via": "auto"}


def demo_route(shop: str = "eth0", *more: Document) -> Document:
    """shop on one NIC, ledger on eth0, a network behind eth1, and more."""
    services = (to_service("shop", shop), to_service("ledger", "eth0"))
    return route(NETWORK, *more, services=services)


def expected(shop: str = "eth0", *more: str, nics: tuple[str, ...] = ("eth0", "eth1")) -> list[str]:
    """What `demo_route` makes in a pod with these NICs, as Pod.own shows it."""
    gateway6 = {"eth0": "fe80::ecee:eeff:feee:eeee", "eth1": "fd00:124:2::1"}[shop]
    lines = [
        f"10.86.0.10 dev {shop}",
        "10.86.0.20 dev eth0",
        "172.16.10.0/24 dev eth1 via 10.124.2.1",
        f"fd00:86::10 dev {shop} via {gateway6}",
        *more,
    ]
    return sorted(line for line in lines if any(f"dev {nic}" in line for nic in nics))
