"""CNI network lists of a node with two NICs a pod, as the sorts of clusters we serve have them."""

from __future__ import annotations

from typing import Any

OWN: dict[str, Any] = {"type": "cni-route"}
SERVICES4 = "10.86.0.0/16"
SERVICES6 = "fd00:86::/112"
ETH0_NETWORK = ("10.244.7.0/24", "fd00:244:7::/64")
ETH1_NETWORK = ("10.124.2.0/24", "fd00:124:2::/64")
ETH1_GATEWAY = ("10.124.2.1", "fd00:124:2::1")

List = dict[str, Any]


def _ranges(networks: tuple[str, ...], gateways: tuple[str, ...] = ()) -> list[list[Any]]:
    entries = [{"subnet": network} for network in networks]
    for entry, gateway in zip(entries, gateways, strict=False):
        entry["gateway"] = gateway
    return [[entry] for entry in entries]


def calico(*chained: dict[str, Any], version: str = "0.3.1") -> List:
    """eth0 in Calico's way, with whatever is chained behind; Calico's lists are 0.3.1 still."""
    plugin = {
        "type": "calico-like",
        "ipam": {"type": "host-local", "ranges": _ranges(ETH0_NETWORK)},
    }
    return {"cniVersion": version, "name": "k8s-pod-network", "plugins": [plugin, *chained]}


def bridged(*chained: dict[str, Any], version: str = "1.0.0", default: bool = False) -> List:
    """eth1 on a bridge with a gateway, and a route to the network behind it.

    With `default` it is the pod's default route too: the plain list for a pod's only NIC.
    """
    routes = [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}] if default else []
    routes += [{"dst": "10.124.0.0/16", "gw": ETH1_GATEWAY[0]}]
    plugin = {
        "type": "bridge",
        "bridge": "br-eth1",
        "isGateway": True,
        "ipam": {
            "type": "host-local",
            "ranges": _ranges(ETH1_NETWORK, ETH1_GATEWAY),
            "routes": routes,
        },
    }
    return {"cniVersion": version, "name": "ovn-like", "plugins": [plugin, *chained]}
