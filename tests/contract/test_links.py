"""What links and addresses do to routes, mostly without a word."""

from __future__ import annotations

from tests.contract.worlds import World

GATEWAYED = "10.9.0.0/16 via 10.2.0.1 dev eth1 proto 114"
DIRECT = "10.8.0.0/16 dev eth1 proto 114 scope link"
OTHER = "10.7.0.0/16 via 10.1.0.1 dev eth0 proto 114"
SIX = "2001:db8:9::/48 via 2001:db8:2::1 dev eth1 proto 114 metric 1024"
CONNECTED0 = "10.1.0.0/24 dev eth0 proto kernel scope link src 10.1.0.2"
CONNECTED1 = "10.2.0.0/24 dev eth1 proto kernel scope link src 10.2.0.2"
CONNECTED6 = [
    "2001:db8:1::/64 dev eth0 proto kernel metric 256",
    "2001:db8:2::/64 dev eth1 proto kernel metric 256",
]
LINK_LOCAL = [f"fe80::/64 dev eth{n} proto kernel metric 256" for n in (0, 1)]


def add(world: World, *routes: str) -> None:
    for words in routes:
        assert world.try_route("add", words) == (0, "")


def only(world: World, *expected: str) -> None:
    """The table holds these and nothing else."""
    assert sorted(world.shown()) == sorted(expected)


def test_a_new_pod(world: World) -> None:
    only(world, CONNECTED0, CONNECTED1, *CONNECTED6, *LINK_LOCAL)
    links = world.table.links()
    assert list(links) == ["lo", "eth0", "eth1"]
    assert links["lo"].loopback
    eth0 = links["eth0"]
    assert (eth0.up, eth0.carrier, eth0.loopback) == (True, True, False)
    texts = [f"{a.address}/{a.length}" for a in eth0.addresses]
    assert texts[:2] == ["10.1.0.2/24", "2001:db8:1::2/64"]
    assert texts[2].startswith("fe80::")


def test_down_takes_the_links_routes_and_its_ipv6_addresses(world: World) -> None:
    add(world, GATEWAYED, DIRECT, OTHER, SIX)
    world.driver.set_down("eth1")
    only(world, CONNECTED0, OTHER, CONNECTED6[0], LINK_LOCAL[0])
    eth1 = world.table.links()["eth1"]
    assert (eth1.up, eth1.carrier) == (False, False)
    assert [str(a.address) for a in eth1.addresses] == ["10.2.0.2"]


def test_up_brings_back_only_what_the_kernel_makes_itself(world: World) -> None:
    """The IPv6 addresses are gone for good, so their network is too."""
    add(world, GATEWAYED, DIRECT, SIX)
    world.driver.set_down("eth1")
    world.driver.set_up("eth1")
    only(world, CONNECTED0, CONNECTED1, CONNECTED6[0], *LINK_LOCAL)


def test_down_leaves_a_multipath_as_long_as_a_hop_lives(world: World) -> None:
    both4 = "10.9.0.0/16 proto 114 nexthop via 10.1.0.1 dev eth0 nexthop via 10.2.0.1 dev eth1"
    both6 = (
        "2001:db8:9::/48 proto 114 metric 1024"
        " nexthop via 2001:db8:1::1 dev eth0 nexthop via 2001:db8:2::1 dev eth1"
    )
    add(world, both4, both6)
    world.driver.set_down("eth1")
    assert both4 in world.shown()
    assert both6 in world.shown()
    world.driver.set_down("eth0")
    assert world.shown() == []


def test_a_link_that_is_removed_takes_an_ipv4_multipath_whole(world: World) -> None:
    """And of an IPv6 one only its own hops."""
    add(
        world,
        "10.9.0.0/16 proto 114 nexthop via 10.1.0.1 dev eth0 nexthop via 10.2.0.1 dev eth1",
        "2001:db8:9::/48 nexthop via 2001:db8:1::1 dev eth0 nexthop via 2001:db8:2::1 dev eth1",
    )
    world.driver.remove_link("eth1")
    left = "2001:db8:9::/48 via 2001:db8:1::1 dev eth0 proto boot metric 1024"
    only(world, CONNECTED0, left, CONNECTED6[0], LINK_LOCAL[0])


def test_a_link_that_comes_again_has_a_new_index(world: World) -> None:
    add(world, GATEWAYED)
    before = world.table.links()["eth1"].ifindex
    world.driver.remove_link("eth1")
    assert "eth1" not in world.table.links()
    world.driver.add_link("eth1", "10.2.0.2/24")
    assert world.table.links()["eth1"].ifindex > before
    only(world, CONNECTED0, CONNECTED1, CONNECTED6[0], *LINK_LOCAL)


def test_a_lost_carrier_takes_no_routes(world: World) -> None:
    add(world, GATEWAYED, SIX)
    before = world.shown()
    world.driver.set_carrier("eth1", False)
    eth1 = world.table.links()["eth1"]
    assert (eth1.up, eth1.carrier) == (True, False)
    assert world.shown() == before
    assert world.try_route("add", DIRECT) == (0, "")
    world.driver.set_carrier("eth1", True)
    assert world.table.links()["eth1"].carrier
    assert world.shown() == sorted([*before, DIRECT], key=world.shown().index)


def test_a_link_without_carrier_has_no_link_local_address(bare: World) -> None:
    bare.driver.add_link("eth0", up=False)
    bare.driver.set_carrier("eth0", False)
    bare.driver.set_up("eth0")
    bare.driver.add_address("eth0", "2001:db8:1::2/64")
    assert bare.shown() == ["2001:db8:1::/64 dev eth0 proto kernel metric 256"]
    bare.driver.set_carrier("eth0", True)
    assert LINK_LOCAL[0] in bare.shown()


# ---------------------------------------------------------------- addresses


def test_the_last_ipv4_address_takes_all_the_links_ipv4_routes(world: World) -> None:
    add(world, GATEWAYED, DIRECT, OTHER, SIX)
    world.driver.add_address("eth1", "10.3.0.2/24")
    world.driver.remove_address("eth1", "10.2.0.2/24")
    assert {GATEWAYED, DIRECT} < set(world.shown())
    world.driver.remove_address("eth1", "10.3.0.2/24")
    only(world, CONNECTED0, OTHER, SIX, *CONNECTED6, *LINK_LOCAL)


def test_an_ipv4_address_takes_the_routes_that_prefer_it(world: World) -> None:
    """On whatever link, and in main alone."""
    world.driver.add_address("eth0", "10.3.0.2/24")
    preferring = "10.9.0.0/16 via 10.2.0.1 dev eth1 proto 114 src 10.3.0.2"
    add(world, preferring, f"{preferring} table 1000")
    world.driver.remove_address("eth0", "10.3.0.2/24")
    assert preferring not in world.shown()
    assert world.shown(table=1000) == [preferring]


def test_an_ipv6_address_leaves_the_routes_that_prefer_it_without_a_source(world: World) -> None:
    world.driver.add_address("eth0", "2001:db8:3::2/64")
    add(world, f"{SIX} src 2001:db8:3::2")
    world.driver.remove_address("eth0", "2001:db8:3::2/64")
    assert SIX in world.shown()


def test_ipv6_addresses_lost_with_their_link_stay_in_other_links_routes(world: World) -> None:
    words = f"{SIX} src 2001:db8:1::2"
    add(world, words)
    world.driver.set_down("eth0")
    assert words in world.shown()


def test_the_last_ipv6_address_takes_only_its_network(world: World) -> None:
    add(world, SIX)
    world.driver.remove_address("eth1", "2001:db8:2::2/64")
    assert SIX in world.shown()
    assert CONNECTED6[1] not in world.shown()


def test_secondary_addresses_go_with_their_primary(world: World) -> None:
    world.driver.add_address("eth0", "10.1.0.3/24")
    only(world, CONNECTED0, CONNECTED1, *CONNECTED6, *LINK_LOCAL)
    world.driver.remove_address("eth0", "10.1.0.2/24")
    assert all(len(a.address) == 16 for a in world.table.links()["eth0"].addresses)
    only(world, CONNECTED1, *CONNECTED6, *LINK_LOCAL)


def test_a_host_address_has_no_network(bare: World) -> None:
    bare.driver.add_link("eth0", "10.1.0.2/32", "2001:db8:1::2/128")
    assert bare.shown() == [
        "2001:db8:1::2/128 dev eth0 proto kernel metric 256",
        LINK_LOCAL[0],
    ]


def test_addresses_that_come_while_the_link_is_down(bare: World) -> None:
    bare.driver.add_link("eth0", "10.1.0.2/24", "2001:db8:1::2/64", up=False)
    assert bare.shown() == []
    bare.driver.set_up("eth0")
    only(bare, CONNECTED0, CONNECTED6[0], LINK_LOCAL[0])


# ---------------------------------------------------------------- nexthop objects


def test_routes_by_nexthop_objects(world: World) -> None:
    world.driver.nexthop("id 7 via 10.2.0.1 dev eth1")
    world.driver.nexthop("id 8 via 2001:db8:2::1 dev eth1")
    four, six = "10.9.0.0/16 nhid 7 proto 114", "2001:db8:9::/48 nhid 8 proto 114 metric 1024"
    add(world, four, six)
    assert {four, six} < set(world.shown())
    hops = {r.nexthop_id: r.hops for r in world.table.dump() if r.nexthop_id}
    assert [str(hop.via) for hop in hops[7]] == ["10.2.0.1"]
    assert world.try_route("delete", "10.9.0.0/16 via 10.2.0.1 dev eth1 proto 114")[0]
    assert world.try_route("delete", four) == (0, "")
    world.driver.remove_nexthop(8)
    assert six not in world.shown()


def test_a_lost_carrier_takes_nexthop_objects_and_their_routes(world: World) -> None:
    world.driver.nexthop("id 7 via 10.2.0.1 dev eth1")
    add(world, "10.9.0.0/16 nhid 7 proto 114", GATEWAYED.replace("10.9", "10.6"))
    world.driver.set_carrier("eth1", False)
    assert [words for words in world.shown() if "114" in words] == [
        GATEWAYED.replace("10.9", "10.6")
    ]


def test_the_last_ipv4_address_leaves_routes_by_nexthop_objects(world: World) -> None:
    world.driver.nexthop("id 7 via 10.2.0.1 dev eth1")
    add(world, "10.9.0.0/16 nhid 7 proto 114", DIRECT)
    world.driver.remove_address("eth1", "10.2.0.2/24")
    assert [words for words in world.shown() if "114" in words] == ["10.9.0.0/16 nhid 7 proto 114"]
