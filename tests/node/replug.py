"""Taking a NIC out of a pod by hand and putting it back, without any CNI call.

The kernel drops a NIC's routes and its IPv6 addresses when it goes down. Whoever brings the NIC
back brings back what is its own: addresses, and the routes that its CNI made.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.node.pods import Pod, Row

BRIDGE = "br-eth1"


def unplug(pod: Pod, device: str) -> None:
    """The NIC is gone, and its peer with it."""
    pod.ip(f"link delete {device}")


def replug(pod: Pod, device: str, made: list[Row]) -> None:
    """The NIC is there (made again if it was taken out) and up, with its addresses and routes.

    `made` is the pod's foreign table as its CNI plugins made it.
    """
    if device not in {link["ifname"] for link in json.loads(pod.ip("-json link"))}:
        peer = f"re{pod.sandbox.container_id[:8]}"
        netns = Path(pod.sandbox.netns).name
        pod.node.ip(f"link add {peer} type veth peer name {device} netns {netns}")
        pod.node.ip(f"link set {peer} master {BRIDGE} up")
    pod.ip(f"link set {device} up")
    for entry in pod.results[device]["ips"]:
        nodad = " nodad" if ":" in entry["address"] else ""
        pod.ip(f"address replace {entry['address']} dev {device}{nodad}")
    for row in made:
        if row.get("dev") == device and "gateway" in row:
            family = "-6" if ":" in row["dst"] or ":" in row["gateway"] else "-4"
            pod.ip(f"{family} route replace {row['dst']} via {row['gateway']} dev {device}")
