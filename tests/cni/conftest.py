"""What the plugin's tests share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.cni import settings
from tests.cni.programs import Programs
from tests.cni.site import Site
from tests.kernel.namespaces import bare


@pytest.fixture(autouse=True)
def _no_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own /var/log stays as it is."""
    monkeypatch.setattr(settings, "DEFAULT_LOG", str(tmp_path / "default.log"))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with bare() as namespace:
        yield Site(tmp_path, namespace)


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    """The plugin as the command installs it; the same for all tests."""
    programs = Programs(tmp_path_factory.mktemp("plugin"))
    done = programs.install()
    assert done.returncode == 0, done.stderr
    return programs


@pytest.fixture
def programs(installed: Programs) -> Programs:
    """The installed plugin on a node where nothing was done yet."""
    for folder in (installed.run_dir, installed.state_dir):
        shutil.rmtree(folder)
        folder.mkdir()
    return installed
