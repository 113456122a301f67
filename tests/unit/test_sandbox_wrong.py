"""Record files that nobody should have written: told once, set aside, and no longer in the way."""

from __future__ import annotations

import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cni_route.sandbox import Sandboxes
from tests.cases.records import CONTAINER, WHOLE, WRONG_RECORDS, Wrong
from tests.kernel.namespaces import needs_root
from tests.unit.disks import make_read_only, on_a_small_disk


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sandboxes(tmp_path: Path, said: list[str]) -> Sandboxes:
    return Sandboxes(str(tmp_path), said.append)


@pytest.fixture
def place(sandboxes: Sandboxes) -> Path:
    """Where the record will be."""
    os.makedirs(sandboxes.folder)
    return Path(sandboxes.folder, f"{CONTAINER}.json")


def is_set_aside(sandboxes: Sandboxes, said: list[str], sentence: str) -> None:
    """It was told once, it is kept, and a fresh record can take its place."""
    place = Path(sandboxes.folder, f"{CONTAINER}.json")
    before = len(os.listdir("/proc/self/fd"))
    assert sandboxes.load(CONTAINER) is None
    assert said == [f"{place}: {sentence}; set aside as {CONTAINER}.json.bad"]
    assert sandboxes.load(CONTAINER) is None
    assert len(said) == 1
    assert len(os.listdir("/proc/self/fd")) == before
    assert sandboxes.ids() == []
    assert os.path.lexists(f"{place}.bad")
    sandboxes.save(WHOLE)
    assert sandboxes.load(CONTAINER) == WHOLE
    assert len(said) == 1


@pytest.mark.parametrize("case", WRONG_RECORDS, ids=[case.id for case in WRONG_RECORDS])
def test_a_wrong_record_is_told_and_set_aside(
    sandboxes: Sandboxes, said: list[str], place: Path, case: Wrong
) -> None:
    place.write_bytes(case.data)
    is_set_aside(sandboxes, said, case.sentence)
    assert Path(f"{place}.bad").read_bytes() == case.data


def test_a_second_wrong_record_takes_the_place_of_the_first(
    sandboxes: Sandboxes, said: list[str], place: Path
) -> None:
    for text in (b"one", b"two"):
        place.write_bytes(text)
        assert sandboxes.load(CONTAINER) is None
    assert len(said) == 2
    assert Path(f"{place}.bad").read_bytes() == b"two"


def test_a_number_of_any_length_is_no_traceback(
    sandboxes: Sandboxes, said: list[str], place: Path
) -> None:
    """From 3.10.7 on, Python refuses to read more than some 4,300 digits."""
    place.write_bytes(b'{"version": 1' + b"0" * 20_000 + b"}")
    assert sandboxes.load(CONTAINER) is None
    assert len(said) == 1
    assert said[0].startswith((f"{place}: is not JSON: ", f"{place}: version: "))


def test_no_depth_is_a_traceback(sandboxes: Sandboxes, said: list[str], place: Path) -> None:
    """Just short of what the decoder refuses, the sentence must not fall over it either."""
    for depth in range(sys.getrecursionlimit() - 200, sys.getrecursionlimit() + 10):
        place.write_bytes(b'{"version": ' + b"[" * depth + b"]" * depth + b"}")
        assert sandboxes.load(CONTAINER) is None
    reasons = {sentence.partition(": ")[2].partition(";")[0] for sentence in said}
    assert reasons == {
        "version: a list is not a number from 0 to 2147483647",
        "is nested too deeply",
    }


def test_a_file_beyond_all_bounds_is_not_read_whole(
    sandboxes: Sandboxes, said: list[str], place: Path
) -> None:
    with open(place, "wb") as file:
        file.write(b'{"version": "')
        file.truncate(1 << 40)  # a hole: a terabyte that is not there
    is_set_aside(
        sandboxes, said, "is not JSON: Invalid control character at: line 1 column 14 (char 13)"
    )


def test_a_symbolic_link_is_no_record(
    sandboxes: Sandboxes, said: list[str], place: Path, tmp_path: Path
) -> None:
    sandboxes.save(WHOLE)
    place.rename(tmp_path / "elsewhere.json")
    place.symlink_to(tmp_path / "elsewhere.json")
    is_set_aside(sandboxes, said, "is not a regular file")
    assert not place.is_symlink()


def test_a_link_to_nowhere_is_no_record(sandboxes: Sandboxes, said: list[str], place: Path) -> None:
    place.symlink_to("/nowhere")
    is_set_aside(sandboxes, said, "is not a regular file")


@pytest.mark.parametrize("filled", [False, True])
def test_a_fifo_holds_nobody_up(
    sandboxes: Sandboxes, said: list[str], place: Path, filled: bool
) -> None:
    os.mkfifo(place)
    writer = os.open(place, os.O_RDWR)  # without one, reading would end at once
    try:
        if filled:
            os.write(writer, b'{"version": 1}')
        is_set_aside(sandboxes, said, "is not a regular file")
    finally:
        os.close(writer)


def test_a_folder_is_no_record(sandboxes: Sandboxes, said: list[str], place: Path) -> None:
    place.mkdir()
    (place / "something").touch()
    is_set_aside(sandboxes, said, "is not a regular file")


def test_a_socket_is_no_record(
    sandboxes: Sandboxes, said: list[str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sandboxes.folder)  # the path of a socket has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(place.name)
        is_set_aside(sandboxes, said, "is not a regular file")


@contextmanager
def as_nobody(*paths: Path) -> Iterator[None]:
    """Without root's rights, as the owner of these paths."""
    for path in paths:
        os.chown(path, 65534, -1)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@needs_root
def test_a_file_that_cannot_be_read_is_set_aside(
    sandboxes: Sandboxes, said: list[str], tmp_path: Path, place: Path
) -> None:
    sandboxes.save(WHOLE)
    place.chmod(0)
    with _way_to(tmp_path), as_nobody(Path(sandboxes.folder), place):
        is_set_aside(sandboxes, said, "cannot be read: Permission denied")


@needs_root
def test_what_cannot_be_set_aside_is_told(
    sandboxes: Sandboxes, said: list[str], tmp_path: Path, place: Path
) -> None:
    place.write_bytes(b"")
    os.chmod(sandboxes.folder, 0o555)
    with _way_to(tmp_path), as_nobody(place):
        assert sandboxes.load(CONTAINER) is None
    assert said == [
        f"{place}: is not JSON: Expecting value: line 1 column 1 (char 0); "
        "cannot be set aside: Permission denied"
    ]
    assert place.exists()


@contextmanager
def _way_to(tmp_path: Path) -> Iterator[None]:
    """Everybody may pass through the folders above."""
    above = [p for p in (tmp_path, *tmp_path.parents) if p.stat().st_uid == os.geteuid()]
    closed = {p: stat.S_IMODE(p.stat().st_mode) for p in above if not p.stat().st_mode & 0o001}
    for path, mode in closed.items():
        path.chmod(mode | 0o011)
    try:
        yield
    finally:
        for path, mode in closed.items():
            path.chmod(mode)


def test_what_only_this_moment_hinders_is_not_set_aside(
    sandboxes: Sandboxes, said: list[str]
) -> None:
    """Out of descriptors is no fault of the file: what is displaced stands in it."""
    import resource  # noqa: PLC0415 - this test only

    sandboxes.save(WHOLE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        assert sandboxes.load(CONTAINER) is None
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert said == [
        f"{Path(sandboxes.folder, CONTAINER)}.json: cannot be read: Too many open files"
    ]
    assert sandboxes.load(CONTAINER) == WHOLE


@needs_root
def test_a_wrong_record_on_a_read_only_disk_is_told(tmp_path: Path, said: list[str]) -> None:
    def act() -> None:
        sandboxes = Sandboxes(str(tmp_path), said.append)
        sandboxes.save(WHOLE)
        Path(sandboxes.folder, f"{CONTAINER}.json").write_bytes(b"[]")
        make_read_only(tmp_path)
        assert sandboxes.load(CONTAINER) is None

    on_a_small_disk(tmp_path, act)
    place = tmp_path / "sandboxes" / f"{CONTAINER}.json"
    assert said == [f"{place}: version: is missing; cannot be set aside: Read-only file system"]
