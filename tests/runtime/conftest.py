"""A node with containerd; which one is the parameter `build`."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from tests.node.conftest import bare_node, node, programs, service
from tests.node.folder import fill
from tests.node.node import Node
from tests.runtime import builds
from tests.runtime.containerd import Containerd

__all__ = ["bare_node", "containerd", "node", "programs", "service"]

BUILDS = {"distribution": builds.distribution, "v2": builds.second}


@functools.cache
def found(name: str) -> builds.Build | str:
    """A build, or why it cannot be had: what was tried in vain is not tried for every test."""
    try:
        return BUILDS[name]()
    except builds.Missing as reason:
        return str(reason)


@pytest.fixture
def containerd(node: Node, request: pytest.FixtureRequest) -> Iterator[Containerd]:
    """containerd, not started; the folder of Routes is filled."""
    build = found(request.param)
    if isinstance(build, str):
        pytest.skip(build)
    fill(node)
    containerd = Containerd(node, build)
    yield containerd
    print("---- the end of containerd's log", *containerd.log().splitlines()[-100:], sep="\n")
    containerd.close()


def pytest_configure(config: pytest.Config) -> None:
    """The mark of a test for one of the builds: pytest.mark.only("v2")."""
    config.addinivalue_line("markers", "only(build): runs with that containerd alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test runs on both, but those that name one by a mark of their own."""
    if "containerd" in metafunc.fixturenames:
        only = [mark.args[0] for mark in metafunc.definition.iter_markers("only")]
        metafunc.parametrize("containerd", only or list(BUILDS), indirect=True)
