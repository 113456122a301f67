"""Policy rules."""

from __future__ import annotations

from errno import EEXIST, ENOENT

from cni_route.address import AF_INET, AF_INET6, Prefix
from cni_route.model import PolicyRule
from tests.contract.worlds import World

FOUR = "from 10.1.0.2 lookup 1000 pref 100 protocol 114"
SIX = "from 2001:db8:1::2 lookup 1000 pref 100 protocol 114"


def rule(source: str, preference: int, table: int = 1000, protocol: int = 114) -> PolicyRule:
    src = Prefix.parse(source)
    return PolicyRule(src.family, preference, table, src, protocol)


def test_the_kernels_own(bare: World) -> None:
    """Both families, each in the order in which they are asked."""
    found = [(r.family, r.preference, r.table, r.src, r.extra) for r in bare.table.rules()]
    assert found == [
        (AF_INET, 0, 255, None, ()),
        (AF_INET, 32766, 254, None, ()),
        (AF_INET, 32767, 253, None, ()),
        (AF_INET6, 0, 255, None, ()),
        (AF_INET6, 32766, 254, None, ()),
    ]


def test_add_and_delete(world: World) -> None:
    for words in (FOUR, SIX):
        assert world.try_rule("add", words) == (0, "")
    assert world.rules() == [rule("10.1.0.2", 100), rule("2001:db8:1::2", 100)]
    for words in (FOUR, SIX):
        assert world.try_rule("delete", words) == (0, "")
        assert world.try_rule("delete", words)[0] == ENOENT
    assert world.rules() == []


def test_they_stand_in_the_order_of_preference_then_of_age(world: World) -> None:
    for preference, source in ((200, "10.1.0.2"), (100, "10.1.0.3"), (200, "10.1.0.4")):
        words = f"from {source} lookup 1000 pref {preference} protocol 114"
        assert world.try_rule("add", words) == (0, "")
    assert [str(r.src) for r in world.rules()] == ["10.1.0.3/32", "10.1.0.2/32", "10.1.0.4/32"]


def test_the_same_rule_twice_is_refused_another_protocols_is_not(world: World) -> None:
    assert world.try_rule("add", FOUR) == (0, "")
    assert world.try_rule("add", FOUR)[0] == EEXIST
    assert world.try_rule("add", FOUR.replace("114", "115")) == (0, "")


def test_a_rule_for_all_is_refused_where_one_with_a_source_is_like_it(world: World) -> None:
    """The kernel's way: what a new rule does not give is not compared."""
    assert world.try_rule("add", FOUR) == (0, "")
    assert world.try_rule("add", FOUR.replace("from 10.1.0.2 ", ""))[0] == EEXIST


def test_delete_leaves_another_protocols_alone(world: World) -> None:
    world.driver.rule(FOUR.replace("114", "99"))
    assert world.try_rule("delete", FOUR)[0] == ENOENT
    assert world.rules() == [rule("10.1.0.2", 100, protocol=99)]


def test_rules_outlive_links_and_addresses(world: World) -> None:
    assert world.try_rule("add", FOUR) == (0, "")
    world.driver.remove_link("eth0")
    assert world.rules() == [rule("10.1.0.2", 100)]


def test_a_gateway_may_be_found_by_a_rule_without_a_source(world: World) -> None:
    """Rules with a source do not apply: the look-up for a gateway has none."""
    gateway = "10.50.0.1 dev eth1 proto 114 scope link table 1000"
    words = "10.60.0.0/16 via 10.50.0.1 dev eth1 proto 114"
    assert world.try_route("add", gateway) == (0, "")
    assert world.try_rule("add", FOUR) == (0, "")
    assert world.try_route("add", words)[0]
    assert world.try_rule("add", "from all lookup 1000 pref 99 protocol 3") == (0, "")
    assert world.try_route("add", words) == (0, "")
