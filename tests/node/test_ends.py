"""How pods and services end: DEL and GC, kills and restarts; and CHECK and STATUS meanwhile."""

from __future__ import annotations

from functools import partial

import pytest

from tests.node.documents import DEFAULT, expected
from tests.node.folder import edit, fill, wait_for
from tests.node.lists import OWN, bridged, calico
from tests.node.node import COMMAND, CONF_DIR, RUN_DIR, Node, until
from tests.node.pods import Pod, Row, make_pod
from tests.node.runtime import CniError, Runtime
from tests.node.service import Service

MOVED = "default dev eth1 via 10.124.2.1"


@pytest.fixture(autouse=True)
def _folder(node: Node) -> None:
    fill(node)


def records(node: Node) -> list[str]:
    """The container ids that have a record."""
    folder = node.path(RUN_DIR, "sandboxes")
    return sorted(path.stem for path in folder.glob("*.json"))


# ---------------------------------------------------------------- pods


def test_del_takes_the_record_and_the_leases(
    node: Node, runtime: Runtime, service: Service
) -> None:
    service.start()
    pods = [make_pod(runtime, f"web-{number}") for number in range(3)]
    assert records(node) == sorted(pod.sandbox.container_id for pod in pods)
    for pod in pods:
        pod.delete()
    assert records(node) == []
    assert list(node.path("/var/lib/cni/results").iterdir()) == []
    until(lambda: node.query("pods") == [], "the service has forgotten them")


@pytest.mark.parametrize("running", [True, False], ids=["with-service", "without-service"])
def test_del_succeeds_after_the_namespace_is_gone(
    node: Node, runtime: Runtime, service: Service, running: bool
) -> None:
    service.start()
    pod = make_pod(runtime, "web")
    if not running:
        service.kill()
    lists = runtime.lists()
    pod.delete(netns_gone=True)
    for config, ifname in lists[1:]:  # and once more
        runtime.delete({**config, "plugins": [OWN]}, pod.sandbox, ifname, netns="")
    assert records(node) == []


def test_a_namespace_that_goes_without_del_is_forgotten(
    node: Node, runtime: Runtime, service: Service
) -> None:
    """The other pods go on; the pod is shown as gone, or not at all."""
    service.start()
    lost, other = make_pod(runtime, "lost"), make_pod(runtime, "other")
    lost.close_namespace()
    edit(node, "eth1")
    wait_for(other, expected("eth1"))
    until(lambda: state_of(node, lost) in ("gone", None), "the pod is shown as gone")


def state_of(node: Node, pod: Pod) -> object:
    """The state that `pods` shows, None where it shows none."""
    for item in node.query("pods"):
        if item["name"] == pod.sandbox.name:
            return item["state"]
    return None


def test_check_judges_by_what_is_wanted_now(node: Node, service: Service) -> None:
    """Passes right after ADD, after an edit, and without the service; a lost route fails."""
    node.write(f"{CONF_DIR}/10-calico.conflist", calico(OWN, version="0.4.0"))
    runtime = Runtime(node)
    service.start()
    pod = make_pod(runtime, "web")
    own = [({**config, "plugins": [OWN]}, ifname) for config, ifname in runtime.lists()[1:]]

    def check() -> None:
        for config, ifname in own:
            runtime.check(config, pod.sandbox, ifname)

    check()
    edit(node, "eth1")
    wait_for(pod, expected("eth1"))
    check()
    service.kill()
    check()
    pod.ip("route delete 10.86.0.20 dev eth0")
    with pytest.raises(CniError, match="cni-route"):
        check()
    service.start()
    wait_for(pod, expected("eth1"))
    check()


def test_check_is_refused_for_versions_that_have_none(runtime: Runtime, service: Service) -> None:
    service.start()
    pod = make_pod(runtime, "web")
    config = runtime.lists()[1][0]
    with pytest.raises(CniError, match="cni-route") as caught:
        runtime.check({**config, "plugins": [OWN]}, pod.sandbox, "eth0")
    assert caught.value.code == 1


def test_gc_takes_what_is_not_named_of_its_own_network(
    node: Node, runtime: Runtime, service: Service
) -> None:
    service.start()
    keep, drop = make_pod(runtime, "keep"), make_pod(runtime, "drop")
    for name, ifname in (("k8s-pod-network", "eth0"), ("ovn-like", "eth1")):
        config = {"cniVersion": "1.1.0", "name": name, "plugins": [OWN]}
        assert drop.sandbox.container_id in records(node)
        runtime.collect(config, [(keep.sandbox.container_id, ifname)])
    assert records(node) == [keep.sandbox.container_id]
    assert keep.own() == expected("eth0")


def test_status_and_version(runtime: Runtime, service: Service) -> None:
    service.start()
    runtime.status({"cniVersion": "1.1.0", "name": "own", "plugins": [OWN]})
    assert runtime.versions("cni-route")[-1] == "1.1.0"


# ---------------------------------------------------------------- the service


def test_sigterm_leaves_the_routes_in_place(node: Node, runtime: Runtime, service: Service) -> None:
    service.start()
    pod = make_pod(runtime, "web")
    assert service.stop() == 0
    assert not node.path(RUN_DIR, "agent.sock").exists()
    assert pod.own() == expected("eth0")


def test_what_was_edited_while_it_was_down_is_caught_up_with(
    node: Node, runtime: Runtime, service: Service
) -> None:
    service.start()
    pod = make_pod(runtime, "web")
    service.kill()
    edit(node, "eth1")
    pod.ip("route delete 10.86.0.20 dev eth0")
    service.start()
    wait_for(pod, expected("eth1"))


def test_killed_in_the_middle_again_and_again(
    node: Node, runtime: Runtime, service: Service, soak: bool
) -> None:
    """Whatever moment it is: no foreign route is hurt, and the next start completes the work."""
    service.start()
    pods = [make_pod(runtime, f"web-{number}") for number in range(5)]
    for pod in pods:
        until(pod.settled, "link-local addresses")
    made = [pod.foreign() for pod in pods]
    shops = ["eth1", "eth0"]
    for number in range(100 if soak else 10):
        old, shop = shops[number % 2 - 1], shops[number % 2]
        moved = number % 3 == 0
        own = expected(shop, *([MOVED] if moved else []))
        before = pods[0].own()
        edit(node, shop, *([DEFAULT] if moved else []))
        until(partial(differs, pods[0], before), f"it starts to go from {old} to {shop}")
        service.kill()
        service.start()
        for pod in pods:
            wait_for(pod, own)
    edit(node, "eth0")
    for pod, table in zip(pods, made, strict=True):
        wait_for(pod, expected("eth0"))
        until(partial(has_foreign, pod, table), "the foreign table is whole")


def differs(pod: Pod, before: list[str]) -> bool:
    """Whether the pod's own routes are not what they were."""
    return pod.own() != before


def has_foreign(pod: Pod, table: list[Row]) -> bool:
    """Whether the pod's foreign routes are these."""
    return pod.foreign() == table


def test_two_services_on_one_node_do_not_fight(node: Node, service: Service) -> None:
    """The second one says so and ends; the first goes on."""
    service.start()
    second = node.run(COMMAND, *service.arguments, check=False)
    assert second.returncode == 1
    assert "Traceback" not in second.stderr
    assert service.answers()
    pod = make_pod(Runtime(node), "web")
    assert pod.own() == expected("eth0")


def test_plugins_of_other_lists_do_not_matter(node: Node, service: Service) -> None:
    """Debian's tuning before us, in a list of version 1.0.0."""
    tuning = {"type": "tuning", "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(tuning, OWN))
    service.start()
    pod = make_pod(Runtime(node), "web")
    assert pod.own() == expected("eth0")
    pod.delete()
