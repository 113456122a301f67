"""plan on tables of every shape: it settles, says nothing more, and never opens a gap."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from cni_route.address import AF_INET, Address, Prefix
from cni_route.displace import Shade, adopted, backup_of, backups_of, original_of
from cni_route.model import Hop, KernelRoute, Key, Operation
from cni_route.plan import Situation, Steps, plan, table_of
from cni_route.slot import Slot, hit_by_replace
from tests.fakes.fake_kernel import FakeKernel
from tests.fakes.namespace import FakeNamespace
from tests.machine.foreign import FOREIGN

OWN = 114
UP = frozenset((1, 2, 3))


def own(dst: str, dev: int = 3, via: str = "", metric: int | None = None) -> KernelRoute:
    """A route that we want."""
    prefix = Prefix.parse(dst)
    default = 0 if prefix.family == AF_INET else 1024
    key = Key(prefix, default if metric is None else metric)
    scope = 253 if prefix.family == AF_INET and not via else 0
    return KernelRoute(key, (Hop(dev, Address.parse(via) if via else None),), OWN, scope)


WANTS = (
    own("0.0.0.0/0", 3, "10.2.0.1"),
    own("10.9.0.0/16"),
    own("10.9.0.0/16", 2, "10.1.0.1"),
    own("10.9.0.0/16", 3, "10.2.0.1", 100),
    own("10.77.0.0/16"),
    own("::/0", 3, "2001:db8:2::1"),
    own("2001:db8:9::/48"),
    own("2001:db8:9::/48", 2, "2001:db8:1::1"),
    own("2001:db8:9::/48", 3, "2001:db8:2::1", 100),
)


def namespace_with(foreign: list[str]) -> tuple[FakeKernel, FakeNamespace]:
    """A namespace with two links and these routes of others, as far as they can be had."""
    kernel = FakeKernel()
    ns = kernel.make()
    ns.add_link("eth0", "10.1.0.2/24", "2001:db8:1::2/64")
    ns.add_link("eth1", "10.2.0.2/24", "2001:db8:2::2/64")
    ns.nexthop("id 7 via 10.1.0.1 dev eth0")
    ns.nexthop("id 8 via 2001:db8:1::1 dev eth0")
    for words in foreign:
        try:
            ns.route(words, "append")
        except OSError:
            continue
        except Exception as error:
            if type(error).__name__ != "Refused":
                raise
    return kernel, ns


def apply(ns: FakeNamespace, kernel: FakeKernel, steps: Steps) -> None:
    """Send the steps in their order; nothing of them may be refused."""
    table = kernel.open(ns.descriptor)
    for operations in (steps.backups, steps.changes, steps.releases):
        refused = table.apply(ns.batch(*operations))
        # hops of a foreign route that was merged into ours are not ours to take
        assert all(r.operation.verb == "delete" for r in refused), refused
    table.close()


def situation(ns: FakeNamespace, shadow: dict[Key, tuple[Shade, ...]]) -> Situation:
    routes = ns.dump()
    copies = tuple(r for r in routes if r.protocol == 115)
    return Situation(table_of(routes), copies, shadow, {}, UP)


def settle(
    ns: FakeNamespace, kernel: FakeKernel, wanted: dict[Key, KernelRoute], shadow: object
) -> dict[Key, tuple[Shade, ...]]:
    """Plan and apply until a plan is empty; what is displaced then."""
    now: dict[Key, tuple[Shade, ...]] = dict(shadow)  # type: ignore[call-overload]
    for _ in range(4):
        steps = plan(wanted, situation(ns, now))
        now = dict(steps.kept)
        if steps.empty and not steps.again:
            return now
        apply(ns, kernel, steps)
    raise AssertionError("a plan does not come to its end")


foreign_lists = st.lists(st.sampled_from(FOREIGN), max_size=6)
want_lists = st.lists(st.sampled_from(WANTS), max_size=4, unique_by=lambda r: r.key)


@settings(max_examples=300, deadline=None)
@given(foreign=foreign_lists, first=want_lists, second=want_lists)
def test_applied_to_its_table_a_plan_gives_what_is_wanted(
    foreign: list[str], first: list[KernelRoute], second: list[KernelRoute]
) -> None:
    kernel, ns = namespace_with(foreign)
    before = ns.dump()
    shadow: dict[Key, tuple[Shade, ...]] = {}
    for wants in (first, second):
        wanted = {route.key: route for route in wants}
        shadow = settle(ns, kernel, wanted, shadow)
        table = table_of(ns.dump())
        for key, want in wanted.items():
            there = table[key][0]
            assert there._replace(protocol=OWN, nexthop_id=0) == want
        assert {k for k, rs in table.items() if any(r.protocol == OWN for r in rs)} <= set(wanted)
    settle(ns, kernel, {}, shadow)
    assert table_of(ns.dump()) == table_of(before)


@settings(max_examples=300, deadline=None)
@given(foreign=foreign_lists, first=want_lists, second=want_lists)
def test_no_operation_leaves_a_destination_without_a_route(
    foreign: list[str], first: list[KernelRoute], second: list[KernelRoute]
) -> None:
    kernel, ns = namespace_with(foreign)
    shadow: dict[Key, tuple[Shade, ...]] = {}
    places = {"10.9.1.1": "10.9.0.0/16", "2001:db8:9::9": "2001:db8:9::/48"}
    for wants in (first, second):
        wanted = {route.key: route for route in wants}
        seen = {address: ns.watch(address) for address in places}
        before = {address: ns.lookup(address) for address in places}
        shadow = settle(ns, kernel, wanted, shadow)
        for address, network in places.items():
            after = ns.lookup(address)
            covered = [r for r in (before[address], after) if r is not None]
            if len(covered) == 2 and all(str(r.key.dst) == network for r in covered):
                assert all(r is not None and str(r.key.dst) == network for r in seen[address])


@settings(max_examples=200, deadline=None)
@given(foreign=foreign_lists, wants=want_lists)
def test_the_copies_alone_tell_what_was_displaced(
    foreign: list[str], wants: list[KernelRoute]
) -> None:
    kernel, ns = namespace_with(foreign)
    wanted = {route.key: route for route in wants}
    shadow = settle(ns, kernel, wanted, {})
    copies = [r for r in ns.dump() if r.protocol == 115]
    again = adopted({}, copies)
    for key, shades in shadow.items():
        hops = {hop for shade in shades for hop in shade.route.hops}
        assert {hop for shade in again[key] for hop in shade.route.hops} == hops


@given(
    metric=st.integers(0, 0xFFFF),
    protocol=st.integers(0, 255),
    dst=st.sampled_from(["::/0", "10.0.0.0/8"]),
)
def test_a_copy_says_what_it_is_a_copy_of(metric: int, protocol: int, dst: str) -> None:
    route = KernelRoute(Key(Prefix.parse(dst), metric), (Hop(2),), protocol)
    copy = backup_of(route, 115)
    assert copy.protocol == 115
    assert copy.key.metric == 0xFF000000 + (metric << 8) + protocol
    assert original_of(copy) == route


def test_a_transient_route_in_the_way_is_that_keys_failure() -> None:
    want = own("::/0", 3, "2001:db8:2::1")
    advertised = KernelRoute(
        want.key, (Hop(2, Address.parse("fe80::1")),), protocol=9, transient=True
    )
    steps = plan({want.key: want}, Situation({want.key: (advertised,)}, up=UP))
    assert steps.empty
    assert "router advertisement" in steps.failures[want.key]


def test_a_metric_that_no_copy_can_hold_is_that_keys_failure() -> None:
    want = own("10.9.0.0/16", metric=65536)
    there = want._replace(protocol=4, hops=(Hop(2),))
    steps = plan({want.key: want}, Situation({want.key: (there,)}, up=UP))
    assert steps.empty
    assert "65536" in steps.failures[want.key]


def test_where_nothing_may_be_displaced_the_reason_is_given() -> None:
    want = own("10.9.0.0/16")
    there = want._replace(protocol=4, hops=(Hop(2),))
    now = Situation({want.key: (there,)}, up=UP, frozen="the disk is full")
    assert plan({want.key: want}, now).failures == {want.key: "the disk is full"}


def test_a_slot_refuses_to_open_a_gap() -> None:
    route = own("10.9.0.0/16")
    with pytest.raises(ValueError, match="would open a gap"):
        Slot([route]).drop(route)


def test_a_slot_replaces_only_what_is_meant() -> None:
    first, second = own("10.9.0.0/16", 2)._replace(protocol=4), own("10.9.0.0/16", 3)
    new = own("10.9.0.0/16", 1)
    # beside a foreign one, REPLACE could hit that: ours goes in, then the old one goes out
    for there in ([first, second], [second, first]):
        slot = Slot(there)
        slot.swap(second, new)
        assert slot.operations == [Operation("prepend", new), Operation("delete", second)]
    slot = Slot([second])
    slot.swap(second, new)
    assert slot.operations == [Operation("replace", new)]


def test_ipv6_replace_hits_its_own_kind() -> None:
    link, gatewayed = own("2001:db8:9::/48", 2), own("2001:db8:9::/48", 3, "2001:db8:2::1")
    assert hit_by_replace([link, gatewayed], own("2001:db8:9::/48", 3, "2001:db8:2::9")) == 1
    assert hit_by_replace([link, gatewayed], own("2001:db8:9::/48", 3)) == 0
    assert hit_by_replace([link], gatewayed) == 0
    assert hit_by_replace([], link) is None


def test_link_scope_goes_in_before_what_needs_it_and_takes_come_last() -> None:
    near, far = own("10.80.0.0/24"), own("10.81.0.0/16", 3, "10.80.0.1")
    gone = own("10.82.0.0/16")
    steps = plan({far.key: far, near.key: near}, Situation({gone.key: (gone,)}, up=UP))
    assert steps.changes == (
        Operation("add", near),
        Operation("add", far),
        Operation("delete", gone),
    )


def test_two_displaced_gatewayed_routes_make_one_copy() -> None:
    one, two = (
        own("2001:db8:9::/48", 2, via)._replace(protocol=3)
        for via in ("2001:db8:1::1", "2001:db8:1::4")
    )
    copies = backups_of([Shade(one), Shade(two)], 115)
    (copy,) = copies[backup_of(one, 115).key]
    assert copy.hops == one.hops + two.hops
