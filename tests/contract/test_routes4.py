"""IPv4 routes: what each verb does under a key, what a delete takes, what is refused."""

from __future__ import annotations

from errno import EEXIST, EINVAL, ENETDOWN, ENETUNREACH, ENODEV, ESRCH

import pytest

from cni_route.model import Operation
from tests.contract.worlds import World

DST = "10.9.0.0/16"
FOREIGN = f"{DST} via 10.1.0.1 dev eth0 proto boot"
OURS = f"{DST} via 10.2.0.1 dev eth1 proto 114"
THIRD = f"{DST} via 10.1.0.9 dev eth0 proto 115"


def done(world: World, verb: str, words: str) -> None:
    assert world.try_route(verb, words) == (0, "")  # type: ignore[arg-type]


# ---------------------------------------------------------------- the verbs


def test_add_is_refused_where_the_key_exists(world: World) -> None:
    done(world, "add", FOREIGN)
    assert world.try_route("add", OURS)[0] == EEXIST
    assert world.shown(DST) == [FOREIGN]


def test_append_goes_behind_and_prepend_before(world: World) -> None:
    done(world, "add", FOREIGN)
    done(world, "append", OURS)
    done(world, "prepend", THIRD)
    assert world.shown(DST) == [THIRD, FOREIGN, OURS]


@pytest.mark.parametrize("verb", ["append", "prepend"])
def test_the_same_route_twice_is_refused(world: World, verb: str) -> None:
    done(world, "add", FOREIGN)
    done(world, "append", OURS)
    assert world.try_route(verb, OURS)[0] == EEXIST  # type: ignore[arg-type]
    assert world.shown(DST) == [FOREIGN, OURS]


def test_replace_hits_the_first_whoever_wrote_it(world: World) -> None:
    done(world, "add", FOREIGN)
    done(world, "append", OURS)
    done(world, "replace", THIRD)
    assert world.shown(DST) == [THIRD, OURS]


def test_replace_by_what_is_first_already_does_nothing(world: World) -> None:
    done(world, "add", FOREIGN)
    done(world, "append", OURS)
    done(world, "replace", FOREIGN)
    assert world.shown(DST) == [FOREIGN, OURS]


def test_replace_by_what_stands_further_back_is_refused(world: World) -> None:
    done(world, "add", FOREIGN)
    done(world, "append", OURS)
    assert world.try_route("replace", OURS)[0] == EEXIST
    assert world.shown(DST) == [FOREIGN, OURS]


def test_replace_adds_where_there_is_nothing(world: World) -> None:
    done(world, "replace", OURS)
    assert world.shown(DST) == [OURS]


def test_one_attribute_makes_another_route(world: World) -> None:
    done(world, "add", OURS)
    for other in (f"{OURS} mtu 1400", f"{OURS} src 10.1.0.2", f"{OURS} onlink"):
        done(world, "append", other)
    done(world, "append", OURS.replace("114", "115"))
    assert len(world.shown(DST)) == 5


def test_metric_and_tos_are_of_the_key(world: World) -> None:
    for words in (OURS, f"{OURS} metric 100", f"{OURS} tos 8", f"{OURS} metric 7"):
        done(world, "add", words)
    shown = [f"{OURS} tos 8", OURS, f"{OURS} metric 7", f"{OURS} metric 100"]
    assert world.shown(DST) == shown


def test_tables_are_apart(world: World) -> None:
    done(world, "add", OURS)
    done(world, "add", f"{THIRD} table 1000")
    assert world.shown(DST) == [OURS]
    assert world.shown(table=1000) == [THIRD]


# ---------------------------------------------------------------- deletes


def test_delete_takes_only_the_route_that_is_meant(world: World) -> None:
    done(world, "add", FOREIGN)
    done(world, "append", OURS)
    done(world, "append", f"{OURS} mtu 1400")
    done(world, "delete", OURS)
    assert world.shown(DST) == [FOREIGN, f"{OURS} mtu 1400"]


@pytest.mark.parametrize(
    "other",
    [
        f"{DST} via 10.2.0.1 dev eth1 proto 115",
        f"{DST} via 10.2.0.9 dev eth1 proto 114",
        f"{DST} via 10.2.0.1 dev eth0 proto 114",
        f"{DST} via 10.2.0.1 dev eth1 proto 114 metric 5",
        f"{DST} via 10.2.0.1 dev eth1 proto 114 tos 8",
        f"{DST} via 10.2.0.1 dev eth1 proto 114 mtu 1400",
        f"{DST} via 10.2.0.1 dev eth1 proto 114 src 10.1.0.2",
        f"{DST} dev eth1 proto 114",
        f"blackhole {DST} proto 114",
    ],
)
def test_delete_of_another_route_is_refused(world: World, other: str) -> None:
    done(world, "add", OURS)
    assert world.try_route("delete", other)[0] == ESRCH
    assert world.shown(DST) == [OURS]


def test_delete_without_a_source_takes_one_with_a_source(world: World) -> None:
    """The kernel's way: a preferred source that is not given matches any."""
    done(world, "add", f"{OURS} src 10.1.0.2")
    done(world, "delete", OURS)
    assert world.shown(DST) == []


def test_delete_with_metric_0_takes_any_metric_the_lowest_first(world: World) -> None:
    done(world, "add", f"{OURS} metric 20")
    done(world, "add", f"{OURS} metric 10")
    done(world, "delete", OURS)
    assert world.shown(DST) == [f"{OURS} metric 20"]


def test_delete_of_one_hop_takes_the_multipath_that_begins_with_it(world: World) -> None:
    """The kernel's way (fib_nh_match): a single hop is compared with the first one alone."""
    several = f"{DST} proto 114 nexthop via 10.1.0.1 dev eth0 nexthop via 10.2.0.1 dev eth1"
    done(world, "add", several)
    assert world.try_route("delete", OURS)[0] == ESRCH
    done(world, "delete", f"{DST} via 10.1.0.1 dev eth0 proto 114")
    assert world.shown(DST) == []


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    "words",
    [
        f"{DST} dev eth1 proto 114 scope link",
        f"{DST} dev eth1 proto 114",
        f"{DST} via 10.99.0.1 dev eth1 onlink proto 114",
        f"{DST} via 10.2.0.1 dev eth1 proto 114 metric 4278190083 src 10.1.0.2 mtu 1400",
        f"{DST} via 2001:db8:2::1 dev eth1 proto 114",
        f"{DST} proto 114 nexthop via 10.1.0.1 dev eth0 weight 5 nexthop dev eth1",
        f"blackhole {DST} proto 114",
        f"unreachable {DST} proto 114 metric 9",
        f"prohibit {DST} proto 114",
        f"throw {DST} proto 114",
        "default via 10.2.0.1 dev eth1 proto 114",
        "10.9.0.1/32 dev eth1 proto 114 scope link",
    ],
)
def test_what_is_written_is_what_is_shown(world: World, words: str) -> None:
    before = world.shown()
    route = world.parse(words if "scope" in words else f"{words} scope global")
    assert world.send(Operation("add", route)) == ()
    assert route in world.table.dump()
    assert words in world.shown()
    assert world.send(Operation("delete", route)) == ()
    assert world.shown() == before


# ---------------------------------------------------------------- refusals

INVALID = "Nexthop has invalid gateway"


@pytest.mark.parametrize(
    ("words", "errno", "message"),
    [
        (f"{DST} via 10.99.0.1 dev eth1", ENETUNREACH, INVALID),
        (f"{DST} via 10.1.0.1 dev eth1", ENETUNREACH, INVALID),
        (f"{DST} via 10.1.0.255 dev eth0", EINVAL, INVALID),
        (f"{DST} via 10.2.0.2 dev eth1 onlink", EINVAL, INVALID),
        (f"{DST} via 10.2.0.1 dev eth1 src 10.3.0.3", EINVAL, "Invalid prefsrc address"),
        (f"{DST} via 10.2.0.1 dev eth1 scope link", ENETUNREACH, INVALID),
        (
            f"{DST} nexthop via 10.1.0.1 dev eth0 nexthop via 10.9.9.9 dev eth1",
            ENETUNREACH,
            INVALID,
        ),
        (f"{DST} nhid 77", EINVAL, "Nexthop id does not exist"),
    ],
)
@pytest.mark.parametrize("verb", ["add", "append", "prepend", "replace"])
def test_a_route_that_cannot_be(
    world: World, verb: str, words: str, errno: int, message: str
) -> None:
    done(world, "add", FOREIGN)
    refused = world.try_route(verb, words)  # type: ignore[arg-type]
    assert (refused[0], refused[1].rstrip(".")) == (errno, message)
    assert world.shown(DST) == [FOREIGN]


def test_no_such_device(world: World) -> None:
    route = world.parse(OURS)
    gone = route._replace(hops=(route.hops[0]._replace(dev=99),))
    assert [r.errno for r in world.send(Operation("add", gone))] == [ENETUNREACH]
    bare = route._replace(hops=(gone.hops[0]._replace(via=None),))
    assert [r.errno for r in world.send(Operation("add", bare))] == [ENODEV]


def test_a_link_that_is_down(world: World) -> None:
    world.driver.set_down("eth1")
    direct = f"{DST} dev eth1 proto 114"
    assert world.try_route("add", direct) == (ENETDOWN, "Device for nexthop is not up")
    assert world.try_route("add", f"{OURS} onlink") == (ENETDOWN, "Nexthop device is not up")
    assert world.try_route("add", OURS) == (ENETUNREACH, INVALID)


def test_a_gateway_may_be_reached_by_a_route_of_link_scope(world: World) -> None:
    """Calico's way: the gateway's own route first."""
    words = "default via 169.254.1.1 dev eth0 proto 114"
    assert world.try_route("add", words)[0] == ENETUNREACH
    done(world, "add", "169.254.1.1 dev eth0 proto 114 scope link")
    done(world, "add", words)
    assert words in world.shown()


def test_a_route_outlives_the_route_to_its_gateway(world: World) -> None:
    done(world, "add", "169.254.1.1 dev eth0 proto 114 scope link")
    done(world, "add", "default via 169.254.1.1 dev eth0 proto 114")
    done(world, "delete", "169.254.1.1 dev eth0 proto 114 scope link")
    assert "default via 169.254.1.1 dev eth0 proto 114" in world.shown()


def test_a_gateway_may_be_found_in_the_routes_own_table_or_in_main(world: World) -> None:
    done(world, "add", f"{OURS} table 1000")
    done(world, "add", "10.50.0.1 dev eth1 proto 114 scope link table 1000")
    done(world, "add", "10.60.0.0/16 via 10.50.0.1 dev eth1 proto 114 table 1000")
    assert world.try_route("add", "10.60.0.0/16 via 10.50.0.1 dev eth1")[0] == ENETUNREACH


def test_a_refusal_does_not_stop_what_is_behind_it(world: World) -> None:
    first, bad, last = (
        Operation("add", world.parse(words))
        for words in (OURS, f"{DST} via 10.99.0.1 dev eth1", "10.8.0.0/16 dev eth1")
    )
    refusals = world.send(first, bad, first, last)
    assert [(r.operation, r.errno) for r in refusals] == [(bad, ENETUNREACH), (first, EEXIST)]
    assert len(world.shown("10.8.0.0/16")) == len(world.shown(DST)) == 1
