"""What writers of records that were killed have left: removed, reused, and in nobody's way."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cni_route.cni.attachments import detach
from cni_route.record import Attachment, Record
from cni_route.sandbox import Sandboxes


@pytest.fixture
def sandboxes(tmp_path: Path) -> Sandboxes:
    """A folder with one sandbox, pod1."""
    made = Sandboxes(str(tmp_path), pytest.fail)
    with made.lock("pod1"):
        made.save(Record("pod1", attachments=(Attachment("net", "eth0"),)))
    return made


def names(sandboxes: Sandboxes) -> list[str]:
    """What lies in the folder."""
    return sorted(os.listdir(sandboxes.folder))


def leave(sandboxes: Sandboxes, *left: str) -> None:
    """As a killed writer does."""
    for name in left:
        Path(sandboxes.folder, name).write_text("{")


PEACE = ["pod1.json", "pod1.lock"]


def test_a_lock_lasts_as_long_as_its_record(sandboxes: Sandboxes) -> None:
    for _ in range(2):
        with sandboxes.lock("pod1"), sandboxes.lock("pod2"):
            assert names(sandboxes) == [*PEACE, "pod2.lock"]
        assert names(sandboxes) == PEACE


def test_a_lock_that_another_has_made_anew_stays(sandboxes: Sandboxes) -> None:
    """The holder has removed the sandbox, and somebody adds it before the holder lets go."""
    with sandboxes.lock("pod1"):
        sandboxes.remove("pod1")
        another = sandboxes.lock("pod1")
    with another, pytest.raises(TimeoutError):
        sandboxes.lock("pod1", 0.0)


def test_the_next_record_is_written_over_half_a_one(sandboxes: Sandboxes) -> None:
    leave(sandboxes, "pod1.json.tmp")
    with sandboxes.lock("pod1"):
        sandboxes.save(Record("pod1", "/netns"))
    assert names(sandboxes) == PEACE
    assert sandboxes.load("pod1") == Record("pod1", "/netns")


def everything(_: Attachment) -> bool:
    """DEL of all."""
    return True


def by_del(sandboxes: Sandboxes) -> None:
    """The runtime deletes the pod of which no record came about."""
    assert not detach(sandboxes, "pod2", everything)


@pytest.mark.parametrize("way", [by_del, Sandboxes.tidy])
@pytest.mark.parametrize("left", [["pod2.lock"], ["pod2.lock", "pod2.json.tmp"]])
def test_nothing_stays_of_a_sandbox_without_a_record(
    sandboxes: Sandboxes, way: Callable[[Sandboxes], None], left: list[str]
) -> None:
    leave(sandboxes, *left)
    way(sandboxes)
    assert names(sandboxes) == PEACE


def test_del_of_what_was_never_known_writes_nothing(tmp_path: Path) -> None:
    detach(Sandboxes(str(tmp_path / "run"), pytest.fail), "pod2", everything)
    assert not (tmp_path / "run").exists()


def test_a_start_takes_half_records_away_and_no_more(sandboxes: Sandboxes) -> None:
    leave(sandboxes, "pod1.json.tmp", "pod1.json.bad", "pod2.json", "-.lock")
    sandboxes.tidy()
    assert names(sandboxes) == ["-.lock", "pod1.json", "pod1.json.bad", "pod1.lock", "pod2.json"]


def test_a_start_lets_those_alone_who_are_at_work(sandboxes: Sandboxes) -> None:
    leave(sandboxes, "pod1.json.tmp")
    with sandboxes.lock("pod1"), sandboxes.lock("pod2"):
        sandboxes.tidy()
        assert names(sandboxes) == ["pod1.json", "pod1.json.tmp", "pod1.lock", "pod2.lock"]


def test_a_start_without_a_folder_is_fine(tmp_path: Path) -> None:
    Sandboxes(str(tmp_path / "none"), pytest.fail).tidy()
