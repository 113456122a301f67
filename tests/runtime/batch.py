"""Pods as a kubelet makes them, many at once, each with a container that records what it finds."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

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


class Started:
    """A running pod; `table` is what its container found as its first act."""

    def __init__(self, pod: Pod, table: list[str]) -> None:
        self.pod = pod
        self.table = table
        self.id = pod.sandbox.container_id

    def missing(self, wanted: Iterable[str]) -> list[str]:
        """Those of the routes that were not there at the container's first act."""
        return sorted(set(wanted) - set(self.table))


def start(containerd: Containerd, count: int) -> list[Started]:
    """So many pods at once; all of them run, and their containers have acted."""
    names = [f"web-{number}" for number in range(count)]
    return at_once(lambda name: start_one(containerd, name), names)


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
    return Started(Pod(Runtime(node), found), read_table(table.read_text()))


def read_table(text: str) -> list[str]:
    """busybox's `ip route`, each route as Pod.own has it."""
    lines = []
    for words in map(str.split, text.splitlines()):
        if "dev" not in words:
            continue
        found = [words[0], "dev", words[words.index("dev") + 1]]
        if "via" in words:
            found += ["via", words[words.index("via") + 1]]
        lines.append(" ".join(found))
    return lines


def stop(containerd: Containerd, ids: Iterable[str]) -> None:
    """Stop the pods at once and remove them."""
    at_once(lambda sandbox: stop_one(containerd, sandbox), list(ids))


def stop_one(containerd: Containerd, sandbox: str) -> None:
    """What the kubelet does at a pod's end; it stops it twice when in doubt."""
    containerd.cri.stop_pod(sandbox)
    containerd.cri.stop_pod(sandbox)
    containerd.cri.remove_pod(sandbox)


def at_once(act: Callable[[str], Started | None], names: list[str]) -> list[Started]:
    """Do it for all, each in a thread of its own; the first failure is raised once all are done."""
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        jobs = [pool.submit(act, name) for name in names]
    return [found for job in jobs if (found := job.result()) is not None]


def left_behind(node: Node) -> list[str]:
    """What is still there of pods that are gone, and of the service if it is not running."""
    root = node.path("/")
    found = [f"namespace id {line}" for line in node.ip("netns list-id").splitlines()]
    links = (line.split()[1].split("@")[0] for line in node.ip("-oneline link").splitlines())
    found += [f"link {name}" for name in links if name.startswith(("cali", "veth"))]
    places = ("/run/netns/*", "/var/lib/cni/results/*", "/run/cni-route/sandboxes/*")
    leases = ("/var/lib/cni/networks/*/[0-9]*", "/var/lib/cni/networks/*/*:*")
    for pattern in (*places, *leases):
        found += [str(path.relative_to(root)) for path in root.glob(pattern[1:])]
    return sorted(found)
