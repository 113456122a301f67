"""The plugin without the service: real processes, real routes, a snapshot or none."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cni_route import view
from cni_route.address import Address
from cni_route.cni.alone import MAX_AGE, Snapshot, read_snapshot
from cni_route.cni.protocol import VERSIONS
from cni_route.model import Pod, Route, Rule, Service
from tests.cases.snapshots import EMPTY, NOW, WRONG_SNAPSHOTS, WrongSnapshot
from tests.cni.programs import Programs
from tests.kernel.namespaces import Namespace, needs_root, pod
from tests.unit.pods import rule, svc

RESULT: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "sandbox": "/netns"}],
    "ips": [{"interface": 0, "address": "10.0.0.2/24", "gateway": "10.0.0.9"}],
}
NONE = "the service does not answer, and there is no snapshot {}/snapshot.json"


@pytest.fixture
def netns() -> Iterator[Namespace]:
    """eth0 10.0.0.2/24 and eth1 10.1.0.2/24, both also IPv6."""
    with pod() as made:
        yield made


def path_of(netns: Namespace) -> str:
    """A path by which another process opens the namespace."""
    return f"/proc/{os.getpid()}/fd/{netns.descriptor}"


def write_snapshot(programs: Programs, *rules: Rule, age: float = 0.0, **more: object) -> None:
    """What a service that went away has left: one Route, a Service default/web."""
    numbered = tuple(r._replace(path=f"spec.route[{i}]") for i, r in enumerate(rules))
    web = Service("default", "web", (Address.parse("10.86.0.7"),))
    body = view.to_json(view.build([Route("demo", numbered)], [web], more.pop("pods", ())))  # type: ignore[arg-type]
    data = {"version": 1, "written": time.time() - age, "view": body, **more}
    (programs.state_dir / "snapshot.json").write_text(json.dumps(data))


def own(netns: Namespace, protocol: int = 114) -> list[str]:
    """Our routes in the pod, in the words of iproute2."""
    lines = netns.ip(f"route show proto {protocol}") + netns.ip(f"-6 route show proto {protocol}")
    return [" ".join(line.split()) for line in lines.splitlines()]


@needs_root
@pytest.mark.parametrize("version", VERSIONS)
def test_from_birth_to_death(programs: Programs, netns: Namespace, version: str) -> None:
    write_snapshot(programs, rule("172.16.0.0/16", via="10.1.0.1"), svc("web", "eth1"))
    result = {**RESULT, "cniVersion": version}
    stdin = {"cniVersion": version, "prevResult": result, "failurePolicy": "Fail"}
    path = path_of(netns)
    assert programs.result("ADD", stdin, CNI_NETNS=path) == result
    assert own(netns) == ["10.86.0.7 dev eth1 scope link", "172.16.0.0/16 via 10.1.0.1 dev eth1"]
    assert [a["ifname"] for a in programs.record()["attachments"]] == ["eth0"]
    if VERSIONS.index(version) >= VERSIONS.index("0.4.0"):
        assert programs.result("CHECK", stdin, CNI_NETNS=path) is None
        netns.ip("route del 172.16.0.0/16")
        found = programs.error("CHECK", stdin, CNI_NETNS=path)
        assert found == (103, "routes that should be there are gone: 172.16.0.0/16")
    for _ in range(2):
        assert programs.result("DEL", stdin, CNI_NETNS=path) is None
        assert programs.record() is None


@needs_root
def test_own_rules_without_a_snapshot(programs: Programs, netns: Namespace) -> None:
    """Ignore does what it can; Fail tells what is missing."""
    rules = [
        {"dst": "default", "dev": "eth0", "via": "auto"},
        {"dst": "fd99::/64", "dev": "eth1", "via": "2001:db8:1::9"},
    ]
    stdin = {"prevResult": RESULT, "routes": rules}
    refused = programs.error("ADD", {**stdin, "failurePolicy": "Fail"}, CNI_NETNS=path_of(netns))
    assert refused == (11, NONE.format(programs.state_dir))
    assert (own(netns), programs.record()) == ([], None)
    assert programs.result("ADD", stdin, CNI_NETNS=path_of(netns)) == RESULT
    assert own(netns) == [
        "default via 10.0.0.9 dev eth0",
        "fd99::/64 via 2001:db8:1::9 dev eth1 metric 1024 pref medium",
    ]


@needs_root
def test_alone_it_only_adds(programs: Programs, netns: Namespace) -> None:
    """A snapshot may be behind: what it lacks stays."""
    write_snapshot(programs, rule("172.16.0.0/16"), rule("172.17.0.0/16"))
    programs.result("ADD", CNI_NETNS=path_of(netns))
    write_snapshot(programs, rule("172.18.0.0/16"))
    programs.result("ADD", CNI_NETNS=path_of(netns))
    assert [line.split()[0] for line in own(netns)] == [
        "172.16.0.0/16",
        "172.17.0.0/16",
        "172.18.0.0/16",
    ]


@needs_root
def test_alone_it_displaces_as_the_service_does(programs: Programs, netns: Namespace) -> None:
    netns.ip("route add default via 10.0.0.1")
    write_snapshot(programs, rule("default", via="10.1.0.1"))
    programs.result("ADD", {"failurePolicy": "Fail"}, CNI_NETNS=path_of(netns))
    assert own(netns) == ["default via 10.1.0.1 dev eth1"]
    assert len(own(netns, 115)) == 1
    (displaced,) = programs.record()["displaced"]
    assert displaced["route"]["hops"][0]["via"] == "10.0.0.1"
    assert programs.result("CHECK", CNI_NETNS=path_of(netns)) is None


@needs_root
def test_what_else_the_service_left_in_the_snapshot(programs: Programs, netns: Namespace) -> None:
    """Its protocol numbers, its own pods, the pods of the host's network."""
    pods = [Pod("default", "host", "uid-2", host_network=True)]
    facts: dict[str, Any] = {
        "agent": "infra/cni-route",
        "protocol": 120,
        "backupProtocol": 121,
        "pods": pods,
    }
    write_snapshot(programs, rule("172.16.0.0/16"), **facts)
    for arguments in (
        "K8S_POD_NAMESPACE=infra;K8S_POD_NAME=cni-route-abcde",
        "K8S_POD_NAMESPACE=default;K8S_POD_NAME=host;K8S_POD_UID=uid-2",
    ):
        programs.result("ADD", CNI_NETNS=path_of(netns), CNI_ARGS=arguments)
        assert own(netns, 120) == []
    programs.result("ADD", CNI_NETNS=path_of(netns))
    assert own(netns, 120) == ["172.16.0.0/16 dev eth1 scope link"]


@needs_root
def test_a_refused_rule(programs: Programs, netns: Namespace) -> None:
    write_snapshot(programs, rule("172.16.0.0/16", via="192.0.2.1"), rule("172.17.0.0/16"))
    code, sentence = programs.error("ADD", {"failurePolicy": "Fail"}, CNI_NETNS=path_of(netns))
    assert code == 100
    assert sentence.startswith("demo spec.route[0] 172.16.0.0/16: ")
    assert programs.result("ADD", CNI_NETNS=path_of(netns)) == {"cniVersion": "1.1.0", "dns": {}}
    assert own(netns) == ["172.17.0.0/16 dev eth1 scope link"]


@needs_root
def test_status_and_an_old_snapshot(programs: Programs) -> None:
    for age, code in ((0.0, 0), (MAX_AGE - 60.0, 0), (MAX_AGE + 60.0, 50)):
        write_snapshot(programs, age=age)
        assert programs.result("STATUS") is None
        if code:
            assert programs.error("STATUS", {"failurePolicy": "Fail"}) == (
                50,
                "the service does not answer, and its snapshot "
                f"{programs.state_dir}/snapshot.json is 24 hours old",
            )
        else:
            assert programs.result("STATUS", {"failurePolicy": "Fail"}) is None


@needs_root
def test_the_log_file(programs: Programs, netns: Namespace, tmp_path: Path) -> None:
    log = tmp_path / "log" / "plugin.log"
    write_snapshot(programs, rule("172.16.0.0/16"))
    programs.result("ADD", {"logFile": str(log)}, CNI_NETNS=path_of(netns))
    programs.result("DEL", {"logFile": str(log)})
    added, deleted = [line.split("] ", 1)[1] for line in log.read_text().splitlines()]
    assert added == "ADD pod1 eth0 default/web: 1 applied"
    assert deleted == "DEL pod1 eth0 default/web: done"


@needs_root
def test_a_record_that_cannot_be_used_is_set_aside(
    programs: Programs, netns: Namespace, tmp_path: Path
) -> None:
    log, folder = tmp_path / "plugin.log", programs.run_dir / "sandboxes"
    folder.mkdir()
    (folder / "pod1.json").write_text("{")
    programs.result("ADD", {"logFile": str(log)}, CNI_NETNS=path_of(netns))
    assert programs.record()["inode"] == netns.inode
    assert (folder / "pod1.json.bad").exists()
    assert "pod1.json: is not JSON: " in log.read_text()


@needs_root
def test_records_lie_beside_the_socket(
    programs: Programs, netns: Namespace, tmp_path: Path
) -> None:
    stdin = {"socket": str(tmp_path / "agent.sock")}
    programs.result("ADD", stdin, CNI_NETNS=path_of(netns))
    assert (tmp_path / "sandboxes" / "pod1.json").exists()
    assert programs.record() is None
    programs.result("DEL", stdin)
    assert not (tmp_path / "sandboxes" / "pod1.json").exists()


# ---------------------------------------------------------------- reading a snapshot


@pytest.mark.parametrize("wrong", WRONG_SNAPSHOTS, ids=lambda wrong: wrong.sentence[12:60])
def test_a_snapshot_that_cannot_be_used(tmp_path: Path, wrong: WrongSnapshot) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(wrong.data)
    found = read_snapshot(str(path), NOW)
    assert found == Snapshot(trouble=wrong.sentence.replace("PATH", str(path)))


def test_a_snapshot_that_cannot_be_read(tmp_path: Path) -> None:
    assert read_snapshot(str(tmp_path / "s"), NOW).trouble == f"there is no snapshot {tmp_path}/s"
    assert read_snapshot(str(tmp_path), NOW).trouble == (
        f"its snapshot {tmp_path} cannot be read: Is a directory"
    )
    os.mkfifo(tmp_path / "s")
    assert "cannot be used: Expecting value" in read_snapshot(str(tmp_path / "s"), NOW).trouble


def test_a_sound_snapshot(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(EMPTY))
    found = read_snapshot(str(path), NOW + MAX_AGE)
    assert found[1:] == (114, 115, ("", ""), "")
    path.write_text(json.dumps({**EMPTY, "agent": "a/b", "protocol": 1, "backupProtocol": 255}))
    found = read_snapshot(str(path), NOW - 5)  # a clock that was set back
    assert found[1:] == (1, 255, ("a", "b"), "")


def test_an_old_snapshot_still_tells_of_the_service_itself(tmp_path: Path) -> None:
    """Else the agent's own pod waits for the agent, and routes go in under another's protocol."""
    path = tmp_path / "snapshot.json"
    told = {"agent": "kube-system/cni-route", "protocol": 200, "backupProtocol": 201}
    path.write_text(json.dumps({"version": 1, "written": NOW - 90_000, "view": None, **told}))
    found = read_snapshot(str(path), NOW)
    assert found.trouble == f"its snapshot {path} is 25 hours old"
    assert found[:4] == (None, 200, 201, ("kube-system", "cni-route"))
