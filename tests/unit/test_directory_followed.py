"""The folder source as a thread: every way to change a folder is noticed by inotify."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync_service.sources.directory import Directory, Timing
from tests.unit.followed import Followed, service

DEADLINE = 10.0  # seconds


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Followed]:
    path = tmp_path / "above" / "routes.d"
    path.mkdir(parents=True)
    followed = Followed(path)
    yield followed
    followed.source.close()


@pytest.fixture
def running(folder: Followed) -> Iterator[Followed]:
    """The same, followed by a thread of its own, and a rescan too far off to help."""
    source = Directory(str(folder.path), "node-a", folder.sink, lambda: Timing(0.005, 600))
    stop, end = os.pipe()
    thread = threading.Thread(target=source.run, args=(stop,), daemon=True)
    thread.start()
    yield folder
    os.close(end)
    thread.join(DEADLINE)
    assert not thread.is_alive()
    os.close(stop)


def wait(folder: Followed, *names: str) -> None:
    sink = folder.sink
    with sink.changed:
        assert sink.changed.wait_for(lambda: sink.names() == list(names), DEADLINE), sink.names()


def test_every_way_to_change_a_folder_is_noticed(running: Followed) -> None:
    path, above = running.path, running.path.parent
    with running.sink.changed:
        running.sink.changed.wait_for(lambda: running.sink.completed, DEADLINE)
    running.write("a.yaml", service("a"))
    wait(running, "Service d/a")
    (above / "b").write_text(service("b"))
    (above / "b").rename(path / "b.yaml")
    wait(running, "Service d/a", "Service d/b")
    (above / "c").write_text(service("c"))
    os.link(above / "c", path / "c.yaml")
    wait(running, "Service d/a", "Service d/b", "Service d/c")
    (path / "d.yaml").symlink_to("c.yaml")
    (path / "d.yaml").unlink()
    (path / "c.yaml").rename(above / "c2")
    wait(running, "Service d/a", "Service d/b")
    (path / "b.yaml").unlink()
    wait(running, "Service d/a")


def test_a_folder_is_followed_through_removal_and_return(running: Followed) -> None:
    path, above = running.path, running.path.parent
    running.write("a.yaml", service("a"))
    wait(running, "Service d/a")
    above.rename(above.with_name("elsewhere"))
    with running.sink.changed:
        assert running.sink.changed.wait_for(lambda: str(path) in running.sink.troubles, DEADLINE)
    assert running.sink.names() == ["Service d/a"]
    path.mkdir(parents=True)
    running.write("b.yaml", service("b"))
    wait(running, "Service d/b")
    assert running.sink.troubles == {}
    shutil.rmtree(above)
    with running.sink.changed:
        assert running.sink.changed.wait_for(lambda: str(path) in running.sink.troubles, DEADLINE)


def test_a_slow_writer_never_shows_half_a_file(running: Followed) -> None:
    def text(number: int) -> list[str]:
        return [service("a", f"10.96.1.{number}") + "\n---\n", service("b")]

    running.write("a.yaml", "".join(text(0)))
    wait(running, "Service d/a", "Service d/b")
    before = len(running.sink.completed)
    for number in range(1, 21):
        with open(running.path / "a.yaml", "w") as file:
            for part in text(number):
                running.write("other.txt", "")  # makes the folder be looked at in the middle
                file.write(part)
                file.flush()
        with running.sink.changed:
            assert running.sink.changed.wait_for(
                lambda n=number: len(running.sink.completed) == before + n, DEADLINE
            )
        wait(running, "Service d/a", "Service d/b")
    assert running.sink.history[-20:] == [["Service d/a", "Service d/b"]] * 20
    assert all(running.sink.completed)
