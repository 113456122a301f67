"""Pods by a real containerd, our entry in one of two CNI lists: when the other NIC's rules come."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench.figures import Fact, Row, Timing
from tests.bench.resident import cpu_seconds
from tests.node.documents import expected
from tests.node.folder import fill, wait_for
from tests.node.node import Node
from tests.node.service import Service
from tests.runtime import builds
from tests.runtime.batch import Started, start, stop
from tests.runtime.containerd import Containerd
from tests.runtime.follow import Followers
from tests.runtime.lists import NICS, write_lists

PODS = 20  # at once
ROUNDS = 2
ALL = expected("eth0")


def run() -> Iterator[Row | Fact]:
    """The rows, each in a node of its own; with both lists a container must find every rule."""
    build = builds.distribution()
    for nic, other in (NICS, NICS[::-1]):
        yield late_nic(build, nic, other)
    with Node.start() as node, Service(make(node)), Containerd(node, build) as containerd:
        found = [pod for _ in range(ROUNDS) for pod in batch(containerd)]
    missing = sum(bool(pod.missing(ALL)) for pod in found)
    what = f"both lists with us: of {len(found)} first acts, too early"
    yield Fact(what, missing, "", 0)


def make(node: Node, *lists: str, slow: str = "") -> Node:
    """The node with its folder of Routes and its CNI lists."""
    node.install_plugin()
    fill(node)
    write_lists(node, lists or NICS, slow=slow)
    return node


def batch(containerd: Containerd) -> list[Started]:
    """Pods at once, until all have their rules; then they end."""
    found = start(containerd, PODS)
    for pod in found:
        wait_for(pod, ALL, 30)
    stop(containerd, found)
    return found


def late_nic(build: builds.Build, nic: str, other: str) -> Row:
    """The other list's NIC comes when our ADD is long over: its events must do.

    The processor time is the service's, a pod, ADD included.
    """
    waited: list[Timing] = []
    with (
        Node.start() as node,
        Service(make(node, nic, slow=other)) as service,
        Containerd(node, build) as containerd,
    ):
        wait_for(start(containerd, 1)[0], ALL, 30)  # such a NIC is not strange any more
        for _ in range(ROUNDS):
            used = cpu_seconds(service)
            with Followers(node, other) as followers:
                found = start(containerd, PODS)
                for pod in found:
                    wait_for(pod, ALL, 30)
                used = (cpu_seconds(service) - used) / PODS
                waited += [Timing(seconds, used) for seconds in followers.seconds()]
            stop(containerd, found)
    return Row(f"a list without us: {other} is whole to our rules", waited)
