"""A pod with three NICs, each wired to a namespace of its own that owns the Service's addresses.

eth0 and eth1 are the two between which the Service is switched; eth2 has the default route: a
packet that finds no route to the Service leaves there, and its far side counts it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.gap import stream
from tests.node.node import Node
from tests.node.pods import Pod, make_sandbox
from tests.node.runtime import Runtime

SERVICE = {4: "10.86.0.10", 6: "fd00:86::10"}
RATE = 2000  # packets a second


def pod_address(nic: int, family: int) -> str:
    """The pod's address on a NIC."""
    return f"192.168.{nic + 1}.2" if family == 4 else f"fd00:{nic + 1}::2"


def far_address(nic: int, family: int) -> str:
    """The far side's own address there: a gateway."""
    return f"192.168.{nic + 1}.1" if family == 4 else f"fd00:{nic + 1}::1"


def make_wired_pod(node: Node, name: str = "pod") -> Pod:
    """The pod and its far sides far0, far1, far2."""
    pod = Pod(Runtime(node), make_sandbox(node, name))
    netns = Path(pod.sandbox.netns).name
    for nic in (0, 1, 2):
        far = f"far{nic}"
        node.ip(f"netns add {far}")
        node.ip(f"-n {far} link add nic type veth peer name eth{nic} netns {netns}")
        lines = [
            "link set lo up",
            f"address add {far_address(nic, 4)}/24 dev nic",
            f"address add {far_address(nic, 6)}/64 dev nic nodad",
            f"address add {SERVICE[4]}/32 dev lo",
            f"address add {SERVICE[6]}/128 dev lo",
            "link set nic up",
        ]
        node.run("ip", "-n", far, "-batch", "-", stdin="\n".join(lines))
        ours = [
            f"link set eth{nic} up",
            f"address add {pod_address(nic, 4)}/24 dev eth{nic}",
            f"address add {pod_address(nic, 6)}/64 dev eth{nic} nodad",
        ]
        if nic == 2:
            ours += [f"route add default via {far_address(2, family)}" for family in (4, 6)]
        node.run("ip", "-n", netns, "-batch", "-", stdin="\n".join(ours))
    return pod


class Traffic:
    """The stream as a process of its own; `counted` has its report after the block."""

    def __init__(self, pod: Pod, family: int) -> None:
        fars = [
            f"far{nic}={pod.node.path('/run/netns', f'far{nic}')}={pod_address(nic, family)}"
            for nic in (0, 1, 2)
        ]
        arguments = [str(pod.netns), SERVICE[family], str(RATE), *fars]
        self._command = [sys.executable, stream.__file__, *arguments]
        self.counted: dict[str, Any] = {}

    def __enter__(self) -> Traffic:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        output = self._process.communicate()[0]
        self.counted = json.loads(output)

    def judge(self) -> str:
        """AssertionError unless every packet came by one of the two ways; a line for people."""
        c = self.counted
        third = c["received"].pop("far2", 0)
        assert third == 0, f"{third} of {c['sent']} packets went a third way"
        assert not c["refused"], f"of {c['sent']} packets some found no route: {c['refused']}"
        assert not c["foreign"], f"packets with another NIC's source: {c['foreign']}"
        lost = len(c["missing"]) - c["overflow"]
        assert lost <= 0, f"{lost} of {c['sent']} packets lost: {c['missing'][:20]}"
        assert all(c["received"].get(far, 0) > 0 for far in ("far0", "far1")), c["received"]
        ways = f"{c['received']['far0']:,} by eth0, {c['received']['far1']:,} by eth1"
        own = f" ({c['overflow']} in the receiver's own buffer)" if c["overflow"] else ""
        return f"0 of {c['sent']:,} packets lost{own}, {ways}"
