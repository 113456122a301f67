"""Batches on the real kernel: long ones, refusals and their words, lost replies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from errno import EEXIST, EINVAL, ENETUNREACH, ENOBUFS, ENODEV, ENOENT, ESRCH

import pytest

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.kernel import ForeignBatch
from cni_route.model import (
    Batch,
    Hop,
    KernelRoute,
    Operation,
    PolicyRule,
    Refusal,
    Verb,
    key_of,
)
from cni_route.netlink import channel
from cni_route.netlink.enter import open_socket
from cni_route.netlink.layout import RTM_GETROUTE
from cni_route.netlink.routes import encode_dump_request
from cni_route.netlink.table import NetlinkKernel, NetlinkTable
from cni_route.netlink.wire import HEADER, REQUEST
from tests.kernel.namespaces import Namespace, bare, needs_root, pod
from tests.kernel.sending import direct, send

pytestmark = needs_root

MANY = 10_000


@pytest.fixture
def space() -> Iterator[Namespace]:
    with pod() as made:
        yield made


@pytest.fixture
def table(space: Namespace) -> Iterator[NetlinkTable]:
    with closing(NetlinkKernel().open(space.descriptor)) as opened:
        yield opened


def test_refusals_come_in_their_order_with_the_kernels_words(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    good = direct(eth0, 1)
    unreachable = direct(eth0, 2)._replace(hops=(Hop(eth0, Address.parse("10.77.0.1")),), scope=0)
    no_device = direct(999, 3)
    source = direct(eth0, 4)._replace(src=Address.parse("10.77.0.9"))
    rule = PolicyRule(AF_INET, 20000, 100, Prefix.parse("10.0.0.2"), 114)
    refused = send(
        table,
        ("delete", good),
        ("add", good),
        ("add", good),
        ("add", unreachable),
        ("add", no_device),
        ("add", rule),
        ("delete", rule),
        ("delete", rule),
        ("replace", source),
    )
    assert [(r.operation.verb, r.operation.subject, r.errno) for r in refused] == [
        ("delete", good, ESRCH),
        ("add", good, EEXIST),
        ("add", unreachable, ENETUNREACH),
        ("add", no_device, ENODEV),
        ("delete", rule, ENOENT),
        ("replace", source, EINVAL),
    ]
    assert refused[2].message == "Nexthop has invalid gateway"
    assert refused[5].message == "Invalid prefsrc address"
    assert good in table.dump()


def test_one_refused_operation_alone_has_the_kernels_words(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    route = KernelRoute(
        key_of(Prefix.parse("10.5.0.0/16")), (Hop(eth0, Address.parse("10.8.0.1")),)
    )
    assert send(table, ("add", route)) == (
        Refusal(Operation("add", route), ENETUNREACH, "Nexthop has invalid gateway"),
    )


def test_what_no_message_can_say_is_refused_and_the_rest_done(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    first, last = direct(eth0, 1), direct(eth0, 5)
    too_heavy = direct(eth0, 2)._replace(hops=(Hop(eth0), Hop(eth0, None, 300)))
    negative = direct(eth0, 3)._replace(mtu=-1)
    hops = tuple(Hop(eth0, Address.parse("10.0.0.1")) for _ in range(9000))
    too_long = direct(eth0, 4)._replace(hops=hops)
    too_much = direct(eth0, 6)._replace(extra=tuple((kind, bytes(60_000)) for kind in (97, 98, 99)))
    rule = PolicyRule(AF_INET, 1 << 40, 100)
    refused = send(
        table,
        ("delete", first),
        ("add", too_heavy),
        ("add", first),
        ("add", too_much),
        ("add", negative),
        ("add", too_long),
        ("replace", PolicyRule(AF_INET, 500, 100)),
        ("add", rule),
        ("add", last),
        ("add", last),
    )
    assert [r.errno for r in refused] == [ESRCH, *[EINVAL] * 6, EEXIST]
    assert all(r.message for r in refused[1:7])
    assert {first, last} <= set(table.dump())
    assert send(table, ("add", too_heavy))[0].errno == EINVAL, "nothing else to send"
    assert send(table) == ()


def test_a_batch_for_another_namespace_is_not_sent(space: Namespace, table: NetlinkTable) -> None:
    route = direct(space.index("eth0"), 1)
    with bare() as other, closing(NetlinkKernel().open(other.descriptor)) as others:
        with pytest.raises(ForeignBatch):
            table.apply(Batch(others.namespace, (Operation("add", route),)))
        with pytest.raises(ForeignBatch):
            others.apply(Batch(table.namespace, ()))
    assert route not in table.dump()


@pytest.mark.parametrize("family", [AF_INET, AF_INET6])
def test_ten_thousand_routes_in_one_batch(
    space: Namespace, table: NetlinkTable, family: int
) -> None:
    eth0 = space.index("eth0")
    routes = [direct(eth0, number, family) for number in range(MANY)]
    before = table.dump()
    assert send(table, *(("add", route) for route in routes)) == ()
    assert set(table.dump()) == set(before) | set(routes)
    assert len(table.dump()) == len(before) + MANY
    every_third = routes[::3]
    refused = send(table, *(("add", route) for route in every_third))
    assert [r.operation.subject for r in refused] == every_third
    assert {r.errno for r in refused} == {EEXIST}
    mixed: list[tuple[Verb, KernelRoute]] = [
        ("delete" if number % 2 else "add", route) for number, route in enumerate(routes)
    ]
    refused = send(table, *mixed)
    assert [r.operation.subject for r in refused] == routes[::2]
    assert set(table.dump()) == set(before) | set(routes[::2])


def test_a_batch_of_long_messages_is_cut_by_bytes(space: Namespace, table: NetlinkTable) -> None:
    eth0 = space.index("eth0")
    hops = tuple(
        Hop(eth0, Address(b"\x0a\0\0" + bytes((3 + number % 200,)))) for number in range(200)
    )
    routes = [direct(eth0, number)._replace(hops=hops, scope=0) for number in range(400)]
    assert send(table, *(("add", route) for route in routes)) == ()
    assert set(routes) <= set(table.dump())


# ---------------------------------------------------------------- overflow and interruption


def test_lost_replies_are_enobufs_and_the_table_goes_on(
    space: Namespace, table: NetlinkTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "BUFFER_BYTES", 1)  # the kernel makes 2 KB of it
    eth0 = space.index("eth0")
    missing = [direct(eth0, number) for number in range(4000)]
    good = direct(eth0, 5000)
    with pytest.raises(OSError, match=str(ENOBUFS)) as raised:
        send(table, *(("delete", route) for route in missing))
    assert raised.value.errno == ENOBUFS
    assert send(table, ("add", good)) == ()
    with pytest.raises(OSError, match=str(ENOBUFS)):
        send(table, *(("delete", route) for route in missing))
    assert good in table.dump()
    assert send(table, ("add", good))[0].errno == EEXIST
    assert "eth0" in table.links()


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "RECEIVE_SECONDS", 1)
    with closing(channel.Channel(open_socket(space.descriptor))) as asking:
        # the kernel says nothing to a message that is shorter than it claims
        with pytest.raises(TimeoutError):
            asking.transact([HEADER.pack(100, 24, REQUEST, asking.reserve(1), 0)])
        assert list(asking.dump(RTM_GETROUTE, encode_dump_request(254)))
