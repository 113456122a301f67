"""The plugin's log file: lines, its size, and that failing never matters."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from cni_route.cni.journal import append

MIB = 1 << 20


def test_a_line_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "log" / "deep" / "plugin.log"
    append(str(path), "ADD c1: done")
    append(str(path), "two\nlines, \x1b[2J and ä \udcff")
    lines = path.read_text().splitlines()
    stamp = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ \[{os.getpid()}\] "
    assert re.fullmatch(stamp + "ADD c1: done", lines[0])
    assert re.fullmatch(stamp + re.escape(r"two\nlines, \x1b[2J and ä \udcff"), lines[1])
    assert len(lines) == 2
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_file_is_bounded_with_one_older(tmp_path: Path) -> None:
    path = tmp_path / "plugin.log"
    for number in range(30):
        append(str(path), f"{number} " + "x" * (MIB // 10))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plugin.log", "plugin.log.1"]
    assert all(p.stat().st_size <= MIB for p in tmp_path.iterdir())
    text = (tmp_path / "plugin.log.1").read_text() + path.read_text()
    numbers = [int(n) for n in re.findall(r"\] (\d+) ", text)]
    assert numbers == list(range(numbers[0], 30))
    assert len(numbers) > 9


def test_many_writers_lose_nothing_and_keep_to_the_bound(tmp_path: Path) -> None:
    path = tmp_path / "plugin.log"

    def write(name: str) -> None:
        for number in range(40):
            append(str(path), f"{name}{number} " + "x" * 9000)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text = path.read_text() + (tmp_path / "plugin.log.1").read_text()
    assert len(re.findall(r"\] [abcd]\d+ x{9000}\n", text)) == 160


@pytest.mark.parametrize("name", ["folder", "fifo", "link", "under/plain/file", "full\0name"])
def test_what_cannot_be_written_does_not_matter(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "under").mkdir()
    (tmp_path / "under" / "plain").touch()
    append(f"{tmp_path}/{name}", "said to nobody")
    assert not (tmp_path / "elsewhere").exists()


def test_no_path_is_no_log() -> None:
    append("", "said to nobody")
