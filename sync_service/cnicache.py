"""What CNI runtimes and Multus keep of each ADD: `<network>-<container id>-<ifname>`, JSON.

Written by others, not atomically, and left behind when a list is changed: whatever cannot be read
is passed over, because nothing here is the only way to find a pod.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cni_route.cni import result
from cni_route.cni.settings import lenient
from cni_route.model import Rule
from cni_route.record import Attachment, Record
from cni_route.sandbox import valid_id

__all__ = ["Cache", "Quiet"]

KIND = "cniCacheV1"  # older files hold the bare result, and name no pod
PLUGIN = "cni-route"
_LARGEST = 1 << 20  # bytes
WRITING = 60.0  # seconds that a runtime may take to write a file

Signature = tuple[int, int, int]


class _Entry(NamedTuple):
    """One ADD of a pod."""

    container_id: str
    netns: str
    namespace: str
    name: str
    uid: str
    attachment: Attachment


class Quiet:
    """Whether folders are as they were, by their own times: files in them come and go.

    A file may be written for a while after it came, so a folder must have rested before.
    """

    def __init__(self, folders: Iterable[str], rest: float) -> None:
        self._folders = tuple(folders)
        self._rest = rest  # seconds
        self._seen: tuple[int, ...] = ()

    def __call__(self) -> bool:
        """True where nothing came or went since the last call, nor shortly before that."""
        times = tuple(map(_time, self._folders))
        limit = time.time_ns() - int(self._rest * 1e9)
        seen, self._seen = self._seen, times if max(times, default=0) < limit else ()
        return bool(times) and seen == times


class Cache:
    """Some folders of such files; a file that is as it was is not read again."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders = tuple(folders)
        self._read: dict[str, tuple[Signature, _Entry | None]] = {}
        self._quiet = Quiet(self._folders, WRITING)
        self._records: list[Record] = []

    def records(self) -> list[Record]:
        """A record for each sandbox of a pod, its inode not known; sorted by container id."""
        if not self._quiet():
            self._records = self._look()
        return self._records

    def _look(self) -> list[Record]:
        entries: dict[str, list[_Entry]] = {}
        read: dict[str, tuple[Signature, _Entry | None]] = {}
        for folder in self._folders:
            for path, signature in _files(folder):
                known = self._read.get(path)
                entry = known[1] if known and known[0] == signature else _entry(path)
                read[path] = (signature, entry)
                if entry is not None:
                    entries.setdefault(entry.container_id, []).append(entry)
        self._read = read
        return [_record(entries[container_id]) for container_id in sorted(entries)]


def _time(folder: str) -> int:
    """When something came into or went from the folder last (nanoseconds); 0 where it is none."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0


def _files(folder: str) -> Iterator[tuple[str, Signature]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        path = f"{folder}/{name}"
        try:
            found = os.lstat(path)
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and found.st_size <= _LARGEST:
            yield path, (found.st_ino, found.st_mtime_ns, found.st_size)


def _entry(path: str) -> _Entry | None:
    """What the file tells of a pod; None where it tells nothing that can be used."""
    try:
        data = json.loads(_text(path))
        if isinstance(data, dict) and data.get("kind") == KIND:
            return _of(data)
    except (OSError, ValueError, RecursionError):
        pass
    return None


def _text(path: str) -> bytes:
    # another file may have taken its place since: no link is followed, and nothing blocks
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        return file.read(_LARGEST)


def _of(data: Mapping[str, object]) -> _Entry | None:
    arguments = _arguments(data.get("cniArgs"))
    container_id, ifname = _word(data, "containerId"), _word(data, "ifName")
    namespace, name = arguments.get("K8S_POD_NAMESPACE"), arguments.get("K8S_POD_NAME")
    outcome = data.get("result")
    told = outcome if isinstance(outcome, dict) else {}
    netns = _word(data, "netns") or _sandbox(told)
    if not (valid_id(container_id) and ifname and namespace and name and netns):
        return None
    attachment = Attachment(
        _word(data, "networkName"),
        ifname,
        result.gateways(told, ifname),
        _rules(_word(data, "config")),
    )
    uid = arguments.get("K8S_POD_UID", "")
    return _Entry(container_id, netns, namespace, name, uid, attachment)


def _word(data: Mapping[str, object], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _arguments(pairs: object) -> dict[str, str]:
    """CNI_ARGS as they are kept: [[key, value], ...]; of a key given twice the first counts."""
    found: dict[str, str] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair):
            found.setdefault(pair[0], pair[1])
    return found


def _sandbox(told: Mapping[str, object]) -> str:
    """The namespace's path: before libcni kept it, only the result's interfaces told."""
    interfaces = told.get("interfaces")
    for interface in interfaces if isinstance(interfaces, list) else ():
        if isinstance(interface, dict) and _word(interface, "sandbox"):
            return _word(interface, "sandbox")
    return ""


def _rules(config: str) -> tuple[Rule, ...]:
    """The own routes of our entry in the list that was called (base64)."""
    try:
        data = json.loads(base64.b64decode(config)) if config else None
    except (ValueError, RecursionError):
        return ()
    entries = data.get("plugins") if isinstance(data, dict) else None
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("type") == PLUGIN:
            return lenient(entry).rules
    return ()


def _record(entries: list[_Entry]) -> Record:
    first = entries[0]
    attachments = tuple(e.attachment for e in entries if e.attachment.ifname != "lo")
    uid = next((e.uid for e in entries if e.uid), "")
    return Record(first.container_id, first.netns, 0, first.namespace, first.name, uid, attachments)
