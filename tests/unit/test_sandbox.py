"""The folder of sandboxes: whole files, wrong files, full disks, and one writer a pod."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from cni_route.record import Attachment, Record
from cni_route.sandbox import Sandboxes, valid_id
from tests.cases.records import CONTAINER, WHOLE
from tests.kernel.namespaces import needs_root
from tests.unit.disks import fill, make_read_only, on_a_small_disk

NO_IDS = [
    *("", ".", "..", "...", "../x", "a/b", "/etc/passwd", "a\0b", "a\n", " a", "a b", "-a", "_a"),
    *(".a", "a*", "a:b", "\u00e4", "\u0661", "\ud800", "x" * 201, "a\\b", "~", "a;b", "$(a)"),
]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sandboxes(tmp_path: Path, said: list[str]) -> Sandboxes:
    return Sandboxes(str(tmp_path), said.append)


def path_of(sandboxes: Sandboxes, container_id: str = CONTAINER, suffix: str = ".json") -> Path:
    return Path(sandboxes.folder, container_id + suffix)


# ---------------------------------------------------------------- records


def test_what_is_saved_is_loaded(sandboxes: Sandboxes) -> None:
    assert sandboxes.ids() == []
    assert sandboxes.load(CONTAINER) is None
    sandboxes.save(WHOLE)
    assert sandboxes.load(CONTAINER) == WHOLE
    assert sandboxes.ids() == [CONTAINER]
    sandboxes.save(WHOLE._replace(name="other"))
    assert sandboxes.load(CONTAINER) == WHOLE._replace(name="other")


def test_nobody_else_may_look_in(sandboxes: Sandboxes) -> None:
    sandboxes.save(WHOLE)
    with sandboxes.lock(CONTAINER):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place_files(sandboxes)}
    assert modes == {f"{CONTAINER}.json": 0o600, f"{CONTAINER}.lock": 0o600}
    assert stat.S_IMODE(os.stat(sandboxes.folder).st_mode) == 0o700


def place_files(sandboxes: Sandboxes) -> list[Path]:
    return sorted(Path(sandboxes.folder).iterdir())


def test_a_record_and_its_lock_are_removed_once_or_twice(sandboxes: Sandboxes) -> None:
    sandboxes.save(WHOLE)
    with sandboxes.lock(CONTAINER):
        sandboxes.remove(CONTAINER)
        sandboxes.remove(CONTAINER)
    assert place_files(sandboxes) == []
    sandboxes.remove(CONTAINER)
    sandboxes.remove("never-seen")


def test_a_stamp_changes_with_each_writing(sandboxes: Sandboxes) -> None:
    assert sandboxes.stamp(CONTAINER) is None
    seen = set()
    for number in range(50):
        sandboxes.save(WHOLE._replace(inode=number))
        first = sandboxes.stamp(CONTAINER)
        assert sandboxes.stamp(CONTAINER) == first
        seen.add(first)
    assert len(seen) == 50
    sandboxes.remove(CONTAINER)
    assert sandboxes.stamp(CONTAINER) is None


def test_ids_are_those_of_records_only(sandboxes: Sandboxes) -> None:
    for container_id in ("b", "a", "c.1"):
        sandboxes.save(Record(container_id))
    folder = Path(sandboxes.folder)
    for name in ("x.lock", "y.json.bad", "z.json.17.tmp", ".json", "-.json", "q"):
        (folder / name).touch()
    assert sandboxes.ids() == ["a", "b", "c.1"]


@pytest.mark.parametrize("container_id", NO_IDS)
def test_what_is_no_id_leads_nowhere(sandboxes: Sandboxes, container_id: str) -> None:
    assert not valid_id(container_id)
    sentence = f"{container_id!r} is not a container id"
    for act in (sandboxes.load, sandboxes.remove, sandboxes.stamp, sandboxes.lock):
        with pytest.raises(ValueError, match="is not a container id") as caught:
            act(container_id)
        assert str(caught.value) == sentence
    with pytest.raises(ValueError, match="is not a container id"):
        sandboxes.save(WHOLE._replace(container_id=container_id))
    assert not os.path.exists(sandboxes.folder)


@pytest.mark.parametrize("container_id", ["a", "0", "a.b-c_d", "A" * 64, "x" * 200, "1.json"])
def test_what_is_an_id(sandboxes: Sandboxes, container_id: str) -> None:
    sandboxes.save(Record(container_id))
    with sandboxes.lock(container_id):
        assert sandboxes.ids() == [container_id]
        assert sandboxes.load(container_id) == Record(container_id)


# ---------------------------------------------------------------- whole files


def test_a_reader_never_sees_half_a_record(sandboxes: Sandboxes, said: list[str]) -> None:
    long = WHOLE._replace(attachments=(Attachment("n" * 5000, "eth0"),) * 20)
    short = WHOLE._replace(attachments=())
    sandboxes.save(short)
    done = threading.Event()
    seen: set[int] = set()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                record = sandboxes.load(CONTAINER)
                assert record in (long, short)
                seen.add(len(record.attachments))
        except BaseException as failure:
            failures.append(failure)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        deadline = time.monotonic() + 20
        rounds = 0
        while (rounds < 100 or len(seen) < 2) and not failures and time.monotonic() < deadline:
            sandboxes.save(long)
            sandboxes.save(short)
            rounds += 1
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert said == []
    assert seen == {0, 20}


@needs_root
@pytest.mark.parametrize("room", [0, 100, 4096])
def test_on_a_full_disk_the_old_record_stays(tmp_path: Path, said: list[str], room: int) -> None:
    def act() -> None:
        sandboxes = Sandboxes(str(tmp_path), said.append)
        sandboxes.save(WHOLE)
        (tmp_path / "room").write_bytes(bytes(room))
        fill(tmp_path)
        (tmp_path / "room").unlink()
        with pytest.raises(OSError, match="No space left on device"):
            sandboxes.save(WHOLE._replace(netns="/" + "x" * 20_000))
        assert place_files(sandboxes) == [path_of(sandboxes)]
        assert sandboxes.load(CONTAINER) == WHOLE
        (tmp_path / "filler").unlink()
        sandboxes.save(WHOLE._replace(inode=2))
        assert sandboxes.load(CONTAINER) == WHOLE._replace(inode=2)

    on_a_small_disk(tmp_path, act)
    assert said == []


@needs_root
def test_on_a_read_only_disk_all_can_be_read(tmp_path: Path, said: list[str]) -> None:
    def act() -> None:
        sandboxes = Sandboxes(str(tmp_path), said.append)
        sandboxes.save(WHOLE)
        with sandboxes.lock(CONTAINER):
            pass
        make_read_only(tmp_path)
        for change in (sandboxes.save, lambda record: sandboxes.remove(record.container_id)):
            with pytest.raises(OSError, match="Read-only file system"):
                change(WHOLE)
        with sandboxes.lock(CONTAINER), pytest.raises(TimeoutError):
            sandboxes.lock(CONTAINER, 0.0)
        with pytest.raises(OSError, match="Read-only file system"):
            sandboxes.lock("another")
        assert sandboxes.ids() == [CONTAINER]
        assert sandboxes.load(CONTAINER) == WHOLE

    on_a_small_disk(tmp_path, act)
    assert said == []
