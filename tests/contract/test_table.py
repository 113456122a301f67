"""Tables and batches: to whom they belong, and when they are no more."""

from __future__ import annotations

import os

import pytest

from cni_route.kernel import ForeignBatch
from cni_route.model import Batch, Operation
from tests.contract.worlds import WORLDS, World, open_world

BAD_DESCRIPTOR = "Bad file descriptor"
ROUTE = "10.9.0.0/16 dev eth1 proto 114"


def test_a_table_says_whose_it_is(world: World) -> None:
    assert world.table.namespace == world.driver.inode


def test_an_empty_batch_and_an_empty_table(world: World) -> None:
    assert world.send() == ()
    assert world.table.dump(4711) == ()


def test_a_batch_for_another_namespace_is_not_sent(world: World) -> None:
    batch = Batch(world.table.namespace + 1, (Operation("add", world.parse(ROUTE)),))
    before = world.table.dump()
    with pytest.raises(ForeignBatch):
        world.table.apply(batch)
    assert world.table.dump() == before


@pytest.mark.parametrize("kind", WORLDS)
def test_two_namespaces_have_two_identities(kind: str) -> None:
    with open_world(kind) as one, open_world(kind) as two:
        if kind == "real":
            assert one.table.namespace != two.table.namespace
        one.driver.add_link("eth1")
        assert "eth1" not in two.table.links()


def test_two_tables_of_one_namespace(world: World) -> None:
    other = world.kernel.open(world.driver.descriptor)
    assert world.try_route("add", ROUTE) == (0, "")
    assert other.dump() == world.table.dump()
    other.close()
    assert world.table.dump()


def test_an_open_table_keeps_its_namespace(world: World) -> None:
    before = world.table.dump()
    descriptor = world.driver.descriptor
    world.abandon()
    assert world.table.dump() == before
    assert "eth1" in world.table.links()
    assert world.try_route("add", ROUTE) == (0, "")
    with pytest.raises(OSError, match=BAD_DESCRIPTOR):
        world.kernel.open(descriptor)


def test_close_twice_is_fine_and_the_rest_is_refused(world: World) -> None:
    other = world.kernel.open(world.driver.descriptor)
    other.close()
    other.close()
    with pytest.raises(OSError, match=BAD_DESCRIPTOR):
        other.dump()
    with pytest.raises(OSError, match=BAD_DESCRIPTOR):
        other.links()


def test_a_descriptor_that_is_none(bare: World) -> None:
    with open(os.devnull, "rb") as file:
        number = file.fileno()
        with pytest.raises(OSError, match=f"Invalid argument|{BAD_DESCRIPTOR}"):
            bare.kernel.open(number)
    with pytest.raises(OSError, match=BAD_DESCRIPTOR):
        bare.kernel.open(number)


def test_many_operations_in_one_batch(world: World) -> None:
    """More than fit into one message to the kernel; refusals come in the order of sending."""
    good = [Operation("add", world.parse(f"10.9.{n}.1 dev eth1 proto 114")) for n in range(256)]
    bad = [Operation("add", world.parse(f"10.9.{n}.2 via 10.99.0.1 dev eth1")) for n in range(256)]
    mixed = [operation for pair in zip(good, bad, strict=True) for operation in pair]
    assert [r.operation for r in world.send(*mixed)] == bad
    assert len(world.table.dump()) == 256 + 6
    assert world.send(*(Operation("delete", o.subject) for o in good)) == ()
