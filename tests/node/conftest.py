"""A node for each test; its service's log is shown with a failure."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.node.lists import OWN, bridged, calico
from tests.node.node import CONF_DIR, Node
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


@pytest.fixture
def node(bare_node: Node) -> Node:
    """A node with two lists, our entry in both, and our plugin installed."""
    bare_node.write(f"{CONF_DIR}/10-calico.conflist", calico(OWN))
    bare_node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(OWN))
    bare_node.install_plugin()
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
