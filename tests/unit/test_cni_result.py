"""Results: handed on as they are, and what they tell of gateways."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cni_route.cni.protocol import VERSIONS
from cni_route.cni.result import gateways, handed_on

OLD: dict[str, Any] = {
    "cniVersion": "0.2.0",
    "ip4": {
        "ip": "10.0.0.5/24",
        "gateway": "10.0.0.1",
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "10.9.0.0/16", "gw": "10.0.0.9"}],
    },
    "ip6": {"ip": "fd00::5/64", "gateway": "fd00::1"},
    "dns": {"nameservers": ["10.86.0.10"]},
}
# As Calico gives it: a host interface first, a /32, host bits in a route's destination.
CALICO: dict[str, Any] = {
    "cniVersion": "0.3.1",
    "interfaces": [
        {"name": "cali123"},
        {"name": "eth0", "sandbox": "/run/netns/a", "mac": "ee:ee:ee:ee:ee:ee"},
    ],
    "ips": [{"version": "4", "interface": 1, "address": "10.244.174.130/32"}],
    "routes": [{"dst": "10.244.174.129/26"}],
    "dns": {},
}
NEW: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [
        {"name": "br0", "mac": "02:00:00:00:00:01"},
        {"name": "eth0", "sandbox": "/run/netns/a", "mtu": 1400, "socketPath": "/x", "pciID": "1"},
    ],
    "ips": [
        {"interface": 1, "address": "10.1.0.5/24", "gateway": "10.1.0.1"},
        {"interface": 1, "address": "fd01::5/64", "gateway": "fd01::1"},
    ],
    "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "priority": 5, "table": 7}],
    "dns": {},
}
RESULTS: dict[str, dict[str, Any]] = dict.fromkeys(VERSIONS[:2], OLD)
RESULTS |= dict.fromkeys(VERSIONS[2:5], CALICO)
RESULTS |= dict.fromkeys(VERSIONS[5:], NEW)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_result_is_handed_on_unchanged(version: str) -> None:
    result = {
        **RESULTS[version],
        "cniVersion": version,
        "x-later": {"deep": [1, 2.5, None, True, 'ä\ud800\n"', 10**30]},
    }
    assert json.loads(handed_on(result, version)) == result


def test_the_order_of_keys_stays() -> None:
    result = {"b": 1, "cniVersion": "1.0.0", "a": {"z": 1, "y": 2}}
    assert handed_on(result, "1.0.0") == b'{"b":1,"cniVersion":"1.0.0","a":{"z":1,"y":2}}'


def test_letters_are_not_blown_up() -> None:
    """What fits into standard input must fit into an answer."""
    assert handed_on({"cniVersion": "1.0.0", "a": "ä" * 9}, "1.0.0").count("ä".encode()) == 9


@pytest.mark.parametrize("version", VERSIONS)
def test_a_result_gets_the_version_that_it_lacks(version: str) -> None:
    for lacking in ({}, {"cniVersion": ""}, {"cniVersion": None}):
        result = {**RESULTS[version], **lacking}
        if not lacking:
            del result["cniVersion"]
        printed = json.loads(handed_on(result, version))
        assert printed == {**RESULTS[version], "cniVersion": version}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_plugin_of_a_chain_gives_an_empty_result(version: str) -> None:
    assert json.loads(handed_on(None, version)) == {"cniVersion": version, "dns": {}}


def found(result: dict[str, Any] | None, ifname: str = "eth0") -> list[str]:
    """The gateways as text."""
    return [str(address) for address in gateways(result, ifname)]


def test_gateways_of_old_results() -> None:
    assert found(OLD) == ["10.0.0.1", "fd00::1", "10.0.0.9"]


def test_gateways_of_new_results() -> None:
    assert found(NEW) == ["10.1.0.1", "fd01::1"]
    assert found(CALICO) == []
    assert found(None) == []


def test_an_auxiliary_chains_result_tells_nothing() -> None:
    assert found({"cniVersion": "0.3.1", "dns": {}}, "net2") == []


def two_nics(*routes: dict[str, str]) -> dict[str, Any]:
    """eth0 and eth1 in the pod, and what is on the host."""
    return {
        "interfaces": [
            {"name": "eth0"},
            {"name": "eth0", "sandbox": "/n"},
            {"name": "eth1", "sandbox": "/n"},
        ],
        "ips": [
            {"interface": 0, "address": "10.0.0.1/24", "gateway": "10.0.0.100"},
            {"interface": 1, "address": "10.1.0.5/24", "gateway": "10.1.0.1"},
            {"interface": 2, "address": "10.2.0.5/24", "gateway": "10.2.0.1"},
        ],
        "routes": list(routes),
    }


def test_each_nic_has_its_own() -> None:
    assert found(two_nics(), "eth0") == ["10.1.0.1"]
    assert found(two_nics(), "eth1") == ["10.2.0.1"]
    assert found(two_nics(), "eth2") == []


def test_a_routes_gateway_belongs_to_the_nic_on_whose_link_it_is() -> None:
    result = two_nics({"dst": "10.9.0.0/16", "gw": "10.2.0.9"}, {"dst": "::/0", "gw": "fd00::1"})
    assert found(result, "eth0") == ["10.1.0.1"]
    assert found(result, "eth1") == ["10.2.0.1", "10.2.0.9"]


def test_the_only_nic_has_every_gateway_default_routes_first() -> None:
    result = {
        "interfaces": [{"name": "eth0", "sandbox": "/n"}],
        "ips": [{"address": "10.1.0.5/32"}],
        "routes": [
            {"dst": "10.9.0.0/16", "gw": "10.1.0.9"},
            {"dst": "0.0.0.0/0", "gw": "169.254.1.1"},
        ],
    }
    assert found(result) == ["169.254.1.1", "10.1.0.9"]


def test_the_unspecified_address_is_no_gateway() -> None:
    """What route-override leaves of a flushed one."""
    assert found({"ips": [{"address": "10.1.0.5/24", "gateway": "0.0.0.0"}]}) == []


@pytest.mark.parametrize(
    "result",
    [
        {"ips": 5, "routes": {}, "interfaces": "eth0"},
        {"ips": [None, 1, [], {"gateway": 5}, {"gateway": "x"}, {"interface": "1"}]},
        {"ips": [{"interface": 7, "gateway": "10.0.0.1"}, {"interface": None, "address": "x/y"}]},
        {"ips": [{"interface": True, "gateway": "10.0.0.1"}]},
        {"ips": [{"address": "10.0.0.1/99"}, {"address": 5}, {"address": "/"}]},
        {"routes": [None, {"gw": []}, {"dst": 5, "gw": "1.2.3"}]},
        {"interfaces": [None, {"name": 5, "sandbox": 1}, {"sandbox": "/n"}]},
        {"ip4": "10.0.0.1", "ip6": None},
        {"ip4": {"gateway": 5, "routes": "x"}, "ip6": {"routes": [1]}},
    ],
)
def test_what_is_malformed_tells_nothing(result: dict[str, Any]) -> None:
    assert found(result) == []
