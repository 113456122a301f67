"""Many pods at once: namespaces with an eth0 and an eth1 each, without the cost of a CNI chain."""

from __future__ import annotations

import base64
import json
import uuid

from cni_route.address import Address, Prefix
from cni_route.model import Route, Rule, Service
from tests.node.node import Node
from tests.node.runtime import CACHE_DIR, Sandbox

PODS = 250
GATEWAY = "10.9.0.1"


def service_address(number: int) -> str:
    """The ClusterIP of Service number so-and-so."""
    return f"10.86.{number // 250}.{number % 250 + 1}"


def network(number: int) -> Prefix:
    """A custom network."""
    return Prefix.parse(f"172.{16 + number // 250}.{number % 250}.0/24")


def routes(count: int, dev: str, service_dev: str = "eth0") -> tuple[list[Route], list[Service]]:
    """One Route of `count` rules: one for a Service, all others for networks."""
    rules = [Rule("spec.svc[0]", service_dev, service=("default", "shop"))]
    rules += [Rule(f"spec.route[{n}]", dev, dst=network(n)) for n in range(count - 1)]
    shop = Service("default", "shop", (Address.parse(service_address(0)),))
    return [Route("bench", tuple(rules))], [shop]


def make_fleet(node: Node, count: int = PODS, name: str = "bench") -> list[Sandbox]:
    """The pods; far ends in one namespace of their own, so that the node's stays small."""
    far = f"{name}-far"
    node.ip(f"netns add {far}")
    found = []
    for number in range(count):
        netns = f"{name}-{number}"
        node.ip(f"netns add {netns}")
        lines = [
            f"link add far{nic}-{number} netns {far} type veth peer name eth{nic} netns {netns}"
            for nic in (0, 1)
        ]
        node.run("ip", "-batch", "-", stdin="\n".join(lines))
        lines = []
        for nic in (0, 1):
            address = f"10.{8 + nic}.{number // 250}.{number % 250 + 2}"
            lines += [f"link set eth{nic} up", f"address add {address}/16 dev eth{nic}"]
        lines += ["link set lo up", "route add default dev eth0"]
        node.run("ip", "-n", netns, "-batch", "-", stdin="\n".join(lines))
        identity = uuid.uuid4().hex * 2
        path = f"/var/run/netns/{netns}"
        found.append(Sandbox(identity, path, "default", netns, str(uuid.uuid4())))
    lines = [f"link set far{nic}-{n} up" for n in range(count) for nic in (0, 1)]
    node.run("ip", "-n", far, "-batch", "-", stdin="\n".join(lines))
    return found


def write_cache(node: Node, pods: list[Sandbox]) -> None:
    """What libcni would have left of them, so that the service finds them at its start."""
    config = base64.b64encode(b'{"cniVersion":"1.0.0","name":"bench","plugins":[]}').decode()
    for pod in pods:
        for nic in (0, 1):
            interface = {"name": f"eth{nic}", "sandbox": pod.netns}
            entry = {
                "kind": "cniCacheV1",
                "containerId": pod.container_id,
                "config": config,
                "ifName": f"eth{nic}",
                "networkName": f"bench{nic}",
                "cniArgs": [list(pair) for pair in pod.arguments],
                "result": {"cniVersion": "1.0.0", "interfaces": [interface], "ips": [], "dns": {}},
            }
            name = f"bench{nic}-{pod.container_id}-eth{nic}"
            node.path(CACHE_DIR, name).write_text(json.dumps(entry))
