"""IPv6 routes: kinds, siblings and what each verb does to them; deletes; refusals.

Gatewayed routes of one key are siblings and shown as one multipath. Each keeps its own protocol,
source and MTU, but only those of the first are shown.
"""

from __future__ import annotations

from errno import EEXIST, EHOSTUNREACH, EINVAL, ENETDOWN, ENODEV, ESRCH

import pytest

from cni_route.model import Operation
from tests.contract.worlds import World

DST = "2001:db8:9::/48"
M = "metric 1024"
VIA0 = f"{DST} via 2001:db8:1::1 dev eth0 proto boot {M}"
VIA1 = f"{DST} via 2001:db8:2::1 dev eth1 proto 114 {M}"
DEV0 = f"{DST} dev eth0 proto boot {M}"
DEV1 = f"{DST} dev eth1 proto 114 {M}"
HOP0 = "nexthop via 2001:db8:1::1 dev eth0"
HOP1 = "nexthop via 2001:db8:2::1 dev eth1"


def done(world: World, verb: str, words: str) -> None:
    assert world.try_route(verb, words) == (0, "")  # type: ignore[arg-type]


# ---------------------------------------------------------------- the verbs


def test_no_metric_is_1024(world: World) -> None:
    done(world, "add", f"{DST} dev eth1 proto 114")
    assert world.shown(DST) == [DEV1]


@pytest.mark.parametrize("present", [VIA0, DEV0, f"blackhole {DST} {M}"])
def test_add_is_refused_where_the_key_exists(world: World, present: str) -> None:
    done(world, "add", present)
    assert world.try_route("add", VIA1)[0] == EEXIST
    assert world.try_route("add", DEV1)[0] == EEXIST


@pytest.mark.parametrize("verb", ["append", "prepend"])
def test_a_second_gateway_merges_behind_the_first(world: World, verb: str) -> None:
    """There is no before, and the foreign route takes our hop in under its own protocol."""
    done(world, "add", VIA0)
    done(world, verb, VIA1)
    assert world.shown(DST) == [f"{DST} proto boot {M} {HOP0} {HOP1}"]


@pytest.mark.parametrize("verb", ["append", "prepend"])
def test_without_a_gateway_each_stays_by_itself(world: World, verb: str) -> None:
    done(world, "add", DEV0)
    done(world, verb, DEV1)
    assert world.shown(DST) == [DEV0, DEV1]


@pytest.mark.parametrize("verb", ["append", "prepend"])
def test_the_same_hop_twice_is_refused_whatever_else_differs(world: World, verb: str) -> None:
    done(world, "add", DEV0)
    done(world, "append", VIA1)
    for words in (f"{DST} dev eth0 proto 114 mtu 1400", f"{VIA1} src 2001:db8:1::2"):
        assert world.try_route(verb, words)[0] == EEXIST  # type: ignore[arg-type]
    done(world, verb, f"{DST} via 2001:db8:1::1 dev eth0 proto 114")


def test_replace_hits_the_first_of_its_kind(world: World) -> None:
    done(world, "add", DEV0)
    done(world, "append", VIA0)
    done(world, "replace", VIA1)
    assert world.shown(DST) == [DEV0, VIA1]
    done(world, "replace", DEV1)
    assert world.shown(DST) == [DEV1, VIA1]


@pytest.mark.parametrize(("present", "new"), [(DEV0, VIA1), (VIA0, DEV1)])
def test_replace_hits_the_other_kind_where_there_is_none_of_its_own(
    world: World, present: str, new: str
) -> None:
    done(world, "add", present)
    done(world, "replace", new)
    assert world.shown(DST) == [new]


@pytest.mark.parametrize("new", [f"{DST} via 2001:db8:2::9 dev eth1 proto 114 {M}", DEV1])
def test_replace_takes_a_multipath_whole(world: World, new: str) -> None:
    done(world, "add", f"{DST} {HOP0} {HOP1}")
    done(world, "replace", new)
    assert world.shown(DST) == [new]


def test_replace_by_the_same_does_nothing_to_the_table(world: World) -> None:
    done(world, "add", VIA1)
    done(world, "replace", VIA1)
    assert world.shown(DST) == [VIA1]


def test_a_types_route_is_of_the_kind_without_a_gateway(world: World) -> None:
    done(world, "add", VIA0)
    done(world, "append", f"blackhole {DST} {M}")
    done(world, "replace", DEV1)
    assert world.shown(DST) == [VIA0, DEV1]


def test_a_route_between_two_siblings_is_not_shown(world: World) -> None:
    """The kernel's way: after a multipath a dump goes on behind its last hop."""
    done(world, "add", VIA0)
    done(world, "append", DEV1)
    done(world, "append", VIA1)
    assert world.shown(DST) == [f"{DST} proto boot {M} {HOP0} {HOP1}"]
    done(world, "delete", VIA0)
    assert world.shown(DST) == [DEV1, VIA1]


# ---------------------------------------------------------------- deletes


def test_delete_takes_one_hop_by_its_own_protocol(world: World) -> None:
    done(world, "add", VIA0)
    done(world, "append", VIA1)
    assert world.try_route("delete", VIA1.replace("114", "115"))[0] == ESRCH
    done(world, "delete", VIA1)
    assert world.shown(DST) == [VIA0]


def test_delete_without_a_gateway_leaves_gatewayed_ones_alone(world: World) -> None:
    done(world, "add", VIA1)
    assert world.try_route("delete", DEV1)[0] == ESRCH
    done(world, "append", DEV1)
    done(world, "delete", DEV1)
    assert world.shown(DST) == [VIA1]


def test_delete_of_a_multipath_takes_each_hop_that_is_there(world: World) -> None:
    done(world, "add", f"{DST} proto 114 {HOP0} {HOP1}")
    done(world, "append", f"{DST} via 2001:db8:2::9 dev eth1 proto 114")
    done(world, "delete", f"{DST} proto 114 {M} {HOP0} {HOP1}")
    assert world.shown(DST) == [f"{DST} via 2001:db8:2::9 dev eth1 proto 114 {M}"]


@pytest.mark.parametrize(
    "other",
    [
        f"{DST} via 2001:db8:2::1 dev eth1 proto 115 {M}",
        f"{DST} via 2001:db8:2::9 dev eth1 proto 114 {M}",
        f"{DST} via 2001:db8:2::1 dev eth0 proto 114 {M}",
        f"{DST} via 2001:db8:2::1 dev eth1 proto 114 metric 5",
        f"{DST} dev eth1 proto 114 {M}",
        f"blackhole {DST} proto 114 {M}",
    ],
)
def test_delete_of_another_route_is_refused(world: World, other: str) -> None:
    done(world, "add", VIA1)
    assert world.try_route("delete", other)[0] == ESRCH
    assert world.shown(DST) == [VIA1]


@pytest.mark.parametrize("there", [f"{VIA1} mtu 1400", f"{VIA1} src 2001:db8:1::2"])
def test_delete_does_not_look_at_mtu_or_source(world: World, there: str) -> None:
    done(world, "add", there)
    done(world, "delete", VIA1)
    assert world.shown(DST) == []


def test_delete_with_a_source_prefix(world: World) -> None:
    """The kernel forgets the prefix where no route to the destination has one."""
    sourced = VIA1.replace(" via", " from 2001:db8:1::/64 via")
    done(world, "add", VIA1)
    done(world, "add", sourced)
    assert world.try_route("delete", sourced.replace(":1::/64", ":7::/64"))[0] == ESRCH
    done(world, "delete", sourced)
    assert world.shown(DST) == [VIA1]
    done(world, "delete", sourced)
    assert world.shown(DST) == []


def test_delete_does_not_look_at_the_type(world: World) -> None:
    done(world, "add", f"unreachable {DST} proto 114 {M}")
    done(world, "delete", f"blackhole {DST} proto 114 {M}")
    assert world.shown(DST) == []


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    "words",
    [
        f"{DST} dev eth1 proto 114 metric 1",
        f"{DST} via 2001:db8:77::1 dev eth1 onlink proto 114 {M}",
        f"{DST} via fe80::1 dev eth1 proto 114 {M}",
        f"{DST} via 2001:db8:2::1 dev eth1 proto 114 metric 4278452227 src 2001:db8:1::2 mtu 1400",
        f"{DST} proto 114 {M} nexthop via fe80::1 dev eth0 weight 5 nexthop via fe80::1 dev eth1",
        f"{DST} from 2001:db8:1::/64 via 2001:db8:2::1 dev eth1 proto 114 {M}",
        f"blackhole {DST} proto 114 {M}",
        f"unreachable {DST} proto 114 {M}",
        f"prohibit {DST} proto 114 {M}",
        f"throw {DST} proto 114 {M}",
        f"default6 via 2001:db8:2::1 dev eth1 proto 114 {M}",
        f"2001:db8:9::1/128 dev eth1 proto 114 {M}",
    ],
)
def test_what_is_written_is_what_is_shown(world: World, words: str) -> None:
    before = world.shown()
    route = world.parse(words)
    assert world.send(Operation("add", route)) == ()
    assert route in world.table.dump()
    assert words in world.shown()
    assert world.send(Operation("delete", route)) == ()
    assert world.shown() == before


def test_one_with_a_source_prefix_has_a_key_of_its_own(world: World) -> None:
    sourced = f"{DST} from 2001:db8:1::/64 via 2001:db8:1::1 dev eth0 proto 114 {M}"
    done(world, "add", VIA1)
    done(world, "add", sourced)
    assert sorted(world.shown(DST)) == sorted([VIA1, sourced])


def test_one_with_a_source_prefix_hides_the_others_from_look_ups(world: World) -> None:
    """As the look-up for a gateway shows, which has no source."""
    world.driver.route("2001:db8:1::/64 from 2001:db8:5::/64 dev eth0")
    assert world.try_route("add", VIA0)[0] == EHOSTUNREACH
    world.driver.route("2001:db8:1::/64 from 2001:db8:5::/64 dev eth0", "delete")
    done(world, "add", VIA0)


def test_one_that_expires_is_transient(world: World) -> None:
    world.driver.route(f"{DST} dev eth0 expires 1000")
    assert [route.transient for route in world.table.dump() if str(route.key.dst) == DST] == [True]


# ---------------------------------------------------------------- refusals

LOCAL = "Gateway can not be a local address"
BARE = "Device only routes can not be added for IPv6 using the multipath API."
MISMATCH = "Nexthop has invalid gateway or device mismatch"


@pytest.mark.parametrize(
    ("words", "errno", "message"),
    [
        (f"{DST} via 2001:db8:77::1 dev eth1", EHOSTUNREACH, ""),
        (f"{DST} via 2001:db8:1::1 dev eth1", EHOSTUNREACH, ""),
        (f"{DST} via 2001:db8:1::2 dev eth0", EINVAL, LOCAL),
        (f"{DST} via 2001:db8:1::2 dev eth1 onlink", EINVAL, LOCAL),
        (f"{DST} via 2001:db8:1::1 dev eth1 onlink", EINVAL, MISMATCH),
        (f"{DST} via 2001:db8:2::1 dev eth1 src 2001:db8:3::3", EINVAL, "Invalid source address"),
        (f"{DST} nexthop dev eth0 {HOP1}", EINVAL, BARE),
        (f"{DST} {HOP0} {HOP0}", EEXIST, ""),
        (f"{DST} {HOP0} nexthop via 2001:db8:77::1 dev eth1", EHOSTUNREACH, ""),
        (f"{DST} nhid 77", EINVAL, "Nexthop id does not exist"),
    ],
)
@pytest.mark.parametrize("verb", ["add", "append", "prepend", "replace"])
def test_a_route_that_cannot_be(
    world: World, verb: str, words: str, errno: int, message: str
) -> None:
    done(world, "add", VIA0)
    refused = world.try_route(verb, words)  # type: ignore[arg-type]
    assert refused[0] == errno
    assert refused[1].rstrip(".") in (message.rstrip("."), "")
    assert world.shown(DST) == [VIA0]


def test_no_such_device(world: World) -> None:
    route = world.parse(VIA1)
    gone = route._replace(hops=(route.hops[0]._replace(dev=99),))
    assert [r.errno for r in world.send(Operation("add", gone))] == [ENODEV]


def test_a_link_that_is_down(world: World) -> None:
    world.driver.set_down("eth1")
    for words in (DEV1, f"{DST} via fe80::1 dev eth1", f"{VIA1} onlink"):
        assert world.try_route("add", words) == (ENETDOWN, "Nexthop device is not up")
    assert world.try_route("add", VIA1)[0] == EHOSTUNREACH


def test_a_gateway_that_is_reached_by_another_gateway_is_refused(world: World) -> None:
    done(world, "add", VIA1)
    beyond = "2001:db8:a::/48 via 2001:db8:9::1 dev eth1 proto 114"
    assert world.try_route("add", beyond)[0] == EHOSTUNREACH
    done(world, "append", "2001:db8:9::1/128 dev eth1 proto 114")
    done(world, "add", beyond)
