"""Routes of every shape: written by ours and read by pyroute2 and `ip`, and the other way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from errno import EEXIST, ESRCH

import pytest

from cni_route.address import Address, Prefix
from cni_route.model import (
    SCOPE_LINK,
    Hop,
    KernelRoute,
    Key,
    key_of,
)
from cni_route.netlink.table import NetlinkKernel, NetlinkTable
from tests.kernel import oracle
from tests.kernel.namespaces import Namespace, needs_root, pod, until
from tests.kernel.sending import send

pytestmark = needs_root

TABLES = (254, 253, 100, 1000)
DST = key_of(Prefix.parse("10.5.0.0/16"))
DST6 = key_of(Prefix.parse("2001:db8:5::/48"))

# as `ip route add` takes them; the second list needs -6
SHAPES = (
    "10.5.0.0/16 dev eth0",
    "10.5.0.0/16 via 10.0.0.1",
    "10.5.0.0/16 via 172.31.0.1 dev eth0 onlink",
    "10.5.0.0/16 dev eth0 metric 100",
    "10.5.0.0/16 dev eth0 metric 4278190083",
    "10.5.0.0/16 dev eth0 mtu 1400",
    "10.5.0.0/16 dev eth0 mtu 1400 advmss 1300 hoplimit 9",
    "10.5.0.0/16 dev eth0 src 10.1.0.2",
    "10.5.0.0/16 dev eth0 tos 8",
    "10.5.0.0/16 dev eth0 scope global",
    "10.5.0.0/16 dev eth0 scope host",
    "10.5.0.0/16 dev eth0 realm 3/5",
    "10.5.0.0/16 dev eth0 table 1000",
    "10.5.0.0/16 dev eth0 table 100",
    "10.5.0.0/16 nexthop via 10.0.0.1 weight 3 nexthop via 10.1.0.1 dev eth1 weight 256",
    "10.5.0.0/16 nexthop via 172.31.0.1 dev eth0 onlink nexthop dev eth1",
    "10.5.0.0/16 nexthop via 10.0.0.1 realm 4 nexthop via 10.1.0.1 realm 3/9",
    "10.5.0.0/16 nexthop via inet6 2001:db8::9 dev eth0 nexthop via 10.1.0.1",
    "10.5.0.0/16 via inet6 2001:db8::9 dev eth0",
    "10.5.0.0/16 via inet6 fe80::9 dev eth0",
    "blackhole 10.5.0.0/16",
    "unreachable 10.5.0.0/16",
    "prohibit 10.5.0.0/16 metric 5",
    "throw 10.5.0.0/16",
    "10.5.0.0/16 dev eth0 proto 186",
    "10.5.0.0/16 encap ip id 100 dst 10.0.0.9 ttl 5 dev eth0",
    "10.5.0.0/16 nexthop encap ip id 100 dst 10.0.0.9 dev eth0 nexthop via 10.1.0.1",
    "default via 10.0.0.1",
    "0.0.0.0/1 dev eth0",
    "10.5.0.1 dev eth0",
)
SHAPES6 = (
    "2001:db8:5::/48 dev eth0",
    "2001:db8:5::/48 via 2001:db8::1",
    "2001:db8:5::/48 via fe80::1 dev eth0",
    "2001:db8:5::/48 via 2001:db8:77::1 dev eth0 onlink",
    "2001:db8:5::/48 dev eth0 metric 5",
    "2001:db8:5::/48 dev eth0 mtu 1400 hoplimit 9",
    "2001:db8:5::/48 dev eth0 src 2001:db8:1::2",
    "2001:db8:5::/48 nexthop via 2001:db8::1 weight 3 nexthop via 2001:db8:1::1 weight 5",
    "2001:db8:5::/48 dev eth0 pref high",
    "2001:db8:5::/48 dev eth0 pref low",
    "2001:db8:5::/48 dev eth0 table 1000",
    "2001:db8:5::/48 from 2001:db8:7::/48 dev eth0",
    "2001:db8:5::/48 encap ip6 id 5 dst 2001:db8::8 dev eth0",
    "2001:db8:5::/48 dev lo",
    "blackhole 2001:db8:5::/48",
    "unreachable 2001:db8:5::/48",
    "prohibit 2001:db8:5::/48",
    "throw 2001:db8:5::/48",
    "default via 2001:db8::1",
    "2001:db8:5::1 dev eth0",
)
ALL_SHAPES = [("-4", words) for words in SHAPES] + [("-6", words) for words in SHAPES6]
# what pyroute2 does not know
ONLY_IP = (
    "10.5.0.0/16 nhid 5",
    "10.5.0.0/16 nhid 7",
    "10.5.0.0/16 nhid 9 mtu 1300",
    "2001:db8:5::/48 nhid 17",
    "10.5.0.0/16 dev eth0 mtu lock 1400 initcwnd 20 rto_min 40ms quickack 1 features ecn",
    "10.5.0.0/16 dev eth0 congctl reno",
)


@pytest.fixture
def space() -> Iterator[Namespace]:
    """A pod with nexthop objects."""
    with pod() as made:
        made.batch(
            "nexthop add id 5 blackhole",
            "nexthop add id 7 via 10.0.0.1 dev eth0",
            "nexthop add id 8 via 10.1.0.1 dev eth1",
            "nexthop add id 9 group 7,3/8",
            "nexthop add id 17 via 2001:db8::1 dev eth0",
        )
        yield made


@pytest.fixture
def table(space: Namespace) -> Iterator[NetlinkTable]:
    """Its table."""
    with closing(NetlinkKernel().open(space.descriptor)) as opened:
        yield opened


def everything(table: NetlinkTable) -> set[KernelRoute]:
    return {route for number in TABLES for route in table.dump(number)}


def shown(space: Namespace) -> set[str]:
    """All routes in the words of `ip`."""
    return {
        line
        for family in ("-4", "-6")
        for number in TABLES
        for line in space.try_ip(f"{family} -N -d -o route show table {number}").stdout.splitlines()
    }


@pytest.mark.parametrize(("family", "words"), ALL_SHAPES, ids=lambda value: value)
def test_what_ip_writes_reads_as_pyroute2_reads_it_and_can_be_written_again(
    space: Namespace, table: NetlinkTable, family: str, words: str
) -> None:
    before, before_shown = everything(table), shown(space)
    space.ip(f"{family} route add {words}")
    by_ip = shown(space)
    (route,) = everything(table) - before
    assert route in oracle.read_routes(space, route.key.table)

    assert send(table, ("delete", route)) == ()
    assert shown(space) == before_shown
    assert send(table, ("delete", route))[0].errno == ESRCH

    assert send(table, ("add", route)) == ()
    assert shown(space) == by_ip
    assert everything(table) - before == {route}
    assert send(table, ("add", route))[0].errno == EEXIST
    assert send(table, ("replace", route)) == ()
    assert shown(space) == by_ip
    assert send(table, ("delete", route)) == ()
    assert shown(space) == before_shown


@pytest.mark.parametrize("words", ONLY_IP)
def test_rarities_can_be_taken_out_and_written_again(
    space: Namespace, table: NetlinkTable, words: str
) -> None:
    before = everything(table)
    space.ip(f"{'-6' if ':' in words else '-4'} route add {words}")
    by_ip = shown(space)
    (route,) = everything(table) - before
    assert send(table, ("delete", route), ("add", route)) == ()
    assert shown(space) == by_ip
    assert send(table, ("delete", route)) == ()


def plain_routes(space: Namespace) -> list[KernelRoute]:
    eth0, eth1 = space.index("eth0"), space.index("eth1")
    via, via1, via6 = (Address.parse(a) for a in ("10.0.0.1", "10.1.0.1", "2001:db8::1"))
    mtu = {"mtu": 1300, "metrics": ((8, (1200).to_bytes(4, "little")),)}
    return [
        KernelRoute(DST, (Hop(eth0),), scope=SCOPE_LINK),
        KernelRoute(DST, (Hop(eth0, via),)),
        KernelRoute(DST._replace(metric=7, tos=8), (Hop(eth0, via),), protocol=115),
        KernelRoute(DST._replace(table=1000), (Hop(eth1, via1),)),
        KernelRoute(DST, (Hop(eth0, Address.parse("172.31.0.1"), 1, True),)),
        KernelRoute(DST, (Hop(eth0, via, 2), Hop(eth1, via1, 200))),
        KernelRoute(DST, (Hop(eth0, via6),)),
        KernelRoute(DST, (Hop(eth1, via1),), src=Address.parse("10.0.0.2"), **mtu),
        KernelRoute(DST, (), type=6),
        KernelRoute(DST6, (Hop(eth0),)),
        KernelRoute(DST6, (Hop(eth0, via6),), mtu=1300),
        KernelRoute(DST6._replace(metric=5, table=1000), (Hop(eth1),), protocol=115),
        KernelRoute(DST6, (Hop(eth0, via6, 2), Hop(eth1, Address.parse("2001:db8:1::1"), 9))),
        KernelRoute(DST6, (Hop(eth0),), src=Address.parse("2001:db8::2")),
        KernelRoute(DST6, (), type=7),
    ]


def test_ours_and_pyroute2_write_the_same(space: Namespace, table: NetlinkTable) -> None:
    for route in plain_routes(space):
        before = everything(table)
        assert send(table, ("add", route)) == (), route
        by_us = shown(space)
        assert route in oracle.read_routes(space, route.key.table)
        assert everything(table) - before == {route}
        assert send(table, ("delete", route)) == (), route

        oracle.write_route(space, "add", route)
        assert shown(space) == by_us
        assert everything(table) - before == {route}
        assert send(table, ("delete", route)) == (), route


def test_every_verb_puts_a_route_in_its_place(space: Namespace, table: NetlinkTable) -> None:
    eth0 = space.index("eth0")
    first, second, third, fourth = (
        KernelRoute(DST, (Hop(eth0, Address.parse(f"10.0.0.{last}")),)) for last in (1, 3, 4, 5)
    )

    def under_key() -> list[KernelRoute]:
        return [route for route in table.dump() if route.key == DST]

    assert send(table, ("add", first), ("append", second), ("prepend", third)) == ()
    assert under_key() == [third, first, second]
    assert send(table, ("replace", fourth)) == ()
    assert under_key() == [fourth, first, second]
    assert send(table, ("delete", first)) == ()
    assert under_key() == [fourth, second]


def test_ipv6_append_merges_into_one_multipath(space: Namespace, table: NetlinkTable) -> None:
    eth0, eth1 = space.index("eth0"), space.index("eth1")
    hops = (Hop(eth0, Address.parse("2001:db8::1")), Hop(eth1, Address.parse("2001:db8:1::1")))
    one, two = (KernelRoute(DST6, (hop,)) for hop in hops)
    assert send(table, ("append", one), ("append", two)) == ()
    assert [route for route in table.dump() if route.key == DST6] == [KernelRoute(DST6, hops)]
    assert send(table, ("delete", KernelRoute(DST6, hops))) == ()


def test_a_delete_leaves_other_protocols_alone(space: Namespace, table: NetlinkTable) -> None:
    space.ip("route add 10.5.0.0/16 dev eth0 proto 17")
    space.ip("-6 route add 2001:db8:5::/48 dev eth0 proto 17")
    foreign = [route for route in table.dump() if route.protocol == 17]
    assert len(foreign) == 2
    for route in foreign:
        assert send(table, ("delete", route._replace(protocol=114)))[0].errno == ESRCH
    assert [route for route in table.dump() if route.protocol == 17] == foreign


@pytest.mark.parametrize("reverse", [False, True])
def test_a_delete_takes_no_sibling(space: Namespace, table: NetlinkTable, reverse: bool) -> None:
    eth0 = space.index("eth0")
    via6, other6 = Address.parse("2001:db8::1"), Address.parse("2001:db8::9")
    siblings = [
        KernelRoute(DST, (Hop(eth0),), scope=SCOPE_LINK),
        KernelRoute(DST, (Hop(eth0),), scope=SCOPE_LINK, mtu=1300),
        KernelRoute(DST, (Hop(eth0, Address.parse("10.0.0.1")),)),
        KernelRoute(DST6, (Hop(eth0),)),
        KernelRoute(DST6, (Hop(eth0, via6), Hop(eth0, other6))),
        KernelRoute(DST6, (), type=6),
    ]
    order = siblings[::-1] if reverse else siblings
    assert send(table, *(("append", route) for route in order)) == ()
    left = set(siblings)
    for route in siblings:
        assert send(table, ("delete", route)) == ()
        left.remove(route)
        assert {found for found in table.dump() if found.key in (DST, DST6)} == left
        assert send(table, ("delete", route))[0].errno == ESRCH


def test_transient_routes_are_told_apart(space: Namespace, table: NetlinkTable) -> None:
    space.ip("-6 route add 2001:db8:5::1 dev eth0 expires 300")
    space.ip("-6 route add 2001:db8:5::2 via fe80::1 dev eth0 proto ra")
    space.ip("-6 route add 2001:db8:5::3 dev eth0")
    found = {str(r.key.dst.address): r.transient for r in table.dump()}
    assert found["2001:db8:5::1"]
    assert found["2001:db8:5::2"]
    assert not found["2001:db8:5::3"]
    assert not found["2001:db8::"], "a subnet that the kernel made of an address"


def test_what_the_kernel_keeps_for_itself_is_left_out(
    space: Namespace, table: NetlinkTable
) -> None:
    before = everything(table)
    space.batch(
        "route add local 10.5.0.1 dev lo table main",
        "route add broadcast 10.5.0.255 dev eth0 table main",
        "route add local 2001:db8:5::1 dev lo table main",
    )
    space.ip("-6 route add anycast 2001:db8:5::2 dev eth0 table main")
    assert everything(table) == before
    assert table.dump(255) == ()


def test_a_table_is_dumped_alone_and_a_missing_one_is_empty(
    space: Namespace, table: NetlinkTable
) -> None:
    eth0 = space.index("eth0")
    route = KernelRoute(Key(DST.dst, 0, 0, 77000), (Hop(eth0),), scope=SCOPE_LINK)
    assert table.dump(77000) == ()
    assert send(table, ("add", route)) == ()
    assert table.dump(77000) == (route,)
    assert route not in table.dump()
    assert send(table, ("delete", route)) == ()
    assert table.dump(77000) == ()


def test_a_dead_next_hop_is_the_same_next_hop(space: Namespace, table: NetlinkTable) -> None:
    hops = (
        Hop(space.index("eth0"), Address.parse("10.0.0.1")),
        Hop(space.index("eth1"), Address.parse("10.1.0.1")),
    )
    route = KernelRoute(DST, hops)
    assert send(table, ("add", route)) == ()
    space.ip("link set p1 down")
    until(lambda: "linkdown" in space.ip("route show 10.5.0.0/16"), "the carrier's loss is seen")
    assert route in table.dump()
    space.ip("link set eth1 down")
    assert "dead" in space.ip("route show 10.5.0.0/16")
    assert route in table.dump()
