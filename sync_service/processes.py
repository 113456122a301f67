"""Pods found by their processes: a cgroup names the pod, /proc/PID/ns/net is its namespace.

For pods whose UID the source names. A process may have made namespaces of its own and cgroups
with any name below its pod's, so the outermost pod of the path counts, and of all processes the
oldest: that is the sandbox itself (pause), made by the runtime.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from cni_route.model import Pod
from cni_route.record import Record
from cni_route.sandbox import open_namespace, valid_id

__all__ = ["find", "namespace_inode"]

# cgroupfs: /kubepods/burstable/pod<uid>/<id>
# systemd:  /kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/cri-...<id>
_POD = re.compile(r"[/-]pod([0-9A-Za-z_-]+)(?:\.slice)?(?:/|$)")
_SCOPE = re.compile(r"(?:[a-z]+-)*([0-9a-f]{12,64})(?:\.scope)?")


class _Process(NamedTuple):
    began: int  # clock ticks since boot
    pid: int
    container_id: str


def find(
    pods: Iterable[Pod], inodes: Collection[int], folders: Iterable[str], proc: str = "/proc"
) -> list[Record]:
    """Records of these pods' sandboxes as far as they run here.

    Left out are namespaces with one of `inodes`, which are known already. `folders` is where
    namespaces are mounted: such a path lasts longer than a process's.
    """
    wanted = {uid: pod for pod in pods for uid in (pod.uid, pod.config_hash) if uid}
    if not wanted:
        return []
    mounted = _mounted(folders)
    records = []
    for uid, process in _oldest(wanted, proc).items():
        pod = wanted[uid]
        path = f"{proc}/{process.pid}/ns/net"
        inode = namespace_inode(path)
        # the process may be another one by now
        if inode and inode not in inodes and _uid_of(process.pid, wanted, proc)[0] == uid:
            records.append(
                Record(
                    process.container_id,
                    mounted.get(inode, path),
                    inode,
                    pod.namespace,
                    pod.name,
                    uid,
                )
            )
    return records


def _oldest(wanted: Mapping[str, Pod], proc: str) -> dict[str, _Process]:
    oldest: dict[str, _Process] = {}
    for pid in _pids(proc):
        uid, container_id = _uid_of(pid, wanted, proc)
        began = _began(pid, proc) if uid else None
        if began is not None and (uid not in oldest or began < oldest[uid].began):
            oldest[uid] = _Process(began, pid, container_id)
    return oldest


def _pids(proc: str) -> Iterator[int]:
    try:
        names = os.listdir(proc)
    except OSError:
        return
    yield from sorted(int(name) for name in names if name.isdecimal())


def _uid_of(pid: int, wanted: Mapping[str, Pod], proc: str) -> tuple[str, str]:
    """The pod's UID and the container's id by the process's cgroups, '' where it is in none."""
    for line in _read(f"{proc}/{pid}/cgroup").splitlines():
        path = line.split(":", 2)[-1]
        found = _POD.search(path)
        if found is None:
            continue
        uid = found[1] if found[1] in wanted else found[1].replace("_", "-")
        if uid in wanted:
            scope = _SCOPE.fullmatch(path[found.end() :].split("/")[0])
            name = scope[1] if scope else f"pod-{uid}"
            return uid, name if valid_id(name) else f"pod{pid}"
    return "", ""


def _began(pid: int, proc: str) -> int | None:
    """When the process began: field 22 of its stat; its name, in parentheses, may hold anything."""
    fields = _read(f"{proc}/{pid}/stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[19].isdecimal() else None


def namespace_inode(path: str) -> int:
    """The inode of a namespace that is fit to be a pod's; 0 where it is none or gone."""
    try:
        descriptor = open_namespace(path)
    except OSError:
        return 0
    try:
        return os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)


def _mounted(folders: Iterable[str]) -> dict[int, str]:
    """Paths of mounted namespaces by inode; the first folder's stand."""
    found: dict[int, str] = {}
    for folder in folders:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            path = f"{folder}/{name}"
            try:
                found.setdefault(os.lstat(path).st_ino, path)
            except OSError:
                continue
    return found


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16).decode("utf-8", "replace")
    except OSError:
        return ""
