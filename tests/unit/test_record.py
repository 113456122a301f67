"""The record as JSON: all of it comes back, and what cannot be one is told in a sentence."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cni_route.address import AF_INET, Address, Prefix
from cni_route.model import Hop, KernelRoute, Key, Link, Rule, key_of
from cni_route.record import Attachment, Displaced, Record, from_json, rule_entry, to_json
from cni_route.untrusted import BadValue
from tests.cases.random_routes import hosts, prefixes, rule_lists
from tests.cases.records import WHOLE

ANY_TEXT = st.text(st.characters(), max_size=12)  # lone surrogates among it: JSON can say them
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
BYTES = st.binary(max_size=6)
WORD = st.integers(0, 2**32 - 1)

opaque = st.lists(st.tuples(st.integers(0, 2**16 - 1), BYTES), max_size=3).map(tuple)
some_host = st.one_of(st.none(), hosts(4), hosts(16))
keys = st.builds(Key, prefixes(), WORD, st.integers(0, 255), WORD)
hops = st.builds(
    Hop, st.integers(0, 2**31 - 1), some_host, st.integers(1, 256), st.booleans(), opaque
)
kernel_routes = st.builds(
    KernelRoute,
    keys,
    st.lists(hops, max_size=3).map(tuple),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    some_host,
    WORD,
    WORD,
    opaque,
    opaque,
    transient=st.just(False),  # such routes, and source-specific ones, are never displaced
    source=st.none(),
)


@st.composite
def displacements(draw: st.DrawFn) -> Displaced:
    route = draw(kernel_routes)
    count = len(route.hops)
    devs = draw(st.lists(ANY_TEXT, min_size=count, max_size=count).map(tuple))
    return Displaced(route, devs, draw(st.lists(kernel_routes, max_size=2).map(tuple)))


def as_configured(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Rules by the paths that they have in the plugin's configuration."""
    return tuple(rule._replace(path=f"routes[{n}]") for n, rule in enumerate(rules))


attachments = st.builds(
    Attachment,
    ANY_TEXT,
    ANY_TEXT,
    st.lists(st.one_of(hosts(4), hosts(16)), max_size=2).map(tuple),
    rule_lists("route").map(as_configured),
)
records = st.builds(
    Record,
    ANY_TEXT,
    PATHS,
    st.integers(0, 2**64 - 1),
    ANY_TEXT,
    ANY_TEXT,
    ANY_TEXT,
    st.lists(attachments, max_size=2).map(tuple),
    st.lists(displacements(), max_size=2).map(tuple),
    st.frozensets(keys, max_size=3),
)


@given(records)
def test_a_record_comes_back_from_its_json(record: Record) -> None:
    text = json.dumps(to_json(record), allow_nan=False)
    assert from_json(json.loads(text)) == record


@given(st.frozensets(keys, min_size=2, max_size=8))
def test_keys_stand_in_one_order(applied: frozenset[Key]) -> None:
    """A set has none of its own, and a record that says the same should be the same file."""
    listed = to_json(Record("c", applied=applied))["applied"]
    assert isinstance(listed, list)
    written = [Key(Prefix.parse(dst), *numbers) for dst, *numbers in listed]
    assert written == sorted(applied)


def test_a_record_that_is_there_today_is_read_for_ever() -> None:
    """What version 1 looks like; whoever changes it makes version 2 and keeps reading this."""
    data = {
        "version": 1,
        "containerID": "4f3c2a",
        "netns": "/var/run/netns/cni-1",
        "inode": 4026532301,
        "pod": {"namespace": "default", "name": "web", "uid": "5b1e"},
        "attachments": [
            {"network": "k8s-pod-network", "ifname": "eth0", "gateways": [], "routes": []},
            {
                "network": "ovn",
                "ifname": "eth1",
                "gateways": ["10.124.2.1", "fd00:124::1"],
                "routes": [
                    {"dst": "10.124.0.0/16", "dev": "eth1", "via": "auto"},
                    {"dst": "fd00:1::/64", "dev": "eth1", "mtu": 1400},
                ],
            },
        ],
        "displaced": [
            {
                "route": _route_json(3, []),
                "devs": ["eth0"],
                "behind": [_route_json(4, [[8, "0a"]])],
            }
        ],
        "applied": [["0.0.0.0/0", 0, 0, 254], ["fd00:1::/64", 1024, 0, 254]],
    }
    assert to_json(WHOLE) == data
    assert from_json(data) == WHOLE


def _route_json(protocol: int, metrics: list[object]) -> dict[str, object]:
    return {
        "dst": "0.0.0.0/0",
        "metric": 0,
        "tos": 0,
        "table": 254,
        "protocol": protocol,
        "scope": 0,
        "type": 1,
        "src": "",
        "mtu": 0,
        "nexthopID": 0,
        "metrics": metrics,
        "extra": [],
        "hops": [{"dev": 2, "via": "10.244.1.1", "weight": 1, "onlink": False, "extra": []}],
    }


def test_unknown_keys_of_a_record_are_no_harm() -> None:
    """An older program reads what a newer one of the same version added."""
    assert from_json({**to_json(WHOLE), "since": "2026-01-31"}) == WHOLE


def test_the_plugins_rules_keep_their_names_whichever_add_came_first() -> None:
    """Else two pods of one configuration would be told apart by the order of their ADDs."""
    turned = WHOLE._replace(attachments=WHOLE.attachments[::-1])
    read = from_json(to_json(turned))
    assert [rule.path for a in read.attachments for rule in a.rules] == ["routes[0]", "routes[1]"]


def test_what_stands_in_an_entry_is_what_a_person_would_write() -> None:
    rule = Rule("routes[0]", "eth1", Prefix.parse("10.9.0.0/16"))
    assert rule_entry(rule) == {"dst": "10.9.0.0/16", "dev": "eth1"}
    whole = rule._replace(
        via=Address.parse("10.9.0.1"), src=Address.parse("10.9.0.7"), metric=0, mtu=68, onlink=True
    )
    assert rule_entry(whole) == {
        "dst": "10.9.0.0/16",
        "dev": "eth1",
        "via": "10.9.0.1",
        "src": "10.9.0.7",
        "metric": 0,
        "mtu": 68,
        "onlink": True,
    }


# ---------------------------------------------------------------- garbage

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(1 << 70)
)
garbage = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=8,
)


def places(data: object, way: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The ways to everything in plain data."""
    found = [way]
    if isinstance(data, dict | list):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        for step, inner in items:
            found += places(inner, (*way, step))
    return found


@given(st.data(), garbage)
def test_garbage_anywhere_in_a_record_is_refused_or_harmless(
    data: st.DataObject, put: object
) -> None:
    whole = json.loads(json.dumps(to_json(WHOLE)))
    *way, last = data.draw(st.sampled_from([p for p in places(whole) if p]))
    inner = whole
    for step in way:
        inner = inner[step]
    inner[last] = put
    try:
        read = from_json(whole)
    except BadValue as error:
        assert "\n" not in str(error)  # noqa: PT017 - it may be read as well
    else:
        assert from_json(json.loads(json.dumps(to_json(read)))) == read


@given(garbage)
def test_garbage_is_refused(data: object) -> None:
    with pytest.raises(BadValue):
        from_json(data)


# ---------------------------------------------------------------- devices by name


def links(**indexes: int) -> dict[str, Link]:
    return {name: Link(index, name) for name, index in indexes.items()}


def displaced(*hops: Hop, devs: tuple[str, ...]) -> Displaced:
    return Displaced(KernelRoute(key_of(Prefix.parse("0.0.0.0/0")), hops), devs)


def test_a_displaced_route_follows_its_nic_to_another_index() -> None:
    gateway = Address.parse("10.1.0.1")
    entry = displaced(Hop(2, gateway, 3), Hop(3), devs=("eth0", "eth1"))
    bound = entry.bound(links(lo=1, eth0=7, eth1=5))
    assert bound is not None
    assert bound.hops == (Hop(7, gateway, 3), Hop(5))
    assert bound._replace(hops=()) == entry.route._replace(hops=())


def test_a_displaced_route_waits_for_the_last_of_its_nics() -> None:
    entry = displaced(Hop(2), Hop(3), devs=("eth0", "eth1"))
    assert entry.bound(links(lo=1, eth0=2)) is None


def test_a_displaced_route_without_a_nic_is_always_there() -> None:
    entry = displaced(devs=())
    assert entry.bound({}) == entry.route
    hollow = displaced(Hop(0), devs=("",))
    assert hollow.bound(links(eth0=2)) == hollow.route


def test_key_of_knows_the_kernels_defaults() -> None:
    four, six = Prefix.parse("10.0.0.0/8"), Prefix.parse("fd00::/8")
    assert [key_of(four).metric, key_of(four, 7).metric] == [0, 7]
    # IPv6 has no metric 0: it is stored as 1024
    assert [key_of(six, metric).metric for metric in (None, 0, 7)] == [1024, 1024, 7]
    assert key_of(four).family == AF_INET
