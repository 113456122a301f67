"""Pods as a kubelet makes them, many at once, each with a container that records what it finds."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from tests.node.node import Node, until
from tests.node.pods import Pod
from tests.node.runtime import Runtime, Sandbox
from tests.runtime import image
from tests.runtime.containerd import Containerd
from tests.runtime.cri import Identity

OUT = "/run/out"  # a folder for each pod, seen in its container as /out
FIRST_ACT = """\
{ ip -4 route; ip -6 route; } >/out/table
mv /out/table /out/done
exec sleep 2147483647
"""
PATIENCE = 60.0

T = TypeVar("T")


class Started(Pod):
    """A running pod; `table` is what its container found as its first act."""

    def __init__(self, node: Node, sandbox: Sandbox, table: list[str]) -> None:
        super().__init__(Runtime(node), sandbox)
        self.table = table
        self.id = sandbox.container_id
        self.name = sandbox.name

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Those of the routes that were not there at the container's first act."""
        return sorted(set(wanted) - set(self.table))


def start(containerd: Containerd, count: int) -> list[Started]:
    """So many pods at once; all of them run, and their containers have acted."""
    return at_once([partial(start_one, containerd, f"web-{number}") for number in range(count)])


def start_one(containerd: Containerd, name: str) -> Started:
    """One pod with one container."""
    node, cri = containerd.node, containerd.cri
    identity = Identity("default", name, str(uuid.uuid4()))
    sandbox = cri.run_pod(identity)
    out = f"{OUT}/{sandbox}"
    node.path(out).mkdir(parents=True)
    cri.run_container(sandbox, identity, image.NAME, ["sh", "-c", FIRST_ACT], {"/out": out})
    table = node.path(out, "done")
    until(table.exists, f"the container of {name} acts", PATIENCE)
    found = Sandbox(sandbox, cri.netns(sandbox), *identity)
    return Started(node, found, read_table(table.read_text()))


def read_table(text: str) -> list[str]:
    """busybox's `ip route`, each route as Pod.own has it."""
    lines = []
    for words in map(str.split, text.splitlines()):
        if words[0] == "multicast":
            continue  # the kernel's own
        found = [words[0], "dev", words[words.index("dev") + 1]]
        if "via" in words:
            found += ["via", words[words.index("via") + 1]]
        lines.append(" ".join(found))
    return lines


def stop(containerd: Containerd, pods: Iterable[Started]) -> None:
    """Stop the pods at once, as the kubelet does it, and remove them."""
    at_once([partial(stop_one, containerd, pod) for pod in pods])


def stop_one(containerd: Containerd, pod: Started) -> None:
    """It is stopped, stopped once more to be sure, and removed."""
    containerd.cri.stop_pod(pod.id)
    containerd.cri.stop_pod(pod.id)
    containerd.cri.remove_pod(pod.id)


def at_once(
    acts: Sequence[Callable[[], T]], meanwhile: Callable[[], None] = lambda: None
) -> list[T]:
    """Do all of it, each in a thread, and something else meanwhile; the first failure is raised.

    Raised only when everything has come to its end.
    """
    with ThreadPoolExecutor(len(acts)) as pool:
        jobs = [pool.submit(act) for act in acts]
        meanwhile()
    return [job.result() for job in jobs]


def left_behind(node: Node) -> list[str]:
    """What is still there where no pod is: records, locks, namespaces, NICs, leases, results."""
    root = node.path("/")
    found = [f"namespace id {line}" for line in node.ip("netns list-id").splitlines()]
    links = (line.split()[1].split("@")[0] for line in node.ip("-oneline link").splitlines())
    found += [f"link {name}" for name in links if name.startswith(("cali", "veth"))]
    places = ("/run/netns/*", "/var/lib/cni/results/*", "/run/cni-route/sandboxes/*")
    leases = ("/var/lib/cni/networks/*/[0-9]*", "/var/lib/cni/networks/*/*:*")
    for pattern in (*places, *leases):
        found += [str(path.relative_to(root)) for path in root.glob(pattern[1:])]
    return sorted(found)
