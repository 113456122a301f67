"""A pod whose record had to be set aside is found again."""

from __future__ import annotations

import os
from pathlib import Path

from tests.unit.test_discover import ID, Looking, cached, private_namespace, write


def test_a_pod_whose_record_was_set_aside_is_found_again(tmp_path: Path) -> None:
    looking = Looking(tmp_path)
    with private_namespace() as (path, inode):
        write(looking.cache, "a", cached(path))
        assert looking.look() == [ID]
        Path(looking.sandboxes.folder, f"{ID}.json").write_text("{")
        assert looking.sandboxes.load(ID) is None
        looking.discovery.forget(ID)
        assert looking.look() == [ID]
        record = looking.sandboxes.load(ID)
        assert record is not None
        assert record.inode == inode
        looking.sandboxes.remove(ID)
        assert os.listdir(looking.sandboxes.folder) == []
