"""Routes in numbers, and the way to send them."""

from __future__ import annotations

from cni_route.address import AF_INET, Address, Prefix
from cni_route.kernel import Table
from cni_route.model import (
    SCOPE_LINK,
    Batch,
    Hop,
    KernelRoute,
    Operation,
    PolicyRule,
    Refusal,
    Verb,
    key_of,
)


def send(table: Table, *steps: tuple[Verb, KernelRoute | PolicyRule]) -> tuple[Refusal, ...]:
    """Apply operations; what was refused."""
    operations = tuple(Operation(verb, subject) for verb, subject in steps)
    return table.apply(Batch(table.namespace, operations))


def direct(index: int, number: int, family: int = AF_INET) -> KernelRoute:
    """One of many routes to a device."""
    packed = number.to_bytes(2, "big")
    if family == AF_INET:
        prefix = Prefix(Address(b"\x0b" + packed + b"\0"), 24)
        return KernelRoute(key_of(prefix), (Hop(index),), scope=SCOPE_LINK)
    prefix = Prefix(Address(b"\xfd\0" + packed + bytes(12)), 64)
    return KernelRoute(key_of(prefix), (Hop(index),))


def fill(table: Table, index: int, family: int, count: int) -> set[KernelRoute]:
    """Write many routes; which those were."""
    routes = [direct(index, number, family) for number in range(count)]
    assert send(table, *(("add", route) for route in routes)) == ()
    return set(routes)
