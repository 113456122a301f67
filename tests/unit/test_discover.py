"""Finding sandboxes in the CNI cache and by processes, among anything that may lie there."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cni_route.model import Pod
from cni_route.record import Attachment, Record
from cni_route.sandbox import Sandboxes
from cni_route.view import EMPTY, View, build
from sync_service import processes
from sync_service.cnicache import Cache
from sync_service.discover import Discovery, is_gone
from tests.kernel.namespaces import bare, needs_root

pytestmark = needs_root

ID = "3f" * 32
ARGS = [
    ["IgnoreUnknown", "true"],
    ["K8S_POD_NAMESPACE", "prod"],
    ["K8S_POD_NAME", "web"],
    ["K8S_POD_INFRA_CONTAINER_ID", ID],
    ["K8S_POD_UID", "u1"],
]


@contextmanager
def private_namespace() -> Iterator[tuple[str, int]]:
    """The path and inode of a namespace that is somebody's, but not ours."""
    with bare() as made:
        yield f"/proc/self/fd/{made.descriptor}", made.inode


def cached(path: str, ifname: str = "eth0", **changes: object) -> dict[str, object]:
    """A cache file as libcni writes it; a change to None leaves the key out."""
    entry = {"dst": "10.0.0.0/8", "dev": ifname}
    config = {
        "name": "net",
        "plugins": [{"type": "bridge"}, {"type": "cni-route", "routes": [entry]}],
    }
    body: dict[str, object] = {
        "kind": "cniCacheV1",
        "containerId": ID,
        "config": base64.b64encode(json.dumps(config).encode()).decode(),
        "ifName": ifname,
        "networkName": "net",
        "netns": path,
        "cniArgs": ARGS,
        "result": {
            "cniVersion": "1.0.0",
            "interfaces": [{"name": "veth0"}, {"name": ifname, "sandbox": path}],
            "ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1", "interface": 1}],
        },
        **changes,
    }
    return {key: value for key, value in body.items() if value is not None}


def write(folder: Path, name: str, body: object) -> Path:
    path = folder / name
    path.write_text(body if isinstance(body, str) else json.dumps(body))
    return path


# ---------------------------------------------------------------- the CNI cache


def test_one_sandbox_of_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "results", tmp_path / "multus"
    first.mkdir()
    second.mkdir()
    write(first, f"cni-loopback-{ID}-lo", cached("/run/netns/a", "lo"))
    write(first, f"net-{ID}-eth0", cached("/run/netns/a"))
    write(second, f"ovn-{ID}-eth1", cached("/run/netns/a", "eth1", networkName="ovn"))
    (record,) = Cache((str(first), str(second))).records()
    assert record == Record(ID, "/run/netns/a", 0, "prod", "web", "u1", record.attachments)
    assert [(a.network, a.ifname) for a in record.attachments] == [("net", "eth0"), ("ovn", "eth1")]
    assert [str(g) for g in record.attachments[0].gateways] == ["10.1.0.1"]
    assert [str(r.dst) for r in record.attachments[1].rules] == ["10.0.0.0/8"]


def test_the_namespace_by_the_result_where_the_file_does_not_name_it(tmp_path: Path) -> None:
    write(tmp_path, "x", cached("/run/netns/a", netns=None))
    (record,) = Cache((str(tmp_path),)).records()
    assert record.netns == "/run/netns/a"


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    cache = Cache((str(tmp_path),))
    path = write(tmp_path, "x", cached("/run/netns/a"))
    os.utime(path, (1, 1))
    cache.records()
    broken = "#" * path.stat().st_size
    with open(path, "r+") as file:  # the same file, time and size: taken for unchanged
        file.write(broken)
    os.utime(path, (1, 1))
    assert len(cache.records()) == 1
    os.utime(path, (2, 2))
    assert cache.records() == []
    path.unlink()
    assert cache.records() == []


def test_folders_that_rest_are_not_looked_through(tmp_path: Path) -> None:
    cache = Cache((str(tmp_path),))
    path = write(tmp_path, "x", cached("/run/netns/a"))
    os.utime(tmp_path, (1, 1))
    assert len(cache.records()) == 1
    path.write_text("{")
    os.utime(tmp_path, (1, 1))
    assert len(cache.records()) == 1, "files that were written long ago do not change"
    os.utime(tmp_path, (2, 2))
    assert cache.records() == []
    path.write_text(json.dumps(cached("/run/netns/a")))
    os.utime(tmp_path, None)
    assert len(cache.records()) == 1
    path.write_text("{")
    assert cache.records() == [], "a folder that has changed just now is looked through again"
    path.unlink()
    os.utime(tmp_path, (2, 2))
    assert cache.records() == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[" * 50_000,
        "null",
        "[]",
        '"cniCacheV1"',
        "\x00" * 100,
        {"cniVersion": "0.3.1", "ips": []},  # an old file: the bare result
        cached("/n", kind="cniCacheV2"),
        cached("/n", containerId="../../etc"),
        cached("/n", containerId=7),
        cached("/n", containerId="x" * 300),
        cached("/n", ifName=None),
        cached("/n", ifName=["eth0"]),
        cached("/n", cniArgs=None),
        cached("/n", cniArgs="K8S_POD_NAME=web"),
        cached("/n", cniArgs=[["K8S_POD_NAME"], 3, None, ["K8S_POD_NAMESPACE", {}]]),
        cached("/n", cniArgs=[["K8S_POD_NAME", "web"]]),
        cached("/n", netns=None, result=None),
        cached("/n", netns=None, result={"interfaces": [None, {"sandbox": 5}, "x"]}),
        cached("/n", netns=7, result=[]),
    ],
)
def test_what_tells_nothing_is_passed_over(tmp_path: Path, body: object) -> None:
    write(tmp_path, "bad", body)
    write(tmp_path, "good", cached("/n", containerId="good"))
    assert [r.container_id for r in Cache((str(tmp_path),)).records()] == ["good"]


@pytest.mark.parametrize("config", ["!!!not base64", "bm90IEpTT04=", "W10=", 7, None])
def test_a_list_that_cannot_be_read_costs_only_its_own_routes(
    tmp_path: Path, config: object
) -> None:
    write(tmp_path, "x", cached("/n", config=config))
    (record,) = Cache((str(tmp_path),)).records()
    assert record.attachments[0].rules == ()


@pytest.mark.parametrize("kind", ["fifo", "link", "folder", "huge", "loop", "socket", "unreadable"])
def test_what_is_no_file_of_a_sane_size_is_passed_over(tmp_path: Path, kind: str) -> None:
    target = write(tmp_path.parent, f"target-{tmp_path.name}", cached("/n"))
    bad = tmp_path / "bad"
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(bad),
        "link": lambda: bad.symlink_to(target),
        "folder": bad.mkdir,
        "huge": lambda: bad.write_text(json.dumps(cached("/n", networkName="n" * (1 << 20)))),
        "loop": lambda: bad.symlink_to(bad),
        "socket": lambda: os.mknod(bad, 0o140600),
        "unreadable": lambda: bad.symlink_to("/proc/self/mem"),
    }
    make[kind]()
    assert Cache((str(tmp_path), "/nowhere", "/dev/null")).records() == []


# ---------------------------------------------------------------- processes

UID = "0c9d2c2e-9d1f-4b8e-8a53-0123456789ab"
CGROUPFS = f"0::/kubepods/burstable/pod{UID}/{ID}"
SYSTEMD = (
    f"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{UID.replace('-', '_')}"
    f".slice/cri-containerd-{ID}.scope"
)
V1 = f"4:memory:/kubepods/pod{UID}/{ID}\n3:cpu:/kubepods/pod{UID}/{ID}"


class Proc:
    """A /proc with as much in it as is looked at; namespaces are links to real ones."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, pid: int, cgroup: str, netns: str, began: int = 100, name: str = "pause") -> None:
        folder = self.path / str(pid)
        (folder / "ns").mkdir(parents=True)
        (folder / "cgroup").write_text(cgroup + "\n")
        fields = " ".join(["S", *["0"] * 18, str(began), *["0"] * 30])
        (folder / "stat").write_text(f"{pid} ({name}) {fields}\n")
        (folder / "ns" / "net").symlink_to(netns)

    def find(self, *pods: Pod, inodes: tuple[int, ...] = ()) -> list[Record]:
        return processes.find(pods, inodes, ("/nowhere",), str(self.path))


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


POD = Pod("prod", "web", UID)


@pytest.mark.parametrize("cgroup", [CGROUPFS, SYSTEMD, V1, f"1:name=systemd:/\n{CGROUPFS}"])
def test_a_pod_by_its_cgroup(proc: Proc, cgroup: str) -> None:
    with private_namespace() as (path, inode):
        proc.add(7, cgroup, path)
        (record,) = proc.find(POD)
        assert record == Record(ID, f"{proc.path}/7/ns/net", inode, "prod", "web", UID)
        assert proc.find(POD, inodes=(inode,)) == []
        assert proc.find() == []


def test_a_static_pod_by_its_config_hash(proc: Proc) -> None:
    with private_namespace() as (path, _):
        proc.add(7, "0::/kubepods/podd41d8cd98f00b204e9800998ecf8427e/abc", path)
        (record,) = proc.find(Pod("k", "s", UID, config_hash="d41d8cd98f00b204e9800998ecf8427e"))
        assert (record.uid, record.name) == ("d41d8cd98f00b204e9800998ecf8427e", "s")
        assert record.container_id.startswith("pod")


def test_the_oldest_process_is_the_sandbox(proc: Proc) -> None:
    with private_namespace() as (path, inode), private_namespace() as (own, _):
        proc.add(9, CGROUPFS, path, began=50, name="a) S 0 (b")
        proc.add(7, CGROUPFS.replace(ID, "ab" * 32), own, began=900)
        (record,) = proc.find(POD)
        assert (record.inode, record.container_id) == (inode, ID)


def test_a_cgroup_of_a_pods_own_making_does_not_make_it_another_pod(proc: Proc) -> None:
    with private_namespace() as (path, _):
        proc.add(7, f"0::/kubepods/pod11111111-2222-3333-4444-555555555555/x/pod{UID}/{ID}", path)
        assert proc.find(POD) == []


def test_our_own_namespace_is_no_pods(proc: Proc) -> None:
    proc.add(7, CGROUPFS, "/proc/self/ns/net")
    proc.add(8, CGROUPFS, "/proc/self/ns/mnt")
    proc.add(9, CGROUPFS, "/gone")
    assert proc.find(POD) == []


def test_junk_in_proc_hurts_nobody(proc: Proc) -> None:
    (proc.path / "self").mkdir()
    (proc.path / "12").mkdir()
    (proc.path / "13").write_text("x")
    (proc.path / "14").mkdir()
    (proc.path / "14" / "cgroup").write_bytes(b"\xff\xfe:::\n" + CGROUPFS.encode())
    (proc.path / "14" / "stat").write_text("14 (x")
    assert proc.find(POD) == []
    assert processes.find([POD], (), (), "/nowhere") == []


# ---------------------------------------------------------------- all together


class Looking:
    """A Discovery over folders of its own."""

    def __init__(self, path: Path) -> None:
        self.cache = path / "cache"
        self.cache.mkdir()
        self.said: list[str] = []
        self.sandboxes = Sandboxes(str(path / "run"), self.said.append)
        self.adopted: list[Record] = []
        self.view: View = EMPTY
        self.discovery = Discovery(
            self.sandboxes,
            (str(self.cache),),
            (),
            adopt=self.adopted.append,
            view=lambda: self.view,
            interval=lambda: 600,
        )

    def look(self) -> list[str]:
        self.adopted.clear()
        self.discovery.look()
        return [record.container_id for record in self.adopted]


@pytest.fixture
def looking(tmp_path: Path) -> Looking:
    return Looking(tmp_path)


def test_what_is_found_gets_a_record_with_its_inode(looking: Looking) -> None:
    with private_namespace() as (path, inode):
        write(looking.cache, "x", cached(path))
        assert looking.look() == [ID]
        record = looking.sandboxes.load(ID)
        assert record is not None
        assert (record.inode, record.netns, record.uid) == (inode, path, "u1")
        assert looking.look() == [ID], "it was written"
        assert looking.look() == []
        looking.sandboxes.save(record._replace(name="renamed"))
        assert looking.look() == [ID]


def test_a_record_is_not_overwritten(looking: Looking) -> None:
    with private_namespace() as (path, inode):
        mine = Record(ID, path, inode, "prod", "web", "u1", (Attachment("mine", "eth0"),))
        looking.sandboxes.save(mine)
        write(looking.cache, "x", cached(path))
        assert looking.look() == [ID]
        assert looking.sandboxes.load(ID) == mine


def test_namespaces_that_are_gone_or_ours_are_passed_over(looking: Looking) -> None:
    write(looking.cache, "a", cached("/run/netns/long-gone"))
    write(looking.cache, "b", cached("/proc/self/ns/net", containerId="ours"))
    write(looking.cache, "c", cached("/etc/passwd", containerId="file"))
    assert looking.look() == []
    assert looking.sandboxes.ids() == []
    assert looking.said == []


def test_pods_on_the_hosts_network_are_passed_over(looking: Looking) -> None:
    looking.view = build(pods=[Pod("prod", "web", "u1", host_network=True)])
    with private_namespace() as (path, _):
        write(looking.cache, "a", cached(path))
        assert looking.look() == []


def test_a_sandbox_that_was_deleted_does_not_come_back_by_its_cache_file(looking: Looking) -> None:
    with private_namespace() as (path, _):
        file = write(looking.cache, "a", cached(path))
        assert looking.look() == [ID]
        looking.sandboxes.remove(ID)
        looking.discovery.forget(ID)
        assert looking.look() == []
        file.unlink()
        assert looking.look() == []
        write(looking.cache, "a", cached(path))
        assert looking.look() == [ID], "made anew"


def test_garbage_among_the_records_is_set_aside(looking: Looking) -> None:
    folder = Path(looking.sandboxes.folder)
    folder.mkdir(parents=True)
    (folder / "a.json").write_text("{")
    (folder / "b.json").mkdir()
    os.mkfifo(folder / "c.json")
    assert looking.look() == []
    assert len(looking.said) == 3


def test_a_namespace_is_gone_only_when_that_is_certain(tmp_path: Path) -> None:
    folder = tmp_path / "netns"
    folder.mkdir()
    record = Record("c", str(folder / "a"), 0)
    assert is_gone(record, ())
    assert not is_gone(record._replace(netns=""), ())
    (folder / "a").write_text("")
    inode = (folder / "a").stat().st_ino
    assert not is_gone(record, ())
    assert not is_gone(record._replace(inode=inode), ())
    assert not is_gone(record._replace(inode=inode + 1), ()), "a file that is no namespace"
    (folder / "b").symlink_to("/proc/self/ns/net")
    another = (folder / "b").stat().st_ino
    assert is_gone(Record("c", str(folder / "b"), another + 1), ())
    assert not is_gone(Record("c", str(folder / "b"), another), ())
    (tmp_path / "other").mkdir()
    (folder / "a").rename(tmp_path / "other" / "a")
    assert is_gone(record._replace(inode=inode), ())
    assert not is_gone(record._replace(inode=inode), (str(tmp_path / "other"),))
    folder.rename(tmp_path / "not-mounted")
    assert not is_gone(record._replace(inode=inode + 1), ()), "the whole folder is away"
    assert is_gone(Record("c", "/proc/4194305/ns/net", 5), ())
