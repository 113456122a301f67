"""A node with many namespaces for all tests of this folder, and a fresh service for each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.hostile.crowd import Crowd
from tests.node.node import Node
from tests.node.service import LOG, Service

NAMESPACES = 250


@pytest.fixture(scope="session")
def whole_crowd() -> Iterator[Crowd]:
    """The namespaces, made once."""
    if os.geteuid():
        pytest.skip("network namespaces need root")
    with Node.start() as node:
        yield Crowd(node, NAMESPACES)


@pytest.fixture
def crowd(whole_crowd: Crowd) -> Crowd:
    """The same, as if nobody had been there."""
    whole_crowd.clear()
    whole_crowd.node.path(LOG).unlink(missing_ok=True)
    return whole_crowd


@pytest.fixture
def service(crowd: Crowd) -> Iterator[Service]:
    """A service over that node's folder, running; its log is shown with a failure."""
    crowd.want("172.16.0.0/16")
    with Service(crowd.node) as service:
        yield service
        print(f"---- the service's log\n{service.log()[-6000:]}")
