"""Pods end in any order, whatever the service does meanwhile, and leave nothing behind."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Sequence
from functools import partial

import grpc
import pytest

from tests.node.documents import expected
from tests.node.lists import OWN, bridged
from tests.node.node import CONF_DIR, RUN_DIR, Node, until
from tests.node.service import Service
from tests.runtime.batch import Started, at_once, left_behind, start, stop_one
from tests.runtime.containerd import Containerd
from tests.runtime.cri import Identity
from tests.runtime.lists import write_lists

AT_ONCE = 3  # pods that end at the same time
PATIENCE = 20.0


def test_stopping_pods_leaves_nothing_behind(
    node: Node, containerd: Containerd, service: Service, soak: bool, rng: random.Random
) -> None:
    """With the service up, ended, killed, and killed and started again all the time."""
    write_lists(node)
    service.start()
    containerd.start()
    phases = [up, ended, killed, restarted] * (5 if soak else 1)
    rng.shuffle(phases)
    pods = start(containerd, AT_ONCE * len(phases))
    rng.shuffle(pods)
    for phase in phases:
        going, pods = pods[:AT_ONCE], pods[AT_ONCE:]
        ends = [partial(rng.choice(WAYS), containerd, pod) for pod in going]
        phase(service, ends)
        until(partial(only, node, pods), f"{phase.__name__}: what is left is the others'", PATIENCE)
    until(lambda: left_behind(node) == [], "nothing is left", PATIENCE)
    if service.process is None:
        service.start()
    until(lambda: node.query("pods") == [], "the service has forgotten the pods")
    assert service.stop() == 0
    assert left_behind(node) == []
    assert sorted(path.name for path in node.path(RUN_DIR).iterdir()) == ["agent.lock", "sandboxes"]


def test_a_pod_whose_chain_fails_behind_us_leaves_nothing_behind(
    node: Node, containerd: Containerd, service: Service
) -> None:
    write_lists(node)
    wrong = {"type": "tuning", "sysctl": {"net.no.such": "1"}}
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(OWN, wrong))
    service.start()
    containerd.start()
    at_once([partial(refused, containerd, "no.such")] * AT_ONCE)
    until(lambda: left_behind(node) == [], "nothing is left", PATIENCE)
    until(lambda: node.query("pods") == [], "the service has forgotten the pods")


def test_a_pod_that_we_refuse_leaves_nothing_behind_and_starts_with_the_service(
    node: Node, containerd: Containerd, service: Service
) -> None:
    """The policy is Fail, and there is neither a service nor a snapshot to go by."""
    write_lists(node, entry={**OWN, "failurePolicy": "Fail", "timeoutMs": 100})
    containerd.start()
    at_once([partial(refused, containerd, "cni-route")] * AT_ONCE)
    until(lambda: left_behind(node) == [], "nothing is left", PATIENCE)
    service.start()
    (pod,) = start(containerd, 1)
    assert pod.missing(expected("eth0")) == []


def refused(containerd: Containerd, why: str) -> None:
    """A pod that does not start; what the kubelet is told names the culprit."""
    name = f"no-{uuid.uuid4().hex[:8]}"
    with pytest.raises(grpc.RpcError, match=why):
        containerd.cri.run_pod(Identity("default", name, str(uuid.uuid4())))


def only(node: Node, pods: list[Started]) -> bool:
    """Whether these pods' records and namespaces are all that there are."""
    records = node.path(RUN_DIR, "sandboxes").glob("*.json")
    namespaces = node.ip("netns list-id").splitlines()  # also those that have no name any more
    return {path.stem for path in records} == {p.id for p in pods} and len(namespaces) == len(pods)


# ---------------------------------------------------------------- what the service does meanwhile

Act = Callable[[], None]


def up(service: Service, ends: Sequence[Act]) -> None:
    """It runs all the time."""
    if service.process is None:
        service.start()
    at_once(ends)


def ended(service: Service, ends: Sequence[Act]) -> None:
    """It was ended before, and takes its socket with it."""
    if service.process is None:
        service.start()
    service.stop()
    at_once(ends)


def killed(service: Service, ends: Sequence[Act]) -> None:
    """It was killed before, and its socket is there with nobody behind it."""
    if service.process is None:
        service.start()
    service.kill()
    at_once(ends)


def restarted(service: Service, ends: Sequence[Act]) -> None:
    """It is killed and started again and again while the pods end."""

    def again_and_again() -> None:
        for _ in range(3):
            service.kill()
            service.start()

    at_once(ends, again_and_again)


# ---------------------------------------------------------------- how a pod ends


def forced(containerd: Containerd, pod: Started) -> None:
    """Removed while it runs."""
    containerd.cri.remove_pod(pod.id)


def unnamed(containerd: Containerd, pod: Started) -> None:
    """The namespace has lost its name: containerd calls DEL with an empty CNI_NETNS."""
    pod.close_namespace()
    stop_one(containerd, pod)


WAYS = [stop_one, forced, unnamed]
