"""The world that a test of the contract runs in: once the fake kernel, once the running one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.worlds import WORLDS, World, open_world


@pytest.fixture(params=WORLDS)
def bare(request: pytest.FixtureRequest) -> Iterator[World]:
    """A namespace with its loopback alone."""
    with open_world(request.param) as made:
        yield made


@pytest.fixture
def world(bare: World) -> World:
    """A pod with two NICs, eth0 (10.1.0.2, 2001:db8:1::2) and eth1 (10.2.0.2, 2001:db8:2::2)."""
    bare.driver.add_link("eth0", "10.1.0.2/24", "2001:db8:1::2/64")
    bare.driver.add_link("eth1", "10.2.0.2/24", "2001:db8:2::2/64")
    return bare
