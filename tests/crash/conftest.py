"""One node for all crash tests, and a stage on it; both wait for nothing but strace."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash import strace
from tests.crash.stage import Stage
from tests.node.conftest import programs
from tests.node.node import BIN_DIR, Node
from tests.node.service import LOG

__all__ = ["programs"]


@pytest.fixture
def stage(programs: Path, tmp_path: Path) -> Iterator[Stage]:
    """A node with our plugin; the service's log is shown with a failure."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    if reason := strace.why_not():
        print(f"crash tests: {reason}")
        pytest.skip(reason)
    with Node.start() as node:
        shutil.copytree(programs, node.path(BIN_DIR), dirs_exist_ok=True)
        stage = Stage(node, tmp_path)
        try:
            yield stage
        finally:
            stage.close()
            if node.path(LOG).exists():
                print(f"---- the service's log\n{node.path(LOG).read_text()[-20_000:]}")
