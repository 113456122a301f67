"""The samples of conf/ do on a node what their comments say."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.node import documents
from tests.node.documents import text
from tests.node.folder import wait_for
from tests.node.lists import bridged, calico
from tests.node.node import BIN_DIR, CONF_DIR, PROJECT, ROUTES_DIR, Node
from tests.node.pods import make_pod
from tests.node.runtime import Runtime
from tests.node.service import Service

OWN_OF_SAMPLE = [
    "10.86.0.30 dev eth1",
    "172.16.10.0/24 dev eth1",
    "default dev eth1 via 10.124.2.1",
]


def sample(name: str) -> str:
    """A sample's text."""
    return (PROJECT / "conf" / name).read_text()


@pytest.mark.parametrize("name", ["cr-config.yaml", "cr-config.json"])
def test_both_forms_of_the_route_make_the_same(node: Node, service: Service, name: str) -> None:
    """10.124.0.0/16 is there already, exactly as wanted: nothing is written for it."""
    node.write(f"{ROUTES_DIR}/services.yaml", text(documents.service("nginx", "10.86.0.30")))
    node.write(f"{ROUTES_DIR}/{name}", sample(name))
    service.start()
    make_pod(Runtime(node), "before")  # tells the service that for an eth1 an ADD will come
    pod = make_pod(Runtime(node), "web")
    assert pod.own() == OWN_OF_SAMPLE
    for item in node.query("pods"):
        assert item["routes"] == {"asked": 4, "applied": 4}


def test_the_plain_list_works_as_it_stands(node: Node, service: Service) -> None:
    config: dict[str, Any] = json.loads(sample("bridge.conflist"))
    config["plugins"][0]["ipMasq"] = False  # needs iptables, which has no part in this
    node.remove(f"{CONF_DIR}/20-ovn.conflist")
    node.write(f"{CONF_DIR}/10-calico.conflist", config)
    service.start()
    pod = make_pod(Runtime(node), "web")
    assert pod.own() == ["10.0.0.0/8 dev eth0 via 10.244.7.1"]


@pytest.mark.parametrize("name", ["calico.conflist", "multus.conflist"])
def test_our_entry_of_the_other_lists_works_behind_what_we_have(
    node: Node, service: Service, name: str
) -> None:
    entry = json.loads(sample(name))["plugins"][-1]
    assert entry["type"] == "cni-route"
    node.write(f"{CONF_DIR}/10-calico.conflist", calico(entry))
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(entry))
    node.write(f"{ROUTES_DIR}/cr-config.yaml", sample("cr-config.yaml"))
    service.start()
    make_pod(Runtime(node), "before")
    assert make_pod(Runtime(node), "web").own() == OWN_OF_SAMPLE[1:]


def test_the_entry_for_multus_s_auxiliary_chain(node: Node, service: Service) -> None:
    node.write(f"{CONF_DIR}/10-calico.conflist", calico())
    node.write(f"{CONF_DIR}/20-ovn.conflist", bridged())
    node.write(f"{ROUTES_DIR}/cr-config.yaml", sample("cr-config.yaml"))
    service.start()
    pod = make_pod(Runtime(node), "web")
    config = json.loads(sample("aux/cni-route.conf"))
    config["prevResult"] = {"cniVersion": config["cniVersion"], "dns": {}}
    pod.runtime.call("ADD", config, json.dumps(config), pod.sandbox, "net2")
    wait_for(pod, OWN_OF_SAMPLE[1:])
    assert node.path(BIN_DIR, config["type"]).exists()


def test_the_service_s_configuration_is_what_it_does_without_one(
    node: Node, service: Service
) -> None:
    node.write("/etc/cni-route/cni-route.yaml", sample("cni-route.yaml"))
    plain = node.cni_route(*service.arguments, "--print-config").stdout
    with_file = node.cni_route(
        *service.arguments, "--config", "/etc/cni-route/cni-route.yaml", "--print-config"
    ).stdout
    assert values(with_file) == values(plain)
    with Service(node, "--config", "/etc/cni-route/cni-route.yaml"):
        pass


def values(printed: str) -> list[str]:
    """What --print-config says of each setting, without where it comes from."""
    return [line.partition("#")[0].strip() for line in printed.splitlines()]
