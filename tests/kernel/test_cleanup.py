"""cleanup without a service, in real namespaces: what the CNI plugins made is what is left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.address import Address, Prefix
from cni_route.model import OWN_PROTOCOL, KernelRoute, Route, Rule
from cni_route.netlink.table import NetlinkKernel
from cni_route.reconcile import reconcile
from cni_route.sandbox import Attachment, Record, Sandboxes
from cni_route.view import build
from tests.contract.real_world import RealWorld

PROGRAM = [sys.executable, "-c", "from sync_service.cli.main import main; main()"]
WAIT_SECONDS = 30.0
RULES = tuple(
    Rule(f"spec.route[{number}]", "eth1", Prefix.parse(dst), via=Address.parse(via))
    for number, (dst, via) in enumerate(
        (
            ("0.0.0.0/0", "10.124.2.1"),
            ("172.16.0.0/16", "10.124.2.1"),
            ("::/0", "fd00:124::1"),
            ("fd00:99::/64", "fd00:124::1"),
        )
    )
)
OWN_RULE = Rule("routes[0]", "eth1", Prefix.parse("198.51.100.0/24"))


class Pod:
    """A pod with two NICs, its record, and our routes in it."""

    def __init__(self, run_dir: Path) -> None:
        self.world = RealWorld()
        self.world.add_link("eth0", "10.244.0.7/24", "fd00:244::7/64")
        self.world.add_link("eth1", "10.124.2.7/24", "fd00:124::7/64")
        self.world.route("default via 10.244.0.1 dev eth0")
        self.world.route("default6 via fd00:244::1 dev eth0")
        self.world.route("203.0.113.0/24 via 10.244.0.1 dev eth0 proto 4")
        self.made = self.table()
        self.run_dir = run_dir
        self.sandboxes = Sandboxes(str(run_dir), print)
        attachment = Attachment("ovn", "eth1", rules=(OWN_RULE,))
        self.netns = f"/proc/{os.getpid()}/fd/{self.world.descriptor}"
        self.record = Record(
            "a1", self.netns, self.world.inode, "default", "web", "u", (attachment,)
        )
        self.sandboxes.save(self.record)

    def table(self) -> tuple[KernelRoute, ...]:
        """What the kernel holds."""
        table = NetlinkKernel().open(self.world.descriptor)
        try:
            return table.dump()
        finally:
            table.close()

    def inject(self) -> None:
        """Put our routes in, over the default routes of both families."""
        view = build([Route("demo", RULES)])
        outcome = reconcile(
            self.record, view, NetlinkKernel(), self.sandboxes, namespace=self.world.descriptor
        )
        assert not outcome.error
        own = {str(r.key.dst) for r in self.table() if r.protocol == OWN_PROTOCOL}
        assert own == {str(rule.dst) for rule in (*RULES, OWN_RULE)}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `cni-route cleanup`."""
        nowhere = str(self.run_dir / "cache")
        return subprocess.run(
            [*PROGRAM, "cleanup", "--run-dir", str(self.run_dir), "--cni-cache", nowhere,
             *arguments],
            capture_output=True, text=True, check=False, timeout=WAIT_SECONDS,
        )  # fmt: skip


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    found = Pod(tmp_path)
    yield found
    found.world.close()


def test_the_table_is_as_it_was_made(pod: Pod) -> None:
    pod.inject()
    done = pod.command()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Nothing of ours is left in 1 pod.\n")
    assert pod.table() == pod.made


def test_a_second_time_there_is_nothing_to_do(pod: Pod) -> None:
    pod.inject()
    counts = []
    for _ in range(2):
        done = pod.command("-o", "json")
        (item,) = json.loads(done.stdout)["items"]
        assert (done.returncode, item["name"], item["left"], item["error"]) == (0, "web", 0, "")
        counts.append(item["removed"] > len(RULES))
    assert counts == [True, False]


def test_a_pod_without_a_record_is_found_in_the_cni_cache(pod: Pod) -> None:
    pod.inject()
    pod.sandboxes.remove(pod.record.container_id)
    cache = pod.run_dir / "cache"
    cache.mkdir()
    named = {"IgnoreUnknown": "1", "K8S_POD_NAMESPACE": "default", "K8S_POD_NAME": "web",
             "K8S_POD_INFRA_CONTAINER_ID": "a1", "K8S_POD_UID": "u"}  # fmt: skip
    result = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth1", "sandbox": pod.netns}],
        "ips": [{"address": "10.124.2.7/24", "interface": 0}],
    }
    entry = {"kind": "cniCacheV1", "containerId": "a1", "ifName": "eth1", "networkName": "ovn",
             "cniArgs": [list(pair) for pair in named.items()], "result": result}  # fmt: skip
    (cache / "ovn-a1-eth1").write_text(json.dumps(entry))
    done = pod.command()
    assert done.returncode == 0, done.stderr
    assert pod.table() == pod.made


def test_a_displaced_route_whose_nic_is_down_is_owed(pod: Pod) -> None:
    pod.inject()
    pod.world.set_down("eth0")
    done = pod.command()
    assert done.returncode == 1, done.stdout
    assert "routes that ours displaced are not back: 0.0.0.0/0" in done.stdout
    pod.world.set_up("eth0")
    pod.world.add_address("eth0", "fd00:244::7/64")
    done = pod.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [r for r in pod.table() if r.protocol in (114, 115)]
    defaults = {str(r.key.dst) for r in pod.table() if not r.key.dst.length}
    assert defaults == {"0.0.0.0/0", "::/0"}


def test_a_pod_that_is_gone_holds_nothing(pod: Pod) -> None:
    pod.sandboxes.save(pod.record._replace(container_id="b2", netns="/nowhere", name="gone"))
    pod.sandboxes.save(pod.record._replace(container_id="c3", inode=7, name="another"))
    pod.inject()
    done = pod.command("-o", "json")
    assert done.returncode == 0
    assert [(item["name"], item["left"]) for item in json.loads(done.stdout)["items"]] == [
        ("another", 0),
        ("gone", 0),
        ("web", 0),
    ]


def test_a_namespace_that_is_not_a_pods_is_left_alone(pod: Pod) -> None:
    pod.sandboxes.save(pod.record._replace(netns="/proc/self/ns/net", inode=0))
    done = pod.command()
    assert done.returncode == 1
    assert "own network namespace" in done.stdout
    assert "Not clean yet: 1 of 1 pod" in done.stdout


def test_settings_that_cannot_be_used(pod: Pod) -> None:
    config = pod.run_dir / "config.yaml"
    config.write_text("protocol: 7\n")
    done = pod.command("--config", str(config))
    assert (done.returncode, done.stdout) == (1, "")
    assert "protocol: 7 is not a route protocol from 20 to 255" in done.stderr
