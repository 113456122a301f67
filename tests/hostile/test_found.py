"""What hostile inputs brought to light once, each as small as it can be said."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from cni_route.cni.alone import read_snapshot
from cni_route.sandbox import Sandboxes
from sync_service.snapshot import Snapshot
from tests.cases.records import CONTAINER, RECORD


@pytest.mark.parametrize("netns", ["/run/netns/a\0b", "/run/netns/\ud800"])
def test_a_record_whose_path_no_file_can_have_is_set_aside(tmp_path: Path, netns: str) -> None:
    """It was taken, and every pass over it ended in a mistake; cleanup with it, for all pods."""
    said: list[str] = []
    sandboxes = Sandboxes(str(tmp_path), said.append)
    path = tmp_path / "sandboxes" / f"{CONTAINER}.json"
    path.parent.mkdir()
    path.write_text(json.dumps({**RECORD, "netns": netns}))
    assert sandboxes.load(CONTAINER) is None
    assert said == [
        f"{path}: netns: {netns!r} is not a path; set aside as {path.name}.bad",
    ]


def test_a_sentence_quotes_no_more_than_fits_on_a_line(tmp_path: Path) -> None:
    said: list[str] = []
    sandboxes = Sandboxes(str(tmp_path), said.append)
    path = tmp_path / "sandboxes" / f"{CONTAINER}.json"
    path.parent.mkdir()
    attachment = {**RECORD["attachments"][0], "gateways": ["1" * 100_000]}
    wrong = ({"attachments": [attachment]}, {"containerID": "a" * 100_000})
    for change in wrong:
        path.write_text(json.dumps({**RECORD, **change}))
        assert sandboxes.load(CONTAINER) is None
    snapshot = tmp_path / "snapshot.json"
    for key in ("version", "written"):
        snapshot.write_text(json.dumps({"version": 1, "written": 0, key: "a" * 100_000}))
        said.append(read_snapshot(str(snapshot), 0).trouble)
    assert Snapshot(str(tmp_path), {}, said.append).load() is None
    assert len(said) == 5
    assert max(map(len, said)) < 400


def test_a_version_that_is_true_is_no_version_to_either_reader(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text('{"version": true}')
    trouble = read_snapshot(str(path), 0).trouble
    assert trouble == f"its snapshot {path} cannot be used: version: True is not 1"


def test_ids_that_were_asked_for_once_are_not_kept_for_ever(tmp_path: Path) -> None:
    """A DEL that comes twice asks for a record that is gone; so did every pod that ended."""
    sandboxes = Sandboxes(str(tmp_path), lambda _: None)
    tracemalloc.start()
    try:
        for number in range(30_000):
            assert sandboxes.load(f"{number:064x}") is None
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1 << 20
