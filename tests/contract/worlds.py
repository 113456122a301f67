"""The two worlds that the seam is tested in: the fake kernel and the running one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import pytest

from cni_route.kernel import Kernel, Table
from cni_route.model import Batch, KernelRoute, Operation, PolicyRule, Refusal, Verb
from cni_route.netlink.table import NetlinkKernel
from tests.contract.real_world import RealWorld
from tests.fakes import text
from tests.fakes.fake_kernel import FakeKernel
from tests.fakes.namespace import FakeNamespace

WORLDS = ("fake", "real")


class Driver(Protocol):
    """What `ip` does to a namespace; FakeNamespace and RealWorld both have it."""

    descriptor: int
    inode: int

    def add_link(self, name: str, *addresses: str, up: bool = True) -> int: ...
    def remove_link(self, name: str) -> None: ...
    def set_up(self, name: str) -> None: ...
    def set_down(self, name: str) -> None: ...
    def set_carrier(self, name: str, on: bool) -> None: ...
    def add_address(self, name: str, address: str) -> None: ...
    def remove_address(self, name: str, address: str) -> None: ...
    def route(self, words: str, verb: str = "add") -> object: ...
    def rule(self, words: str, verb: str = "add") -> object: ...
    def nexthop(self, words: str) -> object: ...
    def remove_nexthop(self, identity: int) -> None: ...


class World(NamedTuple):
    """A namespace, how to change it from outside, and the seam to it."""

    driver: Driver
    kernel: Kernel
    table: Table
    real: bool

    def abandon(self) -> None:
        """Let go of the namespace but for the tables that are open on it."""
        if isinstance(self.driver, RealWorld):
            self.driver.let_go()
        else:
            assert isinstance(self.kernel, FakeKernel)
            assert isinstance(self.driver, FakeNamespace)
            self.kernel.destroy(self.driver)

    def send(self, *operations: Operation) -> tuple[Refusal, ...]:
        """Apply operations as one batch."""
        return self.table.apply(Batch(self.table.namespace, operations))

    def try_route(self, verb: Verb, words: str) -> tuple[int, str]:
        """One operation on the route that the words stand for: errno and message, (0, '')."""
        route = self.parse(words)
        return outcome(self.send(Operation(verb, route)))

    def try_rule(self, verb: Verb, words: str) -> tuple[int, str]:
        """One operation on a policy rule: errno and message, (0, '') where it was done."""
        return outcome(self.send(Operation(verb, text.parse_rule(words))))

    def parse(self, words: str) -> KernelRoute:
        """The route that the words stand for, with this namespace's interface indexes."""
        return text.parse_route(words, self.table.links())

    def shown(self, dst: str = "", table: int = 254) -> list[str]:
        """The routes of one destination ('': all of them) as text, in the table's order."""
        names = {link.ifindex: name for name, link in self.table.links().items()}
        wanted = text.parse_route(dst, {}).key.dst if dst else None
        return [
            text.show(route, names)
            for route in self.table.dump(table)
            if wanted in (None, route.key.dst)
        ]

    def rules(self) -> list[PolicyRule]:
        """The rules that the kernel did not make itself."""
        return [rule for rule in self.table.rules() if rule.protocol != text.PROTOCOLS["kernel"]]


def outcome(refusals: tuple[Refusal, ...]) -> tuple[int, str]:
    """What became of a single operation."""
    assert len(refusals) <= 1
    return (refusals[0].errno, refusals[0].message) if refusals else (0, "")


@contextmanager
def open_world(kind: str) -> Iterator[World]:
    """A fresh namespace of the kind; skips the test where there is no right to make a real one."""
    if kind == "fake":
        fake = FakeKernel()
        namespace = fake.make()
        yield World(namespace, fake, fake.open(namespace.descriptor), real=False)
        return
    if os.geteuid():
        pytest.skip("not root: no network namespace of the real kernel can be made")
    driver = RealWorld()
    kernel = NetlinkKernel()
    table = kernel.open(driver.descriptor)
    try:
        yield World(driver, kernel, table, real=True)
    finally:
        table.close()
        driver.close()
