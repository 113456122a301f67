"""The readers of what others write, each with the promise that it makes.

A reader here takes bytes and says whether they were taken; whatever it raises is a mistake.
"""

from __future__ import annotations

from pathlib import Path

from cni_route import view as views
from cni_route.cni import alone
from cni_route.netlink import events
from cni_route.netlink.wire import WireError
from cni_route.reconcile import reconcile
from cni_route.record import to_json
from cni_route.sandbox import Sandboxes
from cni_route.view import View
from sync_service import manifest
from sync_service.cnicache import Cache
from sync_service.discover import is_gone
from sync_service.door import door
from sync_service.manifest import ManifestError
from sync_service.processes import namespace_inode
from sync_service.snapshot import Snapshot
from tests.cases.records import CONTAINER
from tests.hostile.guard import Reader
from tests.unit.pods import FakePod, rule, view_of
from tests.unit.test_codec_hostile import all_readers

__all__ = ["NOW", "cache", "document", "netlink", "record", "snapshot"]

FOLDERS = ("/run/netns", "/var/run/netns")
NOW = 1_800_000_000.0  # when the plugin alone reads its snapshots


def refused(sentence: str) -> bool:
    """False; it must be fit to be logged.

    That is: one line, nothing in it that acts on a terminal, and not endless.
    """
    assert sentence, "nothing is said"
    assert sentence.isprintable(), sentence
    assert len(sentence) < 1500, sentence
    return False


def netlink() -> Reader:
    """Every decoder: a value or WireError. The listener's: events, whatever comes."""

    def read(data: bytes) -> bool:
        taken = False
        for call in all_readers(data):
            try:
                taken |= call() is not None
            except WireError:
                pass
        heard = events._decode(data, 7)
        assert all(event.nsid == 7 for event in heard)
        return taken and all(event.kind != "overrun" for event in heard)

    return read


def document(folder: Path) -> Reader:
    """A manifest: ManifestError, or objects of which a view and a snapshot can be made."""
    path = folder / "t.yaml"

    def read(data: bytes) -> bool:
        path.write_bytes(data)
        try:
            parsed = manifest.read(str(path))
        except ManifestError as error:
            return refused(str(error))
        for problem in parsed.every_problem():
            refused(str(problem))
        _check_view(views.build(*parsed[:5]))
        return any(parsed[:5])

    return read


def record(folder: Path) -> Reader:
    """A record: None and a sentence, or one that a pass can be made by."""
    said: list[str] = []
    sandboxes = Sandboxes(str(folder), said.append)
    (folder / "sandboxes").mkdir(exist_ok=True)
    path = folder / "sandboxes" / f"{CONTAINER}.json"
    view = view_of(rule("default", "eth1", "10.124.2.1"), rule("172.16.0.0/16", "eth0"))

    def read(data: bytes) -> bool:
        said.clear()
        path.write_bytes(data)
        found = sandboxes.load(CONTAINER)
        if found is None:
            assert len(said) == 1, said
            return refused(said[0])
        assert said == []
        is_gone(found, FOLDERS)
        _enter(found.netns)
        pod = FakePod(folder)
        reconcile(found, view, pod.kernel, sandboxes, namespace=pod.ns.descriptor)
        assert sandboxes.load(CONTAINER) is not None, said
        return True

    return read


def cache(folder: Path) -> Reader:
    """A runtime's cache file: nothing, or what makes a record that can be read again."""
    (folder / "results").mkdir(exist_ok=True)
    path = folder / "results" / "net-x-eth0"
    said: list[str] = []
    sandboxes = Sandboxes(str(folder), said.append)

    def read(data: bytes) -> bool:
        path.write_bytes(data)
        found = Cache((str(path.parent),)).records()
        for each in found:
            inode = namespace_inode(each.netns)
            if not inode:
                continue
            adopted = each._replace(inode=inode)
            sandboxes.save(adopted)
            loaded = sandboxes.load(each.container_id)
            assert loaded is not None, said
            assert to_json(loaded) == to_json(adopted)
            assert not is_gone(adopted, FOLDERS)
            sandboxes.remove(each.container_id)
        return bool(found)

    return read


def snapshot(folder: Path) -> Reader:
    """A snapshot, by the service and by the plugin alone: a view, or a sentence."""
    path = folder / "snapshot.json"
    said: list[str] = []
    service = Snapshot(str(folder), {}, said.append)

    def read(data: bytes) -> bool:
        said.clear()
        path.write_bytes(data)
        by_plugin = alone.read_snapshot(str(path), NOW)
        found = service.load()
        if by_plugin.view is None:
            refused(by_plugin.trouble)
        else:
            assert found is not None, "the plugin alone takes what the service does not"
        if found is None:
            assert len(said) == 1, said
            assert not path.exists(), "what cannot be read is set aside"
            return refused(said[0])
        _check_view(found)
        return by_plugin.view is not None

    return read


def _check_view(view: View) -> None:
    """A snapshot of it can be written, and read again."""
    body = views.to_json(view)
    assert views.to_json(views.from_json(body)) == body


def _enter(path: str) -> None:
    """Only OSError may come of a path that is no way into a namespace."""
    way = door()
    try:
        way.leave(way.enter(path)[0])
    except OSError:
        pass
