"""Sandboxes that no ADD told of: in records, in the CNI cache, by processes of known pods.

What is found becomes a record, if there is none, and the loop looks after it from then on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable

from cni_route.model import Pod
from cni_route.record import Record
from cni_route.sandbox import Sandboxes
from cni_route.view import View
from sync_service import processes
from sync_service.cnicache import Cache, Quiet
from sync_service.processes import namespace_inode

__all__ = ["Discovery", "is_gone"]

_LOCK_SECONDS = 1.0
_TICK = 1.0  # seconds; two changes of a folder that are closer may have one time
_log = logging.getLogger(__name__)


class Discovery:
    """Looks at its places now and then; `look` may be called from any thread.

    `adopt` gets each record that is new or was written since (without what it says of the table:
    a pass reads that for itself); `view` has the pods that the source names.
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        caches: Iterable[str],
        folders: Iterable[str],
        *,
        adopt: Callable[[Record], None],
        view: Callable[[], View],
        interval: Callable[[], float],
    ) -> None:
        self._sandboxes = sandboxes
        self._cache = Cache(caches)
        self._folders = tuple(folders)
        self._quiet = Quiet((sandboxes.folder,), _TICK)
        self._adopt = adopt
        self._view = view
        self._interval = interval
        self._lock = threading.Lock()  # one look at a time
        self._wake = threading.Event()
        self._stopped = False
        self._left: set[str] = set()  # sandboxes that went while their cache files are still there
        self._read: dict[str, tuple[object, Record | None]] = {}  # records, by their stamps

    def run(self) -> None:
        """A thread's whole life: look every so often, and when told to."""
        while True:
            self._wake.wait(self._interval())
            self._wake.clear()
            if self._stopped:
                return
            try:
                self.look()
            except OSError as error:
                _log.warning("sandboxes cannot be looked for: %s", error)

    def soon(self) -> None:
        """Let `run` look now: the source names pods that it did not name before."""
        self._wake.set()

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopped = True
        self._wake.set()

    def forget(self, container_id: str) -> None:
        """A sandbox went: what the CNI cache still says of it does not bring it back.

        One whose record was set aside did not go: it is found again, and gets a new one.
        """
        if self._sandboxes.is_set_aside(container_id):
            self.soon()
        else:
            self._left.add(container_id)

    def look(self) -> None:
        """Hand over every sandbox that can be found."""
        with self._lock:
            known = self._recorded()
            cached = self._cache.records()
            ids = {r.container_id for r in known}
            self._left &= {r.container_id for r in cached}
            known += [r for r in map(self._take, self._unknown(cached, ids)) if r is not None]
            for record in self._running(known):
                self._take(record)

    def _recorded(self) -> list[Record]:
        """All records on disk; read and handed over only where they were written since.

        Kept of each is only what tells sandboxes apart: what was applied can be large.
        """
        if self._quiet():
            return [record for _, record in self._read.values() if record is not None]
        read: dict[str, tuple[object, Record | None]] = {}
        for container_id in self._sandboxes.ids():
            try:
                stamp = self._sandboxes.stamp(container_id)
            except OSError:  # something lies there that is no record, nor a file
                continue
            known = self._read.get(container_id)
            if known is None or known[0] != stamp:
                record = self._sandboxes.load(container_id)
                if record is not None:
                    self._adopt(without_table(record))
                    record = Record(*record[:6])
                known = (stamp, record)
            read[container_id] = known
        self._read = read
        return [record for _, record in read.values() if record is not None]

    def _unknown(self, cached: Iterable[Record], ids: set[str]) -> Iterable[Record]:
        view = self._view()
        taken = {record.inode for _, record in self._read.values() if record is not None}
        for record in cached:
            if record.container_id in ids or record.container_id in self._left:
                continue
            pod = view.find_pod(record.namespace, record.name, record.uid)
            inode = namespace_inode(record.netns)
            # a path under /proc may be another process's by now, whose sandbox is known
            if inode and inode not in taken and not (pod is not None and pod.host_network):
                yield record._replace(inode=inode)

    def _running(self, known: Iterable[Record]) -> list[Record]:
        """Pods that the source names and of which no sandbox is known."""
        uids = {record.uid for record in known} - {""}
        names = {(record.namespace, record.name) for record in known if not record.uid}

        def is_missing(pod: Pod) -> bool:
            found = pod.uid in uids or pod.config_hash in uids
            return not (found or pod.host_network or (pod.namespace, pod.name) in names)

        missing = [pod for pod in self._view().pods.values() if is_missing(pod)]
        return processes.find(missing, {r.inode for r in known}, self._folders)

    def _take(self, record: Record) -> Record | None:
        """Write the record, unless an ADD was faster, and hand it over."""
        try:
            with self._sandboxes.lock(record.container_id, _LOCK_SECONDS):
                if self._sandboxes.load(record.container_id) is None:
                    self._sandboxes.save(record)
        except OSError as error:
            _log.warning("%s: its record cannot be written: %s", record.container_id, error)
            return None
        _log.info("%s/%s: found in %s", record.namespace, record.name, record.netns)
        self._adopt(record)
        return record


def without_table(record: Record) -> Record:
    """The sandbox and its attachments alone: what was displaced and applied can be large."""
    return record._replace(displaced=(), applied=frozenset())


def is_gone(record: Record, folders: Iterable[str]) -> bool:
    """Whether a record's namespace is certainly no longer there: no path shows its inode.

    Not certain, so not gone: a path that cannot be looked at, a folder of namespaces that is away
    as a whole, and a file that is no namespace (its mount does not reach our mount namespace).
    """
    if not record.netns:
        return False
    name = os.path.basename(record.netns)
    paths = [record.netns]
    if not record.netns.startswith("/proc/"):
        paths += [f"{folder}/{name}" for folder in folders]
        if not os.path.isdir(os.path.dirname(record.netns)):
            return False
    namespaces = os.stat("/proc/self/ns/net").st_dev
    for path in paths:
        try:
            found = os.stat(path)
        except (FileNotFoundError, NotADirectoryError, ProcessLookupError):
            continue
        except OSError:
            return False
        if record.inode in (0, found.st_ino) or found.st_dev != namespaces:
            return False
    return True
