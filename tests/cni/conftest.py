"""What the plugin's tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cni.site import Site
from tests.kernel.namespaces import bare


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with bare() as namespace:
        yield Site(tmp_path, namespace)
