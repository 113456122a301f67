"""A pod with two NICs, made in milliseconds, and all that can be seen of its tables at a glance."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.node.namespaces import inside
from tests.node.node import Node
from tests.node.pods import BACKUP, OWN, Row, line_of, make_sandbox
from tests.node.runtime import Sandbox

NETWORKS = {"eth0": ("10.0.0", "2001:db8"), "eth1": ("10.1.0", "2001:db8:1")}
# what CNI plugins have put in: the defaults, networks behind eth1, a network with a second route
# behind the first (IPv4) and one with two hops (IPv6)
FOREIGN = (
    "route add default via 10.0.0.1 dev eth0",
    "route add default via 2001:db8::1 dev eth0",
    "route add 10.124.0.0/16 via 10.1.0.1 dev eth1",
    "route add 2001:db8:124::/48 via 2001:db8:1::1 dev eth1",
    "route add 10.9.0.0/16 via 10.0.0.1 dev eth0 proto static",
    "route append 10.9.0.0/16 via 10.0.0.7 dev eth0 proto 17",
    "route add 2001:db8:9::/48 nexthop via 2001:db8::1 dev eth0 nexthop via 2001:db8::7 dev eth0",
)
FOREIGN_PROTOCOLS = ("boot", "static", "17")
ELSEWHERE = ("198.51.100.1", "2001:db8:ff::1", "10.9.0.1", "2001:db8:9::1")  # by those routes

Hop = tuple[str, str, str]  # destination, device, gateway


class Sight(NamedTuple):
    """A look at a pod: the routes of both families in the kernel's order, rules, and ways out.

    Without table local, which the kernel fills by itself, in an order of its own.
    """

    routes: list[Row]
    rules: list[Row]
    ways: dict[str, str]  # the device by which ELSEWHERE is reached; what cannot be is missing

    def own(self) -> list[str]:
        """Our routes, each as one line, sorted."""
        return sorted(line_of(row) for row in self.routes if row["protocol"] == OWN)

    def foreign(self) -> list[Row]:
        """All other routes, in the kernel's order, but for our copies."""
        return [row for row in self.routes if row["protocol"] not in (OWN, BACKUP)]

    def hops(self, *protocols: str) -> set[Hop]:
        """The hops of the main table's routes that have these protocols."""
        rows = [row for row in self.routes if row["table"] == "main"]
        return {hop for row in rows if row["protocol"] in protocols for hop in _hops(row)}


def _hops(row: Row) -> Iterator[Hop]:
    for hop in row.get("nexthops", [row]):
        yield row["dst"], hop["dev"], hop.get("gateway", "")


class Pod:
    """One sandbox; its far sides are in the same namespace, without addresses."""

    def __init__(self, node: Node, name: str = "web") -> None:
        self.node = node
        self.sandbox: Sandbox = make_sandbox(node, name)
        self.netns = node.path("/run/netns", Path(self.sandbox.netns).name)
        lines = ["link set lo up"]
        for nic in NETWORKS:
            lines.append(f"link add {nic} type veth peer name far-{nic}")
            # without link-local addresses, which the kernel adds at a time of its own
            lines += [f"link set {end} addrgenmode none up" for end in (nic, f"far-{nic}")]
        for nic, (four, six) in NETWORKS.items():
            lines.append(f"address add {four}.2/24 dev {nic}")
            lines.append(f"address add {six}::2/64 dev {nic} nodad")
        self.ip(*lines, *FOREIGN)

    def ip(self, *lines: str, family: str = "-0", check: bool = True) -> list[Any]:
        """`ip` in the pod, many commands at once: the JSON that each of them prints."""
        command = ["ip", "-d", "-json", *([family] if family != "-0" else []), "-force"]

        def run() -> subprocess.CompletedProcess[str]:
            with inside(self.netns):
                return subprocess.run(
                    [*command, "-batch", "-"],
                    input="\n".join(lines),
                    capture_output=True,
                    text=True,
                    check=False,
                )

        done = _elsewhere(run)
        if check and done.returncode:
            raise AssertionError(f"ip: {lines}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def look(self) -> Sight:
        """Everything, as it is now."""
        asked = (f"route get {address}" for address in ELSEWHERE)
        routes, rules, *found = self.ip("route show table all", "rule show", *asked, check=False)
        # in a family of its own: batch takes no other for `rule`
        rules += self.ip("rule show", family="-6")[0]
        ways = {row["dst"]: row["dev"] for answer in found for row in answer if "dev" in row}
        return Sight([row for row in routes if row["table"] != "local"], rules, ways)

    def result(self, nic: str) -> dict[str, Any]:
        """The CNI result of the plugin that made a NIC."""
        four, six = NETWORKS[nic]
        return {
            "cniVersion": "1.0.0",
            "interfaces": [{"name": nic, "sandbox": self.sandbox.netns}],
            "ips": [
                {"interface": 0, "address": f"{four}.2/24", "gateway": f"{four}.1"},
                {"interface": 0, "address": f"{six}::2/64", "gateway": f"{six}::1"},
            ],
        }

    def close(self) -> None:
        """The namespace goes."""
        self.node.ip(f"netns delete {self.netns.name}")


def _elsewhere(run: Any) -> Any:
    """What `run` returns, in a thread of its own: it goes into another namespace."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(run()))
    thread.start()
    thread.join()
    return results[0]


def kept(record: dict[str, Any] | None) -> set[Hop]:
    """The hops of the displaced routes that a sandbox's record tells of."""
    displaced = record["displaced"] if record else []
    return {hop for entry in displaced for hop in _recorded(entry)}


def _recorded(entry: dict[str, Any]) -> Iterable[Hop]:
    dst = entry["route"]["dst"]
    name = "default" if dst in ("0.0.0.0/0", "::/0") else dst
    for hop, dev in zip(entry["route"]["hops"], entry["devs"], strict=True):
        yield name, dev, hop["via"]


__all__ = ["ELSEWHERE", "FOREIGN_PROTOCOLS", "Hop", "Pod", "Sight", "kept"]
