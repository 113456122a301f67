"""Hypothesis strategies: Routes at random, every valid value in every part."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from cni_route.address import AF_INET6, Address, Prefix
from cni_route.document_filter import KINDS
from cni_route.model import Filter, LabelExpression, Route, Rule, Selector, key_of

# Names from pools: a strategy that makes them up costs ten times more than what is tested.
labels = st.sampled_from(["a", "0", "a-b", "web", "kube-system", "no", "1e3", "x" * 63])
subdomains = st.sampled_from(["a", "a.b", "1.2", "web-7d4b9-x2x1z", "y", ".".join(["x" * 50] * 4)])
label_values = st.sampled_from(["", "a", "0", "A_b.c-D", "true", "1.5", "n", "x" * 63])
label_keys = st.sampled_from(["a", "A_b.c", "app.kubernetes.io/name", "1", "off", "a/" + "x" * 63])
devices = st.sampled_from(["eth0", "eth1", "net1", "a.5", "%d", "ööö", "x" * 15, "..."])
odd = st.sampled_from(["no", "y", "1e3", "0o17", "~", "null", "123", "0x1f", "true", ".5", "+1"])
words = st.one_of(odd, st.text(st.characters(codec="utf-8"), max_size=20).map(str.strip))


def hosts(size: int) -> st.SearchStrategy[Address]:
    """Addresses that can be a gateway's: 10.x.x.x, 2001:db8::x."""
    head = b"\x0a" if size == 4 else bytes.fromhex("20010db8")
    rest = size - len(head)
    return st.binary(min_size=rest, max_size=rest).map(lambda tail: Address(head + tail))


@st.composite
def prefixes(draw: st.DrawFn) -> Prefix:
    """Networks of either family."""
    size = draw(st.sampled_from([4, 16]))
    return Prefix.masked(draw(hosts(size)), draw(st.integers(0, size * 8)))


@st.composite
def rules(draw: st.DrawFn, *, network: bool) -> Rule:
    """A rule for a network or a Service; it has no path yet."""
    dst = draw(prefixes()) if network else None
    size = len(dst.address) if dst else draw(st.sampled_from([4, 16]))
    via: Any = draw(st.one_of(st.none(), st.just("auto"), hosts(size)))
    smallest = 1280 if dst and dst.family == AF_INET6 else 68
    return Rule(
        "",
        draw(st.one_of(devices, odd)),
        dst,
        None if dst else (draw(labels), draw(labels)),
        via,
        draw(st.one_of(st.none(), st.integers(0, 0xFEFFFFFF))),
        draw(st.one_of(st.none(), hosts(size))),
        draw(st.one_of(st.none(), st.integers(smallest, 65520))),
        via is not None and draw(st.booleans()),
    )


def key(rule: Rule) -> object:
    """What may stand once in a Route."""
    return key_of(rule.dst, rule.metric) if rule.dst else (rule.service, rule.metric or 0)


def rule_lists(name: str) -> st.SearchStrategy[tuple[Rule, ...]]:
    """What spec.route or spec.svc becomes."""
    listed = st.lists(rules(network=name == "route"), max_size=4, unique_by=key)
    return listed.map(
        lambda found: tuple(r._replace(path=f"spec.{name}[{n}]") for n, r in enumerate(found))
    )


expressions = st.one_of(
    st.builds(
        LabelExpression, label_keys, st.sampled_from(["Exists", "DoesNotExist"]), st.just(())
    ),
    st.builds(
        LabelExpression,
        label_keys,
        st.sampled_from(["In", "NotIn"]),
        st.lists(label_values, min_size=1, max_size=2).map(tuple),
    ),
)


@st.composite
def selectors(draw: st.DrawFn) -> Selector:
    """One entry of a filter."""
    kind = draw(st.sampled_from(KINDS))
    namespace = None if kind == "Namespace" else draw(st.one_of(st.none(), labels))
    asked = st.one_of(st.none(), st.lists(expressions, max_size=4).map(tuple))
    return Selector(kind, namespace, draw(st.one_of(st.none(), subdomains)), draw(asked))


selector_lists = st.lists(selectors(), max_size=3).map(tuple)
gates = st.dictionaries(words, words, max_size=3).map(lambda gate: tuple(gate.items()))


def routes(source: str) -> st.SearchStrategy[Route]:
    """Routes without problems, as a file of that name would give them."""
    return st.builds(
        lambda networks, services, **fields: Route(
            rules=networks + services, source=source, **fields
        ),
        rule_lists("route"),
        rule_lists("svc"),
        name=subdomains,
        uid=words,
        generation=st.integers(0, 2**63 - 1),
        created=st.sampled_from(["", "2026-01-31T12:00:00Z"]),
        priority=st.integers(-(2**31), 2**31 - 1),
        mode=st.sampled_from(["Apply", "Observe"]),
        feature_gate=gates,
        filter=st.builds(Filter, selector_lists, selector_lists),
    )
