"""The folder source: what is there counts, what is broken or away keeps what it held."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cni_route.model import Service
from sync_service.sources.directory import RENEWED
from tests.unit.followed import Followed, pod, service


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Followed]:
    path = tmp_path / "above" / "routes.d"
    path.mkdir(parents=True)
    followed = Followed(path)
    yield followed
    followed.source.close()


def test_an_empty_folder_is_complete(folder: Followed) -> None:
    assert folder.scan() == []
    assert folder.sink.completed == [True]
    assert folder.sink.troubles == {}


def test_every_suffix_is_read_and_editors_files_are_not(folder: Followed) -> None:
    for name in ("a.yaml", "b.yml", "c.json"):
        folder.write(name, service(name[0]))
    for name in (".d.yaml", "e.yaml~", "#f.yaml#", ".g.yaml.swp", "h.txt", "4913", "i.yaml.bak"):
        folder.write(name, service(name.strip(".#")[0]))
    assert folder.scan() == ["Service d/a", "Service d/b", "Service d/c"]
    assert folder.sink.troubles == {}


def test_nothing_is_told_twice(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.scan()
    folder.write("a.yaml", service("a"))  # written anew, the same
    folder.scan()
    folder.scan()
    assert folder.sink.completed == [True]


def test_a_change_a_rename_and_a_delete(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.scan()
    folder.write("a.yaml", service("a", "10.96.0.2"))
    folder.scan()
    found = folder.sink.objects["Service", "d", "a"]
    assert isinstance(found, Service)
    assert str(found.addresses[0]) == "10.96.0.2"
    told = len(folder.sink.completed)
    (folder.path / "a.yaml").rename(folder.path / "b.yaml")
    assert folder.scan() == ["Service d/a"]
    assert len(folder.sink.completed) == told, "a rename changes nothing"
    (folder.path / "b.yaml").unlink()
    assert folder.scan() == []


def test_an_emptied_file_is_a_delete(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.scan()
    folder.write("a.yaml", "")
    assert folder.scan() == []
    assert folder.sink.troubles == {}


def test_an_object_that_moves_is_never_gone(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.scan()
    folder.write("b.yaml", service("a"))
    (folder.path / "a.yaml").unlink()
    folder.scan()
    assert folder.sink.completed == [True]


def test_a_file_that_no_longer_parses_keeps_its_last_good_state(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.write("b.yaml", service("b"))
    folder.scan()
    folder.write("a.yaml", "{")
    assert folder.scan() == ["Service d/a", "Service d/b"]
    assert list(folder.sink.troubles) == ["a.yaml"]
    assert folder.sink.troubles["a.yaml"][0].startswith("a.yaml: line 2, column 1: is not YAML")
    assert folder.sink.completed == [True, False]
    folder.write("a.yaml", service("c"))
    assert folder.scan() == ["Service d/b", "Service d/c"]
    assert folder.sink.troubles == {}
    assert folder.sink.completed[-1] is True


def test_one_bad_document_keeps_what_it_held_and_the_others_count(folder: Followed) -> None:
    folder.write("a.yaml", f"{service('a')}\n---\n{service('b')}")
    folder.scan()
    folder.write("a.yaml", f"{service('c')}\n---\n{{apiVersion: v1, kind: Sevice}}")
    assert folder.scan() == ["Service d/a", "Service d/b", "Service d/c"]
    assert "Sevice" in folder.sink.troubles["a.yaml"][0]


def test_the_first_file_by_name_wins_and_the_other_is_reported(folder: Followed) -> None:
    folder.write("b.yaml", service("a", "10.96.0.2"))
    folder.scan()
    folder.write("a.yaml", service("a", "10.96.0.1"))
    folder.scan()
    found = folder.sink.objects["Service", "d", "a"]
    assert isinstance(found, Service)
    assert str(found.addresses[0]) == "10.96.0.1"
    assert folder.sink.troubles == {
        "b.yaml": ("b.yaml: Service d/a stands in a.yaml too, and that one counts",)
    }
    (folder.path / "a.yaml").unlink()
    folder.scan()
    found = folder.sink.objects["Service", "d", "a"]
    assert isinstance(found, Service)
    assert str(found.addresses[0]) == "10.96.0.2"
    assert folder.sink.troubles == {}


def test_pods_of_other_nodes_are_left_out(folder: Followed) -> None:
    folder.write("a.yaml", f"{pod('here', 'node-a')}\n---\n{pod('there', 'node-b')}")
    folder.write("b.yaml", pod("anywhere", ""))
    assert folder.scan() == ["Pod d/anywhere", "Pod d/here"]


def test_a_folder_that_is_not_there_yet_is_not_complete(tmp_path: Path) -> None:
    folder = Followed(tmp_path / "x" / "y")
    assert folder.scan() == []
    assert folder.sink.completed == []
    assert folder.sink.troubles == {
        str(folder.path): (f"the folder {folder.path} cannot be read: No such file or directory",)
    }
    folder.path.mkdir(parents=True)
    folder.write("a.yaml", service("a"))
    assert folder.scan() == ["Service d/a"]
    assert folder.sink.troubles == {}
    assert folder.sink.completed == [True]


def test_a_folder_that_vanishes_keeps_what_it_held(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.scan()
    shutil.rmtree(folder.path)
    assert folder.scan() == ["Service d/a"]
    assert folder.sink.troubles[str(folder.path)] == (
        f"the folder {folder.path} cannot be read: No such file or directory;"
        " what was read from it before stays",
    )
    folder.path.write_text("a file in its place")
    folder.scan()
    assert "Not a directory" in folder.sink.troubles[str(folder.path)][0]


def test_a_folder_made_anew_deletes_nothing_while_it_is_empty(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.write("b.yaml", service("b"))
    folder.scan()
    folder.path.rename(folder.path.parent / "old")
    folder.path.mkdir()
    folder.clock.now += 1000
    assert folder.scan() == ["Service d/a", "Service d/b"]
    assert "was made anew and is empty" in folder.sink.troubles[str(folder.path)][0]
    folder.write("a.yaml", service("a"))
    assert folder.scan() == ["Service d/a", "Service d/b"], "b may still be coming"


def test_what_a_folder_made_anew_lacks_is_gone_once_it_was_left_alone(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.write("b.yaml", service("b"))
    folder.scan()
    folder.path.rename(folder.path.parent / "old")
    folder.path.mkdir()
    folder.write("a.yaml", service("a"))
    assert folder.scan() == ["Service d/a", "Service d/b"]
    assert folder.source.unfinished
    folder.clock.now += RENEWED
    assert folder.scan() == ["Service d/a"]
    assert not folder.source.unfinished
    (folder.path / "a.yaml").unlink()
    assert folder.scan() == [], "now it is an ordinary folder"


def test_a_folder_that_comes_back_counts_as_made_anew(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.write("b.yaml", service("b"))
    folder.scan()
    away = folder.path.rename(folder.path.parent / "away")
    folder.scan()
    assert folder.sink.completed[-1] is False
    (away / "b.yaml").unlink()
    away.rename(folder.path)
    assert folder.scan() == ["Service d/a", "Service d/b"]
    folder.clock.now += RENEWED
    assert folder.scan() == ["Service d/a"]
    assert folder.sink.completed[-1] is True


def test_a_config_map_is_swapped_as_a_whole(folder: Followed) -> None:
    first, second = folder.path / "..1", folder.path / "..2"
    first.mkdir()
    (first / "a.yaml").write_text(service("a"))
    (first / "b.yaml").write_text(service("b"))
    (folder.path / "..data").symlink_to("..1")
    for name in ("a.yaml", "b.yaml"):
        (folder.path / name).symlink_to(f"..data/{name}")
    assert folder.scan() == ["Service d/a", "Service d/b"]
    second.mkdir()
    (second / "a.yaml").write_text(service("c"))
    (second / "b.yaml").write_text(service("b"))
    (folder.path / "..data_tmp").symlink_to("..2")
    (folder.path / "..data_tmp").rename(folder.path / "..data")
    assert folder.scan() == ["Service d/b", "Service d/c"]
    (second / "a.yaml").unlink()
    assert folder.scan() == ["Service d/b", "Service d/c"]
    assert folder.sink.troubles["a.yaml"] == ("a.yaml: is a link to nothing",)


def test_a_file_that_is_being_written_keeps_what_it_held(folder: Followed) -> None:
    folder.write("a.yaml", service("a"))
    folder.scan()
    with open(folder.path / "a.yaml", "w") as file:
        assert folder.scan() == ["Service d/a"], "emptied, but not finished"
        file.write(service("b"))
        file.flush()
        assert folder.scan() == ["Service d/a"]
        assert folder.source.unfinished
        assert folder.sink.troubles == {}
        folder.clock.now += 10
        folder.scan()
        assert "is open for writing" in folder.sink.troubles["a.yaml"][0]
    assert folder.scan() == ["Service d/b"]
    assert folder.sink.troubles == {}


def test_a_file_that_is_being_written_at_the_start_leaves_the_picture_partial(
    folder: Followed,
) -> None:
    with open(folder.path / "a.yaml", "w"):
        folder.scan()
        assert folder.sink.completed == [False]
    folder.scan()
    assert folder.sink.completed == [False, True]


@pytest.mark.parametrize("kind", ["fifo", "folder", "loop", "huge", "latin", "nul", "socket"])
def test_what_is_no_manifest_is_said_and_holds_nobody_up(folder: Followed, kind: str) -> None:
    folder.write("b.yaml", service("b"))
    path = folder.path / "a.yaml"
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "loop": lambda: path.symlink_to("a.yaml"),
        "huge": lambda: (path.touch(), os.truncate(path, 9 << 20)),
        "latin": lambda: path.write_bytes(b"# \xe9"),
        "nul": lambda: path.write_bytes(b"\0"),
        "socket": lambda: os.mknod(path, 0o140600),
    }
    make[kind]()
    assert folder.scan() == ["Service d/b"]
    (sentence,) = folder.sink.troubles["a.yaml"]
    assert sentence.startswith("a.yaml: ")
    shutil.rmtree(path) if kind == "folder" else path.unlink()
    folder.scan()
    assert folder.sink.troubles == {}
    assert folder.sink.completed[-1] is True


def test_a_mistake_that_one_file_brings_out_costs_that_file(
    folder: Followed, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("a.yaml", service("a"))
    folder.scan()

    def fail(*_: object) -> None:
        raise RecursionError("too deep")

    with monkeypatch.context() as patched:
        patched.setattr("sync_service.sources.directory.parse", fail)
        folder.write("a.yaml", service("b"))
        assert folder.scan() == ["Service d/a"]
    assert folder.sink.troubles["a.yaml"] == (
        "a.yaml: a mistake in cni-route: RecursionError: too deep",
    )
    folder.write("a.yaml", service("c"))
    assert folder.scan() == ["Service d/c"]
