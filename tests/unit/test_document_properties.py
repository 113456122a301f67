"""Documents at random: nothing raises, nothing is lost on the way back, no pod gets too much."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cni_route.document import Parsed, parse, parse_rules, to_document
from cni_route.model import Route
from sync_service.manifest import ManifestError, dump_text, load_text
from tests.cases.documents import BAD, GOOD, OBJECTS, SOURCE
from tests.cases.random_routes import key, routes, words

# ---------------------------------------------------------------- there and back

a_route = routes(SOURCE)

plain = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False).filter(lambda x: not math.isinf(x)),
        words,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=10,
)


@given(a_route)
def test_a_route_comes_back_from_its_document(route: Route) -> None:
    assert parse([to_document(route)], SOURCE) == Parsed(routes=(route,))


@given(a_route)
def test_a_document_comes_back_from_its_text(route: Route) -> None:
    document = to_document(route)
    assert load_text(dump_text([document, document]), SOURCE) == [document, document]


@given(st.lists(plain, max_size=3))
def test_plain_data_comes_back_from_its_text(documents: list[object]) -> None:
    assert load_text(dump_text(documents), SOURCE) == documents


# ---------------------------------------------------------------- garbage

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.just(10**400),
    st.floats(),
    st.text(max_size=20),
    st.text(st.characters(), max_size=3),  # surrogates too
    st.just("x" * 1000),
    st.sampled_from(["default", "auto", "eth1", "10.0.0.0/8", "None", "Route", "v1", "List"]),
    st.binary(max_size=3),
    st.dates(),
)
known = """apiVersion kind metadata name spec route svc rules items dst dev via metric filter
    include exclude selector matchLabels matchExpressions key operator values mode priority"""
keys = st.one_of(
    st.sampled_from(known.split()),
    st.text(max_size=5),
    st.text(st.characters(), max_size=3),
    st.integers(),
    st.none(),
    st.tuples(st.integers()),
)
garbage = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(keys, inner, max_size=5),
        st.tuples(inner),
        st.sets(st.integers(), max_size=2),
    ),
    max_leaves=20,
)


def check(parsed: Parsed) -> None:
    """What holds whatever was read: every sentence can be printed, and no value is odd."""
    for problem in parsed.every_problem():
        line = str(problem)
        line.encode()
        assert problem.source == SOURCE
        assert problem.message
        assert line.isprintable(), line
        assert len(line) < 1000, line
    for route in parsed.routes:
        for rule in route.rules:
            assert (rule.dst is None) != (rule.service is None)
            assert rule.dev.encode()
        assert len({key(rule) for rule in route.rules}) == len(route.rules)
        assert parse([to_document(route)], SOURCE).every_problem() == ()


@given(st.lists(garbage, max_size=4))
def test_garbage_is_only_reported(documents: list[object]) -> None:
    check(parse(documents, SOURCE))


@given(garbage)
def test_garbage_for_rules_is_only_reported(value: object) -> None:
    found, problems = parse_rules(value, "routes", SOURCE)
    check(Parsed(routes=(Route("a", found, problems=problems),)))


def test_what_python_cannot_print_is_only_reported() -> None:
    """An integer of so many digits that str() refuses it, at every place."""
    huge = 10**5000
    for document in ALIKE:
        for place in places(document):
            check(parse([replaced(document, place, huge)], SOURCE))


def test_endless_depth_is_only_reported() -> None:
    deep: Any = "x"
    for _ in range(50_000):
        deep = [{"a": deep}]
    for place in ("metadata", "spec", "status", "items", "kind"):
        check(parse([{"apiVersion": "k8s.ovn.org/v1", "kind": "Route", place: deep}], SOURCE))
    while not isinstance(deep, str):  # taken apart level by level: else its destructor recurses
        deep = deep[0].pop("a")


# ---------------------------------------------------------------- right documents, one part wrong

TEXTS = [case.text for case in (*BAD, *GOOD, *OBJECTS)]
DOCUMENTS = [document for text in TEXTS for document in load_text(text, SOURCE)]
ALIKE = [document for document in DOCUMENTS if document and isinstance(document, (dict, list))]


def places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The path of every part."""
    if path:
        yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*path, index))


def replaced(document: object, place: tuple[object, ...], value: object) -> object:
    """A copy of the document with another value at one place."""
    changed = copy.deepcopy(document)
    part: Any = changed
    for step in place[:-1]:
        part = part[step]
    part[place[-1]] = value
    return changed


@given(st.sampled_from(ALIKE), garbage, st.data())
def test_one_part_replaced_by_garbage_is_only_reported(
    document: object, value: object, data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from(list(places(document))))
    check(parse([replaced(document, place, value)], SOURCE))


@given(a_route, st.sampled_from(["filter", "mode", "priority"]), garbage, st.booleans())
def test_a_wrong_decision_stops_every_rule(
    route: Route, name: str, value: object, within: bool
) -> None:
    """Either it is read without a problem, or no rule applies."""
    document: Any = to_document(route)
    spec = document["spec"]
    if name == "filter" and within:
        spec.setdefault("filter", {}).setdefault("exclude", []).append(value)
    else:
        spec[name] = value
    (found,) = parse([document], SOURCE).routes
    assert found.rules == (() if found.problems else route.rules)
    assert all("until then no rule" in problem.message for problem in found.problems)


@given(a_route, st.text(max_size=6), garbage)
def test_an_unknown_key_of_a_route_stops_every_rule(route: Route, name: str, value: object) -> None:
    document: Any = to_document(route)
    if name not in ("route", "svc", "mode", "priority", "feature_gate", "filter"):
        document["spec"][name] = value
        (found,) = parse([document], SOURCE).routes
        assert found.rules == ()
        assert len(found.problems) == 1


# ---------------------------------------------------------------- texts


def check_text(text: str, source: str) -> None:
    """A text is documents, or there is one sentence about it."""
    try:
        documents = load_text(text, source)
    except ManifestError as error:
        sentence = str(error)
    else:
        check(parse(documents, SOURCE))
        return
    assert sentence.startswith(f"{source}: ")
    assert sentence.isprintable()


@given(st.text(max_size=200), st.sampled_from([SOURCE, "t.json"]))
def test_any_text_is_documents_or_one_sentence(text: str, source: str) -> None:
    check_text(text, source)


@given(st.sampled_from(TEXTS), st.data())
def test_a_damaged_text_is_documents_or_one_sentence(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 5))
    put = data.draw(st.one_of(st.text(max_size=2), st.sampled_from(["\t", "{", "]", ": ", "\n- "])))
    check_text(text[:at] + put + text[at + cut :], SOURCE)
