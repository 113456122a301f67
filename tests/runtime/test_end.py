"""Pods end in any order, whatever the service does meanwhile, and nothing of them is left behind."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.node.node import RUN_DIR, Node, until
from tests.node.service import Service
from tests.runtime.batch import Started, left_behind, start
from tests.runtime.containerd import Containerd
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
        ends = [end(containerd, pod, rng.choice(WAYS)) for pod in going]
        phase(service, ends)
        until(lambda: records(node) == sorted(p.id for p in pods), f"{phase.__name__}: the others")
    until(lambda: left_behind(node) == [], "nothing is left", PATIENCE)
    if service.process is None:
        service.start()
    until(lambda: node.query("pods") == [], "the service has forgotten the pods")
    assert service.stop() == 0
    assert left_behind(node) == []
    assert sorted(path.name for path in node.path(RUN_DIR).iterdir()) == ["agent.lock", "sandboxes"]


def records(node: Node) -> list[str]:
    """The container ids that have a record."""
    return sorted(path.stem for path in node.path(RUN_DIR, "sandboxes").glob("*.json"))


# ---------------------------------------------------------------- what the service does meanwhile

Act = Callable[[], None]


def at_once(acts: list[Act], meanwhile: Act = lambda: None) -> None:
    """All of it, each in a thread, and something else meanwhile; failures are raised."""
    with ThreadPoolExecutor(len(acts)) as pool:
        jobs = [pool.submit(act) for act in acts]
        meanwhile()
    for job in jobs:
        job.result()


def up(service: Service, ends: list[Act]) -> None:
    """It runs all the time."""
    if service.process is None:
        service.start()
    at_once(ends)


def ended(service: Service, ends: list[Act]) -> None:
    """It was ended before, and takes its socket with it."""
    if service.process is None:
        service.start()
    service.stop()
    at_once(ends)


def killed(service: Service, ends: list[Act]) -> None:
    """It was killed before, and its socket is there with nobody behind it."""
    if service.process is None:
        service.start()
    service.kill()
    at_once(ends)


def restarted(service: Service, ends: list[Act]) -> None:
    """It is killed and started again and again while the pods end."""

    def again_and_again() -> None:
        for _ in range(3):
            service.kill()
            service.start()

    at_once(ends, again_and_again)


# ---------------------------------------------------------------- how a pod ends


def orderly(containerd: Containerd, pod: Started) -> None:
    """As the kubelet does it: stopped, stopped once more to be sure, and removed."""
    containerd.cri.stop_pod(pod.id)
    containerd.cri.stop_pod(pod.id)
    containerd.cri.remove_pod(pod.id)


def forced(containerd: Containerd, pod: Started) -> None:
    """Removed while it runs."""
    containerd.cri.remove_pod(pod.id)


def unnamed(containerd: Containerd, pod: Started) -> None:
    """The namespace has lost its name: containerd calls DEL with an empty CNI_NETNS."""
    pod.pod.close_namespace()
    orderly(containerd, pod)


WAYS = [orderly, forced, unnamed]


def end(containerd: Containerd, pod: Started, way: Callable[[Containerd, Started], None]) -> Act:
    """The end of one pod, to be called."""
    return lambda: way(containerd, pod)
