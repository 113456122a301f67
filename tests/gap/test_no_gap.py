"""No gap: a Service is switched between two NICs under a stream of packets, and none is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cni_route.address import Address
from cni_route.memory import Memory
from cni_route.model import Route, Rule
from cni_route.model import Service as ServiceObject
from cni_route.netlink.table import NetlinkKernel
from cni_route.reconcile import reconcile
from cni_route.sandbox import Record, Sandboxes
from cni_route.view import View, build
from tests.gap.wires import RATE, SERVICE, Traffic, far_address, make_wired_pod
from tests.node.lists import OWN
from tests.node.node import ROUTES_DIR, Node
from tests.node.pods import Changes, Pod
from tests.node.service import Service

SWITCHES = 1000
SOAK_SWITCHES = 20_000
EDITS = 50
PACE = 10 / RATE  # seconds between switches: ten packets each

Figure = Callable[[str, str], None]


@pytest.fixture
def node() -> Iterator[Node]:
    """A node for the wires."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    with Node.start() as node:
        yield node


def a_view(nic: int, family: int, gatewayed: bool) -> View:
    """The Service on one NIC, reached directly or through the far side as a gateway."""
    via = Address.parse(far_address(nic, family)) if gatewayed else None
    rule = Rule("spec.svc[0]", f"eth{nic}", service=("default", "shop"), via=via)
    service = ServiceObject("default", "shop", (Address.parse(SERVICE[family]),))
    return build([Route("gap", (rule,))], [service])


@pytest.mark.parametrize("way", [(4, False), (4, True), (6, True)], ids=["v4", "v4-via", "v6-via"])
def test_a_thousand_switches_lose_no_packet(
    node: Node, tmp_path: Path, soak: bool, figure: Figure, way: tuple[int, bool]
) -> None:
    """By the one function that changes a pod, at a pace of ten packets a switch."""
    family, gatewayed = way
    pod = make_wired_pod(node)
    switches = SOAK_SWITCHES if soak else SWITCHES
    views = [a_view(nic, family, gatewayed) for nic in (0, 1)]
    record = Record(pod.sandbox.container_id, str(pod.netns))
    switch = Switch(record, Sandboxes(str(tmp_path), pytest.fail), pod)
    switch(views[0])
    with Traffic(pod, family) as traffic:
        began = time.perf_counter()
        for number in range(switches):
            switch(views[(number + 1) % 2])
            time.sleep(max(0.0, began + (number + 1) * PACE - time.perf_counter()))
    switch.close()
    name = f"{switches:,} switches, IPv{family}{' by a gateway' if gatewayed else ''}"
    figure(name, traffic.judge())


class Switch:
    """Takes one pod to a view, as the service's loop does; every call must write."""

    def __init__(self, record: Record, sandboxes: Sandboxes, pod: Pod) -> None:
        sandboxes.save(record)
        self.record = record
        self.sandboxes = sandboxes
        self.kernel = NetlinkKernel()
        self.memory = Memory()
        self.namespace = os.open(pod.netns, os.O_RDONLY | os.O_CLOEXEC)

    def __call__(self, view: View) -> None:
        """One pass."""
        outcome = reconcile(
            self.record,
            view,
            self.kernel,
            self.sandboxes,
            namespace=self.namespace,
            memory=self.memory,
        )
        assert [v.outcome for v in outcome.verdicts] == ["applied"], outcome
        assert outcome.written > 0
        self.record = outcome.record

    def close(self) -> None:
        """Let the namespace go."""
        os.close(self.namespace)


DOCUMENT = """\
apiVersion: v1
kind: Service
metadata: {{namespace: default, name: shop}}
spec: {{clusterIP: "{address}", clusterIPs: ["{address}"]}}
---
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {{name: gap}}
spec:
  svc:
    - {{namespace: default, name: shop, dev: eth{nic}, via: "{via}"}}
"""


@pytest.mark.parametrize("family", [4, 6])
def test_edits_of_the_file_lose_no_packet(
    node: Node, soak: bool, figure: Figure, family: int
) -> None:
    """By the real service, from a folder, one edit as soon as the one before is in the kernel."""
    pod = make_wired_pod(node)
    edits = EDITS * 20 if soak else EDITS
    node.install_plugin()
    edit(node, 0, family)
    with Service(node):
        own = {"cniVersion": "1.0.0", "name": "wires", "plugins": [OWN]}
        pod.runtime.add(own, pod.sandbox, "eth0")
        assert pod.own() == [line(0, family)]
        took = []
        with Traffic(pod, family) as traffic, Changes([pod]) as changes:
            for number in range(edits):
                nic = (number + 1) % 2
                changes.restart()
                edit(node, nic, family)
                arrived = partial(has, pod, line(nic, family))
                took.append(changes.until(arrived, f"the Service is on eth{nic}"))
    took.sort()
    median, slowest = took[len(took) // 2] * 1000, took[-1] * 1000
    name = f"{edits} edits of the file, IPv{family}"
    figure(name, f"{traffic.judge()}; in the kernel after {median:.1f} ms, at most {slowest:.1f}")


def edit(node: Node, nic: int, family: int) -> None:
    """Write the Route's file with another NIC."""
    via = far_address(nic, family)
    text = DOCUMENT.format(nic=nic, via=via, address=SERVICE[family])
    node.write(f"{ROUTES_DIR}/gap.yaml", text)


def has(pod: Pod, line: str) -> bool:
    """Whether this is the pod's one route of ours."""
    return pod.own() == [line]


def line(nic: int, family: int) -> str:
    """The route that this makes."""
    return f"{SERVICE[family]} dev eth{nic} via {far_address(nic, family)}"


@pytest.mark.parametrize("family", [4, 6])
def test_the_count_sees_a_gap(node: Node, family: int) -> None:
    """A switch by delete and add has one; this test would not see it otherwise."""
    pod = make_wired_pod(node)
    via = [far_address(nic, family) for nic in (0, 1)]
    pod.ip(f"route add {SERVICE[family]} via {via[0]} dev eth0")
    with Traffic(pod, family) as traffic:
        for number in range(40):
            here, there = number % 2, (number + 1) % 2
            pod.ip(f"route delete {SERVICE[family]} via {via[here]} dev eth{here}")
            pod.ip(f"route add {SERVICE[family]} via {via[there]} dev eth{there}")
    with pytest.raises(AssertionError, match="third way"):
        traffic.judge()
