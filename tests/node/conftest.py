"""A node for each test; its service's log is shown with a failure."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.lists import OWN, bridged, calico
from tests.node.node import BIN_DIR, COMMAND, CONF_DIR, Node
from tests.node.runtime import Runtime
from tests.node.service import LOG, Service


@pytest.fixture
def bare_node() -> Iterator[Node]:
    """A node with Debian's CNI plugins, no lists, and not ours."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    with Node.start() as node:
        yield node
        log = node.path(LOG)
        if log.exists():
            print(f"---- the service's log\n{log.read_text()}")


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our plugin's programs, written once by our own command."""
    folder = tmp_path_factory.mktemp("plugin")
    subprocess.run([COMMAND, "install-plugin", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def node(bare_node: Node, programs: Path) -> Node:
    """A node with two lists, our entry in both, and our plugin installed."""
    bare_node.write(f"{CONF_DIR}/10-calico.conflist", calico(OWN))
    bare_node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(OWN))
    shutil.copytree(programs, bare_node.path(BIN_DIR), dirs_exist_ok=True)
    return bare_node


@pytest.fixture
def runtime(node: Node) -> Runtime:
    """Its runtime: eth0 from the first list, eth1 from the second."""
    return Runtime(node)


@pytest.fixture
def service(node: Node) -> Iterator[Service]:
    """The service, not started."""
    service = Service(node)
    yield service
    service.kill()
