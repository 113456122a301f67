"""Pods that no ADD of ours saw: found in records, in the CNI cache, and by their processes."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.node import documents
from tests.node.documents import expected, text
from tests.node.folder import fill, wait_for
from tests.node.lists import bridged, calico
from tests.node.node import CONF_DIR, ROUTES_DIR, Node
from tests.node.pods import Pod, make_pod
from tests.node.runtime import CACHE_DIR, Runtime
from tests.node.service import Service


@pytest.fixture
def pod(node: Node) -> Pod:
    """A pod made before cni-route came to the node."""
    fill(node)
    node.write(f"{CONF_DIR}/10-calico.conflist", calico())
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged())
    return make_pod(Runtime(node), "web")


def test_in_the_cni_cache(node: Node, pod: Pod, service: Service) -> None:
    service.start()
    wait_for(pod, expected("eth0"))
    assert [item["name"] for item in node.query("pods")] == ["web"]


def test_in_the_cache_of_multus_s_delegates(node: Node, pod: Pod, service: Service) -> None:
    """The delegates' results lie in Multus's folder; loopback's in the runtime's."""
    results = node.path(CACHE_DIR)
    theirs = node.path("/var/lib/cni/multus/results")
    theirs.mkdir(parents=True)
    for path in results.glob("*-eth?"):
        path.rename(theirs / path.name)
    service.start()
    wait_for(pod, expected("eth0"))


def test_what_lies_in_the_cache_of_pods_long_gone_hurts_nobody(
    node: Node, pod: Pod, service: Service
) -> None:
    gone = make_pod(pod.runtime, "gone")
    gone.close_namespace()  # and no DEL
    node.path(CACHE_DIR, "cni-loopback-junk-lo").write_text("{")
    node.path(CACHE_DIR, "ovn-like-pipe-eth1").mkdir()
    service.start()
    wait_for(pod, expected("eth0"))


def test_while_it_runs(node: Node, pod: Pod) -> None:
    """A pod made through lists without our entry is found by the next look."""
    with Service(node, "--discover", "0.2"):
        wait_for(pod, expected("eth0"))
        wait_for(make_pod(pod.runtime, "later"), expected("eth0"))


def test_by_a_process_in_the_pod_s_cgroup(node: Node, pod: Pod, service: Service) -> None:
    """No cache, no record: the source names the UID, and a process of it lives in the namespace."""
    for path in node.path(CACHE_DIR).iterdir():
        path.unlink()
    manifest = documents.pod("web", pod.sandbox.uid)
    node.write(f"{ROUTES_DIR}/pods.yaml", text(manifest))
    with a_process_of(pod):
        service.start()
        wait_for(pod, expected("eth0"))


@contextmanager
def a_process_of(pod: Pod) -> Iterator[None]:
    """A process in the pod's network, in a cgroup named as kubelet names it; all gone after."""
    root = cgroup_root()
    top = root / f"cni-route-test-{uuid.uuid4().hex[:8]}"
    group = top / f"pod{pod.sandbox.uid}" / pod.sandbox.container_id
    name = Path(pod.sandbox.netns).name
    process = pod.node.popen("ip", "netns", "exec", name, "sleep", "600")
    try:
        group.mkdir(parents=True)
        (group / "cgroup.procs").write_text(str(process.pid))
        yield
    finally:
        process.kill()
        process.wait()
        for folder in (group, group.parent, top):
            if folder.exists():
                folder.rmdir()


def cgroup_root() -> Path:
    """The cgroup tree (v2) or the pids hierarchy (v1) where this process may make groups."""
    for root in (
        Path("/sys/fs/cgroup"),
        Path("/sys/fs/cgroup/pids"),
        Path("/sys/fs/cgroup/unified"),
    ):
        if (root / "cgroup.procs").exists() and os.access(root, os.W_OK):
            return root
    mounts = subprocess.run(["mount"], check=False, capture_output=True, text=True).stdout
    pytest.skip(f"no cgroup hierarchy to write to: {mounts}")
