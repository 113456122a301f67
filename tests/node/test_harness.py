"""The node itself, before anything of ours is in it: the other tests stand on this."""

from __future__ import annotations

import base64
import json
import os
import socket

import pytest

from tests.node.lists import bridged, calico
from tests.node.namespaces import inside
from tests.node.node import CONF_DIR, Node, until
from tests.node.pods import Changes, Pod, line_of, make_pod
from tests.node.runtime import CniError, Runtime


@pytest.fixture
def runtime(bare_node: Node) -> Runtime:
    """Two lists without our plugin."""
    bare_node.write(f"{CONF_DIR}/10-calico.conflist", calico())
    bare_node.write(f"{CONF_DIR}/20-ovn.conflist", bridged())
    return Runtime(bare_node)


def test_a_pod_has_the_tables_of_a_dual_cni_cluster(runtime: Runtime) -> None:
    pod = make_pod(runtime, "web")
    until(pod.settled, "link-local addresses")
    assert [line_of(row) for row in pod.foreign()] == [
        "169.254.1.1 dev eth0",
        "default dev eth0 via 169.254.1.1",
        "default dev eth0 via fe80::ecee:eeff:feee:eeee",
        "fd00:244:7::2 dev eth0 metric 256",
        "fe80::/64 dev eth0 metric 256",
        "10.124.0.0/16 dev eth1 via 10.124.2.1",
        "10.124.2.0/24 dev eth1",
        "fd00:124:2::/64 dev eth1 metric 256",
        "fe80::/64 dev eth1 metric 256",
    ]
    assert pod.results["eth0"]["ips"][0] == {
        "address": "10.244.7.2/32",
        "interface": 1,
        "version": "4",
    }


def test_packets_pass_on_both_nics(runtime: Runtime) -> None:
    one, two = make_pod(runtime, "one"), make_pod(runtime, "two")
    for ifname in ("eth0", "eth1"):
        for ip in two.results[ifname]["ips"]:
            assert reaches(one, ip["address"].partition("/")[0])


def reaches(pod: Pod, address: str) -> bool:
    """Whether the far side answers a TCP connection attempt; that takes both ways."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with inside(pod.netns):
        sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(5)
    with sock:
        try:
            sock.connect((address, 9))
        except ConnectionRefusedError:  # the far side's own answer
            return True
    return False


def test_del_gives_everything_back(runtime: Runtime) -> None:
    node = runtime.node
    before = sorted(line.split()[1] for line in node.ip("-oneline link").splitlines())
    pod = make_pod(runtime, "web")
    assert len(list(node.path("/var/lib/cni/results").iterdir())) == 3
    pod.delete()
    assert list(node.path("/var/lib/cni/results").iterdir()) == []
    leases = node.path("/var/lib/cni/networks/ovn-like").iterdir()
    assert sorted(p.name for p in leases if p.name[0].isdigit()) == []
    after = sorted(line.split()[1] for line in node.ip("-oneline link").splitlines())
    assert after == sorted([*before, "br-eth1:"])


def test_the_cache_is_libcni_s(runtime: Runtime) -> None:
    pod = make_pod(runtime, "web", namespace="prod", uid="u-1")
    path = runtime.cache_file("ovn-like", pod.sandbox, "eth1")
    assert path.stat().st_mode & 0o777 == 0o600
    entry = json.loads(path.read_text())
    assert entry["kind"] == "cniCacheV1"
    assert json.loads(base64.b64decode(entry["config"])) == bridged()
    assert ["K8S_POD_UID", "u-1"] in entry["cniArgs"]
    assert entry["result"] == pod.results["eth1"]
    assert runtime.cache_file("cni-loopback", pod.sandbox, "lo").exists()


def test_a_failed_add_is_followed_by_del(runtime: Runtime) -> None:
    wrong = {"type": "tuning", "sysctl": {"net.no.such": "1"}}
    runtime.node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(wrong))
    with pytest.raises(CniError, match="tuning"):
        make_pod(runtime, "web")
    leases = runtime.node.path("/var/lib/cni/networks/ovn-like").iterdir()
    assert [path.name for path in leases if path.name[0].isdigit()] == []


def test_changes_are_timed_by_the_kernel_s_word(runtime: Runtime) -> None:
    pod = make_pod(runtime, "web")
    with Changes([pod]) as changes:
        pod.ip("route add 192.0.2.1 dev eth1")
        took = changes.until(lambda: "192.0.2.1" in pod.ip("route"), "the route is there")
        assert changes.count == 1
        assert 0 < took < 5


def test_the_machine_is_left_alone(runtime: Runtime) -> None:
    names = [f"{CONF_DIR}/10-calico.conflist", "/run/netns", "/var/lib/cni/results"]
    seen = [os.path.exists(name) and os.stat(name).st_dev for name in names]
    ours = [runtime.node.path(name).stat().st_dev for name in names]
    assert all(a != b for a, b in zip(seen, ours, strict=True))
    assert "br-eth1" not in os.listdir("/sys/class/net")
