"""Pods are born with their routes: by the service, alone without it, and by late injection."""

from __future__ import annotations

import json

import pytest

from tests.node import documents
from tests.node.documents import expected, text
from tests.node.folder import edit, fill, wait_for
from tests.node.lists import OWN, bridged, calico
from tests.node.node import BIN_DIR, CONF_DIR, ROUTES_DIR, Node, until
from tests.node.pods import Pod, make_pod, make_sandbox
from tests.node.runtime import CniError, Runtime
from tests.node.service import Service


@pytest.fixture(autouse=True)
def _folder(node: Node) -> None:
    fill(node)


@pytest.mark.parametrize("parallel", [False, True], ids=["in-order", "in-parallel"])
def test_the_routes_are_there_when_add_returns(
    node: Node, service: Service, parallel: bool
) -> None:
    """The later ADD completes what the earlier could not do yet, whichever NIC comes first."""
    service.start()
    runtime = Runtime(node, parallel=parallel)
    for number in range(5):
        assert make_pod(runtime, f"web-{number}").own() == expected("eth0")


def test_a_pod_without_eth1_has_what_is_for_eth0(node: Node, service: Service) -> None:
    service.start()
    pod = make_pod(Runtime(node, max_conf_num=1), "plain")
    assert pod.own() == expected("eth0", nics=("eth0",))


def test_the_result_is_that_of_the_plugins_before(
    node: Node, runtime: Runtime, service: Service
) -> None:
    """Only the values that differ from pod to pod may differ."""
    service.start()
    with_ours = make_pod(runtime, "web").results
    node.write(f"{CONF_DIR}/10-calico.conflist", calico())
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged())
    without = make_pod(runtime, "bare").results
    for ifname in ("eth0", "eth1"):
        assert shape(with_ours[ifname]) == shape(without[ifname])


def shape(value: object) -> object:
    """A result's keys and types, and the values that are the same for every pod."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [shape(entry) for entry in value]
    return value if value in ("0.3.1", "1.0.0", "eth0", "eth1", "10.124.2.1") else type(value)


def test_the_conf_entry_s_own_routes_last_as_long_as_the_pod(node: Node, service: Service) -> None:
    entry = {**OWN, "routes": [{"dst": "192.0.2.0/24", "dev": "eth1", "via": "10.124.2.9"}]}
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(entry))
    service.start()
    pod = make_pod(Runtime(node), "web")
    own = expected("eth0", "192.0.2.0/24 dev eth1 via 10.124.2.9")
    assert pod.own() == own
    service.stop()
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(OWN))
    pod.ip("route delete 192.0.2.0/24 dev eth1 via 10.124.2.9")
    service.start()
    wait_for(pod, own)


def test_without_service_and_snapshot_the_pod_starts_and_gets_its_routes_later(
    runtime: Runtime, service: Service
) -> None:
    pod = make_pod(runtime, "web")
    assert pod.own() == []
    service.start()
    wait_for(pod, expected("eth0"))


def test_without_service_the_plugin_works_alone_from_the_snapshot(
    node: Node, runtime: Runtime, service: Service
) -> None:
    """And the service finds afterwards what it left, and goes on from there."""
    service.start()
    make_pod(runtime, "before")
    service.kill()
    pod = make_pod(runtime, "web")
    assert pod.own() == expected("eth0")
    edit(node, "eth1")
    service.start()
    wait_for(pod, expected("eth1"))


def test_policy_fail_refuses_the_pod_when_nobody_can_decide(node: Node, runtime: Runtime) -> None:
    entry = {**OWN, "failurePolicy": "Fail", "timeoutMs": 200}
    node.write(f"{CONF_DIR}/10-calico.conflist", calico(entry))
    with pytest.raises(CniError, match="cni-route") as caught:
        make_pod(runtime, "web")
    assert caught.value.code == 11


def test_a_host_network_pod_is_left_alone(node: Node, service: Service) -> None:
    """Its network is the node's: nothing of ours may get in there, by whatever way."""
    before = node.ip("route") + node.ip("-6 route") + node.ip("rule")
    manifest = documents.pod("agent", "uid-agent", hostNetwork=True)
    node.write(f"{ROUTES_DIR}/pods.yaml", text(manifest))
    service.start()
    pod = make_pod(Runtime(node), "agent", uid="uid-agent")
    assert pod.own() == []
    runtime = Runtime(node)
    for netns in ("/proc/self/ns/net", f"/proc/{service.pid}/ns/net"):
        sandbox = make_sandbox(node, "strange")._replace(netns=netns)
        answer = runtime.call("ADD", OWN, own_config(), sandbox, "eth0")
        assert json.loads(answer)["cniVersion"] == "1.0.0"  # it passes, unasked
    assert make_pod(runtime, "web").own() == expected("eth0")
    after = node.ip("route") + node.ip("-6 route") + node.ip("rule")
    assert [line for line in after.splitlines() if "114" in line or "115" in line] == []
    assert set(before.splitlines()) <= set(after.splitlines())


def own_config() -> str:
    """The standard input of a list of our plugin alone."""
    return json.dumps({**OWN, "cniVersion": "1.0.0", "name": "own"})


@pytest.mark.parametrize("pause", [0.0, 0.1, 0.5])
def test_the_service_does_not_get_in_the_way_of_a_chain(
    node: Node, service: Service, pause: float
) -> None:
    """eth0's ADD has told the service of the pod; eth1 is up, and its chain still at work.

    A plugin there that adds a route must find its key free: otherwise it fails, and the pod does.
    By another pod the service knows that for an eth1 an ADD will come.
    """
    service.start()
    runtime = Runtime(node)
    make_pod(runtime, "before")
    line = "192.0.2.0/24 via 10.124.2.1 dev eth1"
    late = {"type": "late-routes", "pause": pause, "routes": [line]}
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(late, OWN))
    edit(node, "eth1", {"dst": "192.0.2.0/24", "dev": "eth1", "via": "10.124.2.9"})
    pod = make_pod(runtime, "web")
    wait_for(pod, expected("eth1", "192.0.2.0/24 dev eth1 via 10.124.2.9"))
    edit(node, "eth1")
    wait_for(pod, expected("eth1"))
    until(lambda: pod.ip("route show 192.0.2.0/24").split() == line.split(), "the plugin's route")


def test_multus_s_auxiliary_chain(node: Node, service: Service) -> None:
    """All NICs are there, no result is, the interface named is none of the pod's."""
    node.write(f"{CONF_DIR}/10-calico.conflist", calico())
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged())
    service.start()
    pod = make_pod(Runtime(node), "web")
    assert pod.own() == []
    config = {**OWN, "cniVersion": "0.3.1", "name": "aux"}
    config["prevResult"] = {"cniVersion": "0.3.1", "dns": {}}
    answer = auxiliary(pod, "ADD", config)
    assert json.loads(answer) == config["prevResult"]
    assert pod.own() == expected("eth0")
    assert auxiliary(pod, "DEL", config) == ""


def auxiliary(pod: Pod, verb: str, config: dict[str, object]) -> str:
    """A call as Multus makes it: every argument and the path twice."""
    twice = "IgnoreUnknown=true;" + ";".join(f"{k}={v}" for k, v in pod.sandbox.arguments)
    env = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": pod.sandbox.container_id,
        "CNI_NETNS": pod.sandbox.netns,
        "CNI_IFNAME": "net2",
        "CNI_PATH": f"{BIN_DIR}:{BIN_DIR}",
        "CNI_ARGS": f"{twice};{twice}",
    }
    return pod.node.run(f"{BIN_DIR}/cni-route", stdin=json.dumps(config), env=env).stdout
