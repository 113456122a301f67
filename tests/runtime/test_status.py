"""What the runtime is told when it asks the plugins for their STATUS, as 2.x does all the time."""

from __future__ import annotations

import pytest

from tests.node.documents import expected
from tests.node.lists import OWN
from tests.node.node import STATE_DIR, Node
from tests.node.service import Service
from tests.runtime.batch import start
from tests.runtime.containerd import Containerd
from tests.runtime.cri import Condition
from tests.runtime.lists import STATUSES, write_lists

TIMES = 3  # that the service is taken away

pytestmark = pytest.mark.only("v2")


def network(containerd: Containerd) -> Condition:
    """What the kubelet hears of the node's network."""
    return containerd.cri.conditions()["NetworkReady"]


def asked(node: Node) -> int:
    """How often the lists' plugins were asked for their STATUS so far."""
    path = node.path(STATUSES)
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_node_stays_ready_with_the_service_down(
    node: Node, containerd: Containerd, service: Service
) -> None:
    """And can make pods, with all their routes, as it says."""
    write_lists(node, newest=True)
    service.start()
    containerd.start()
    assert network(containerd) == Condition(True, "")
    for take_away in [service.stop, service.kill] * TIMES:
        take_away()
        before = asked(node)
        assert network(containerd) == Condition(True, "")
        assert asked(node) == before + 2, "the runtime has not asked"
        service.start()
    service.stop()
    (pod,) = start(containerd, 1)
    assert pod.missing(expected("eth0")) == []


def test_the_node_is_not_ready_where_no_pod_could_start(
    node: Node, containerd: Containerd, service: Service
) -> None:
    """The policy is Fail, and there is neither a service nor a snapshot to go by."""
    write_lists(node, newest=True, entry={**OWN, "failurePolicy": "Fail"})
    containerd.start()
    for _ in range(TIMES):
        holds, message = network(containerd)
        assert not holds
        assert "cni-route" in message
        with service:
            assert network(containerd) == Condition(True, "")
        for path in node.path(STATE_DIR).iterdir():
            path.unlink()
