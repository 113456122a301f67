"""ADD as the runtime and the pod see it, in the service and alone."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from cni_route.address import Address
from cni_route.cni.protocol import VERSIONS
from cni_route.model import Filter, LabelExpression, Pod, Route, Selector
from cni_route.record import Attachment, Record
from cni_route.view import build
from tests.cases.conflists import ENVELOPE, NOT_JSON, OWN_KEYS, RESULTS, Wrong
from tests.cni.site import RESULT, Site
from tests.kernel.namespaces import bare, needs_root
from tests.unit.pods import rule, view_of

pytestmark = needs_root

OWN_ROUTE = "172.16.0.0/16 dev eth1 proto 114"
FAIL = {"failurePolicy": "Fail", "prevResult": RESULT}
PREVIOUS = {"prevResult": RESULT}


@pytest.mark.parametrize("policy", ["Ignore", "Fail"])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_pod_has_its_routes_and_the_result_is_the_previous_one(
    site: Site, version: str, policy: str
) -> None:
    site.view = view_of(rule("172.16.0.0/16"))
    result = {**RESULT, "cniVersion": version}
    stdin = {"cniVersion": version, "prevResult": result, "failurePolicy": policy}
    assert site.result("ADD", stdin) == result
    assert site.pod.routes(114) == [OWN_ROUTE]
    assert site.passes == [False]


def test_the_sandbox_is_recorded(site: Site) -> None:
    rules = [{"dst": "10.0.0.0/8", "dev": "eth1", "via": "auto"}]
    site.result("ADD", {**PREVIOUS, "routes": rules})
    record = site.record()
    assert record[:6] == ("pod1", "/netns", site.namespace.inode, "default", "web", "uid-1")
    (attachment,) = record.attachments
    assert attachment[:3] == ("net", "eth0", (Address.parse("10.244.1.9"),))
    assert [(str(r.dst), r.dev, r.via) for r in attachment.rules] == [
        ("10.0.0.0/8", "eth1", "auto")
    ]


def test_via_auto_takes_the_results_gateway(site: Site) -> None:
    site.result(
        "ADD", {**PREVIOUS, "routes": [{"dst": "10.0.0.0/8", "dev": "eth0", "via": "auto"}]}
    )
    assert site.pod.routes(114) == ["10.0.0.0/8 via 10.244.1.9 dev eth0 proto 114"]


def test_own_rules_are_behind_every_routes(site: Site) -> None:
    site.view = view_of(rule("172.16.0.0/16", via="10.124.2.1"))
    site.result("ADD", {**FAIL, "routes": [{"dst": "172.16.0.0/16", "dev": "eth0"}]})
    assert site.pod.routes(114) == ["172.16.0.0/16 via 10.124.2.1 dev eth1 proto 114"]


def test_a_second_add_of_the_same_attachment_replaces_the_first(site: Site) -> None:
    site.result("ADD", {**PREVIOUS, "routes": [{"dst": "10.0.0.0/8", "dev": "eth1"}]})
    site.result("ADD", {"name": "other"}, CNI_IFNAME="eth1")
    site.result("ADD", {**PREVIOUS, "routes": [{"dst": "11.0.0.0/8", "dev": "eth1"}]})
    assert [a[:2] for a in site.record().attachments] == [("net", "eth0"), ("other", "eth1")]
    assert site.pod.routes(114) == ["11.0.0.0/8 dev eth1 proto 114"]


def test_a_new_namespace_under_an_old_id_starts_anew(site: Site) -> None:
    old = Record("pod1", "/old", 1, "default", "old", "u", (Attachment("net", "eth9"),))
    site.sandboxes.save(old)
    site.result("ADD", PREVIOUS)
    assert [a.ifname for a in site.record().attachments] == ["eth0"]


def test_multus_auxiliary_chain(site: Site) -> None:
    """No address in the result, an interface that is not there, every argument twice."""
    site.view = view_of(rule("172.16.0.0/16"))
    stdin = {"cniVersion": "0.3.1", "name": "aux", "prevResult": {"cniVersion": "0.3.1", "dns": {}}}
    twice = "IgnoreUnknown=true;K8S_POD_NAME=x;IgnoreUnknown=1;K8S_POD_NAME=web"
    result = site.result("ADD", stdin, CNI_IFNAME="net2", CNI_PATH="/b:/b", CNI_ARGS=twice)
    assert result == {"cniVersion": "0.3.1", "dns": {}}
    assert site.record().name == "web"
    assert site.pod.routes(114) == [OWN_ROUTE]


@pytest.mark.parametrize("version", VERSIONS)
def test_without_a_previous_result(site: Site, version: str) -> None:
    for nothing in ({}, {"prevResult": None}):
        stdin = {"cniVersion": version, **nothing}
        assert site.result("ADD", stdin) == {"cniVersion": version, "dns": {}}


def test_without_kubernetes_arguments(site: Site) -> None:
    site.view = view_of(rule("172.16.0.0/16"))
    for arguments in ("-", "", "FOO=bar"):
        site.result("ADD", FAIL, CNI_ARGS=arguments)
        assert site.record()[3:6] == ("", "", "")
    assert site.pod.routes(114) == [OWN_ROUTE]


@pytest.mark.parametrize(
    "wrong", NOT_JSON + ENVELOPE + OWN_KEYS + RESULTS, ids=lambda w: w.sentence[:50]
)
def test_wrong_input_is_told_and_changes_nothing(site: Site, wrong: Wrong) -> None:
    assert site.error("ADD", wrong.text) == (wrong.code, wrong.sentence)
    assert site.sandboxes.ids() == []
    assert site.passes == []


def test_errors_come_in_the_requests_version(site: Site) -> None:
    for version in VERSIONS:
        answer = site.call("ADD", {"cniVersion": version, "name": ""})
        assert json.loads(answer.stdout)["cniVersion"] == version
    assert json.loads(site.call("ADD", b"{").stdout)["cniVersion"] == "1.1.0"


# ---------------------------------------------------------------- pods that pass


def test_the_agents_own_pod_passes_before_anything_is_asked(site: Site) -> None:
    site.context = {"agent": ("kube-system", "cni-route"), "not_ready": "nothing is known"}
    own = "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=cni-route-x7k2p"
    assert site.result("ADD", FAIL, CNI_ARGS=own) == RESULT
    assert (site.asked, site.passes, site.sandboxes.ids()) == ([], [], [])
    for other in ("default;K8S_POD_NAME=cni-route-x7k2p", "kube-system;K8S_POD_NAME=cni-route-a-b"):
        code, _ = site.error("ADD", FAIL, CNI_ARGS=f"K8S_POD_NAMESPACE={other}")
        assert code == 11


def test_the_hosts_network_passes_before_anything_is_asked(site: Site) -> None:
    site.context = {"not_ready": "nothing is known"}
    host = "/proc/self/ns/net"
    assert site.result("ADD", FAIL, -1, CNI_NETNS=host) == RESULT
    descriptor = os.open(host, os.O_RDONLY)
    try:
        assert site.result("ADD", FAIL, descriptor) == RESULT
    finally:
        os.close(descriptor)
    assert (site.asked, site.passes, site.sandboxes.ids()) == ([], [], [])


def test_a_pod_of_the_hosts_network_passes(site: Site) -> None:
    """Known as such though its namespace is its own; it never gets a route."""
    site.view = build(pods=[Pod("default", "web", "uid-1", host_network=True)])
    assert site.result("ADD", FAIL) == RESULT
    assert (site.passes, site.sandboxes.ids()) == ([], [])


# ---------------------------------------------------------------- the namespace


def test_the_namespace_is_opened_where_no_descriptor_came(site: Site) -> None:
    path = f"/proc/{os.getpid()}/fd/{site.namespace.descriptor}"
    before = len(os.listdir("/proc/self/fd"))
    assert site.result("ADD", PREVIOUS, -1, CNI_NETNS=path) == RESULT
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("policy", ["Ignore", "Fail"])
def test_what_is_no_namespace_is_code_8(site: Site, tmp_path: Path, policy: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    stdin = {**PREVIOUS, "failurePolicy": policy}
    for name in ("fifo", "file", "missing", "file/below", "."):
        path = str(tmp_path / name)
        code, sentence = site.error("ADD", stdin, -1, CNI_NETNS=path)
        assert code == 8
        assert sentence.startswith(f"CNI_NETNS: the network namespace {path!r} is gone") or (
            sentence == f"CNI_NETNS: {path!r} is not a network namespace"
        )
        if os.path.exists(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
            code, sentence = site.error("ADD", stdin, descriptor, CNI_NETNS=path)
            os.close(descriptor)
            assert (code, sentence) == (8, f"CNI_NETNS: {path!r} is not a network namespace")
    code, _ = site.error("ADD", stdin, os.open("/proc/self/ns/mnt", os.O_RDONLY))
    assert code == 8
    assert site.sandboxes.ids() == []


def test_an_id_that_is_too_long_for_a_file(site: Site) -> None:
    code, sentence = site.error("ADD", PREVIOUS, CNI_CONTAINERID="a" * 300)
    assert code == 4
    assert sentence.endswith("is too long for a file's name")


# ---------------------------------------------------------------- what goes wrong


def check_policies(site: Site, stdin: dict[str, Any], code: int, sentence: str) -> None:
    """Fail answers with the error; Ignore lets the pod start and logs it."""
    site.log.clear()
    found, said = site.error("ADD", {**FAIL, **stdin})
    assert (found, said) == (code, sentence)
    assert site.result("ADD", {**PREVIOUS, **stdin}) == RESULT
    assert any(
        f"{sentence} (code {code}, but failurePolicy is Ignore)" in line for line in site.log
    )


def test_a_rule_that_the_kernel_refuses(site: Site) -> None:
    site.view = view_of(rule("172.16.0.0/16", via="192.0.2.1"), rule("172.17.0.0/16"))
    code, sentence = site.error("ADD", FAIL)
    assert code == 100
    assert sentence.startswith("demo spec.route[0] 172.16.0.0/16: ")
    assert "192.0.2.1" in sentence or "gateway" in sentence
    check_policies(site, {}, 100, sentence)
    assert site.pod.routes(114) == ["172.17.0.0/16 dev eth1 proto 114"]


def test_many_refused_rules_are_counted(site: Site) -> None:
    site.view = view_of(*(rule(f"172.{n}.0.0/16", via="192.0.2.1") for n in range(16, 21)))
    code, sentence = site.error("ADD", FAIL)
    assert code == 100
    assert sentence.count("demo spec.route[") == 3
    assert sentence.endswith("; and 2 more")


def test_a_nic_that_is_not_there_yet_is_no_error(site: Site) -> None:
    site.view = view_of(rule("172.16.0.0/16", dev="eth7"), rule("172.17.0.0/16"))
    assert site.result("ADD", FAIL) == RESULT
    assert site.pod.routes(114) == ["172.17.0.0/16 dev eth1 proto 114"]


def test_what_waits_is_no_error_and_is_logged(site: Site) -> None:
    site.pod.ns.set_down("eth1")
    site.view = view_of(rule("172.17.0.0/16"))
    assert site.result("ADD", FAIL) == RESULT
    assert any("1 pending; demo spec.route[0] 172.17.0.0/16: eth1 is down" in s for s in site.log)


def test_a_filter_that_cannot_be_decided(site: Site) -> None:
    chosen = Selector("Pod", labels=(LabelExpression("tier", "Exists"),))
    route = Route("demo", (rule("172.16.0.0/16"),), filter=Filter(include=(chosen,)))
    site.view = build([route])
    code, sentence = site.error("ADD", FAIL)
    assert code == 11
    assert sentence.startswith("demo spec.route[0] 172.16.0.0/16: not known yet: ")
    check_policies(site, {}, 11, sentence)
    assert site.asked[0] == ("default", "web", "uid-1")
    assert site.pod.routes(114) == []


def test_a_namespace_that_cannot_be_read(site: Site) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENODEV, "no such device")

    site.pass_over = fail  # type: ignore[assignment]
    check_policies(site, {}, 101, "the pod's routes: no such device")


def test_a_lock_that_another_keeps(site: Site) -> None:
    with site.sandboxes.lock("pod1", 1):
        code, sentence = site.error("ADD", {**FAIL, "timeoutMs": 1})
        assert code == 102
        assert sentence.startswith("the sandbox's record: another writer keeps ")
        assert site.result("ADD", {**PREVIOUS, "timeoutMs": 1}) == RESULT


def test_a_record_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "sandboxes")
    (tmp_path / "sandboxes").touch()
    code, sentence = site.error("ADD", FAIL)
    assert code == 102
    assert sentence.startswith("the sandbox's record: ")
    assert sentence.endswith(": Not a directory")
    check_policies(site, {}, code, sentence)
    assert site.passes == []


def test_a_mistake_of_ours(site: Site) -> None:
    def fail(*_: object) -> None:
        raise KeyError("x")

    site.pass_over = fail  # type: ignore[assignment]
    check_policies(site, {}, 999, "a mistake in cni-route: KeyError: 'x'")


def test_nothing_to_decide_by(site: Site) -> None:
    site.context = {"not_ready": "the service does not answer, and there is no snapshot"}
    rules = [{"dst": "10.0.0.0/8", "dev": "eth1"}]
    sentence = "the service does not answer, and there is no snapshot"
    assert site.error("ADD", {**FAIL, "routes": rules}) == (11, sentence)
    assert (site.passes, site.sandboxes.ids()) == ([], [])
    check_policies(site, {"routes": rules}, 11, sentence)
    assert site.pod.routes(114) == ["10.0.0.0/8 dev eth1 proto 114"]  # Ignore does what it can


def test_the_log_file_has_what_the_service_says(site: Site, tmp_path: Path) -> None:
    path = tmp_path / "plugin.log"
    site.view = view_of(rule("172.16.0.0/16"))
    site.result("ADD", {**PREVIOUS, "logFile": str(path)})
    site.error("ADD", {**FAIL, "name": "", "logFile": str(path)})
    first, second = path.read_text().splitlines()
    assert first.endswith("ADD pod1 eth0 default/web: 1 applied")
    assert second.endswith("ADD pod1: name: is missing; it must be the network's name (code 7)")
    assert [line.split("] ", 1)[1] for line in (first, second)] == site.log


def test_a_result_over_the_bound(site: Site) -> None:
    text = b'{"cniVersion":"1.0.0","name":"n","logFile":"","prevResult":{"a":[%b]}}'
    numbers = b",".join([b"1e15"] * 500_000)
    code, sentence = site.error("ADD", text % numbers)
    assert (code, sentence) == (6, "prevResult is over the bound of 8388608 bytes")


def test_two_pods_do_not_meet(site: Site, tmp_path: Path) -> None:
    with bare() as other:
        second = Site(tmp_path, other)
        site.result("ADD", PREVIOUS)
        second.result("ADD", PREVIOUS, CNI_CONTAINERID="pod2")
    assert site.sandboxes.ids() == ["pod1", "pod2"]
