"""The folder of sandboxes: one record and one lock each, and the checked way into a namespace."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable

from cni_route.namespace import HostNamespace, NamespaceError, check_namespace, open_namespace
from cni_route.record import (
    Attachment,
    Displaced,
    Record,
    from_json,
    to_json,
)
from cni_route.untrusted import BadValue, short

_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
_LARGEST = 16 << 20  # bytes of a record; a full one has some 100 KB
_REMEMBERED = 4096  # ids; those of sandboxes that are gone come again with every late DEL
_LASTING = frozenset((errno.EACCES, errno.EPERM, errno.EIO))  # the file's fault, not the moment's


def valid_id(container_id: str) -> bool:
    """Whether it is a container id (CNI specification, section 2) and fit to be a file's name."""
    return (
        0 < len(container_id) <= 200
        and container_id[0] not in "_.-"
        and _WORD.issuperset(container_id)
    )


class _Lock:
    """A held flock; let go at the end of the with-block, and removed where there is no record.

    Whoever waits for it sees that it is no longer linked, and makes it anew.
    """

    __slots__ = ("_descriptor", "_keep", "_path", "_record")

    def __init__(self, descriptor: int, path: str, record: str) -> None:
        self._descriptor = descriptor
        self._path = path
        self._record = record
        self._keep = False

    def keep(self, known: bool) -> None:
        """Say that there is a record, which spares looking for it at the end."""
        self._keep = known

    def __enter__(self) -> _Lock:
        """Held already."""
        return self

    def __exit__(self, *_: object) -> None:
        if self._keep:
            os.close(self._descriptor)
            return
        try:
            os.stat(self._record)
        except FileNotFoundError:
            if os.fstat(self._descriptor).st_nlink:  # else another's may be there by now
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
        except OSError:
            pass  # there may be one
        finally:
            os.close(self._descriptor)


class Sandboxes:
    """`<run-dir>/sandboxes`: `<containerID>.json` (the record) and `.lock` (one writer a pod).

    Files are written whole under another name and renamed. `report` gets a sentence about each
    record that had to be set aside (it is kept beside, as `.json.bad`).
    """

    def __init__(self, run_dir: str, report: Callable[[str], None]) -> None:
        self.folder = os.path.join(run_dir, "sandboxes")
        self._report = report
        self._valid: set[str] = set()  # ids that were checked

    def ids(self) -> list[str]:
        """Container ids that have a record, sorted; none where the folder is missing."""
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        return sorted(n[:-5] for n in names if n.endswith(".json") and valid_id(n[:-5]))

    def has_traces(self, container_id: str) -> bool:
        """Whether there is a record, or what a writer that was killed has left of one."""
        found = (self._path(container_id, suffix) for suffix in (".json", ".lock"))
        return any(map(os.path.lexists, found))

    def is_set_aside(self, container_id: str) -> bool:
        """Whether its record could not be read and lies beside: the sandbox itself may live."""
        return os.path.lexists(self._path(container_id, ".json.bad"))

    def tidy(self) -> None:
        """Remove what writers that were killed have left; who is at work now is let alone."""
        try:
            names = set(os.listdir(self.folder))
        except FileNotFoundError:
            return
        for name in names:
            half_written = name.endswith(".json.tmp")
            container_id = name.removesuffix(".json.tmp").removesuffix(".lock")
            stale = name.endswith(".lock") and f"{container_id}.json" not in names
            if (half_written or stale) and valid_id(container_id):
                with contextlib.suppress(OSError), self.lock(container_id, 0.0):
                    if half_written:
                        os.unlink(os.path.join(self.folder, name))

    def load(self, container_id: str) -> Record | None:
        """The record, or None where there is none that can be used."""
        path = self._path(container_id, ".json")
        try:
            return _parse(_read(path), container_id)
        except FileNotFoundError:
            return None
        except OSError as error:
            reason = f"cannot be read: {error.strerror}"
            if error.errno in _LASTING:
                self._set_aside(path, reason)
            else:
                self._report(f"{path}: {reason}")
        except BadValue as error:
            self._set_aside(path, str(error))
        return None

    def save(self, record: Record) -> None:
        """Write the record whole; OSError where the disk refuses (the old one stays as it was).

        Called with the sandbox's lock held: what a writer that was killed has left is overwritten.
        """
        path = self._path(record.container_id, ".json")
        temporary = f"{path}.tmp"
        body = json.dumps(to_json(record), separators=(",", ":")).encode()
        self._make_folder()
        try:
            descriptor = os.open(
                temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
            )
            try:
                _write_all(descriptor, body)
            finally:
                os.close(descriptor)
            os.rename(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def remove(self, container_id: str) -> None:
        """Remove record and lock, and what was set aside; what is not there is fine.

        The lock goes last: while it is there, there may be something to remove.
        """
        for suffix in (".json", ".json.tmp", ".json.bad", ".lock"):
            # something else than a file may have been set aside
            with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(self._path(container_id, suffix))
        self._valid.discard(container_id)

    def stamp(self, container_id: str) -> tuple[int, int] | None:
        """What changes whenever the record is written (inode and time), None without a record."""
        try:
            found = os.stat(self._path(container_id, ".json"))
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def lock(self, container_id: str, timeout_seconds: float = 10.0) -> _Lock:
        """Hold the sandbox's flock; TimeoutError where another writer keeps it that long."""
        path = self._path(container_id, ".lock")
        held = self._locked(path, timeout_seconds)
        return _Lock(held, path, self._path(container_id, ".json"))

    def _locked(self, path: str, timeout_seconds: float) -> int:
        deadline = 0.0
        pause = 0.0005
        while True:
            descriptor = self._open_lock(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # the last holder may have removed the file: then this lock guards nothing
                if os.fstat(descriptor).st_nlink:
                    return descriptor
                os.close(descriptor)
                continue
            except BlockingIOError:
                os.close(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            now = time.monotonic()
            deadline = deadline or now + timeout_seconds
            if now >= deadline:
                raise TimeoutError(errno.ETIMEDOUT, f"another writer keeps {path} locked")
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def _open_lock(self, path: str) -> int:
        # read-only: a lock that is there can be had on a disk that has become so
        flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:
            self._make_folder()
            return os.open(path, flags, 0o600)

    def _make_folder(self) -> None:
        os.makedirs(self.folder, mode=0o700, exist_ok=True)

    def _path(self, container_id: str, suffix: str) -> str:
        if container_id not in self._valid:
            if not valid_id(container_id):
                raise ValueError(f"{container_id!r} is not a container id")
            if len(self._valid) >= _REMEMBERED:
                self._valid.clear()
            self._valid.add(container_id)
        return f"{self.folder}/{container_id}{suffix}"

    def _set_aside(self, path: str, reason: str) -> None:
        try:
            os.rename(path, f"{path}.bad")
            self._report(f"{path}: {reason}; set aside as {os.path.basename(path)}.bad")
        except OSError as error:
            self._report(f"{path}: {reason}; cannot be set aside: {error.strerror}")


def _parse(text: bytes, container_id: str) -> Record:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise BadValue(f"is not JSON: {error}") from None
    except RecursionError:
        raise BadValue("is nested too deeply") from None
    record = from_json(data)
    if record.container_id != container_id:
        raise BadValue(f"containerID: {short(record.container_id)} is not the file's name")
    return record


def _read(path: str) -> bytes:
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise BadValue("is not a regular file")
    # O_NONBLOCK: whatever may lie there by now must not hold us up
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        return file.read(_LARGEST)


def _write_all(descriptor: int, body: bytes) -> None:
    view = memoryview(body)
    while view:
        view = view[os.write(descriptor, view) :]


__all__ = [
    "Attachment",
    "Displaced",
    "HostNamespace",
    "NamespaceError",
    "Record",
    "Sandboxes",
    "check_namespace",
    "open_namespace",
    "valid_id",
]
