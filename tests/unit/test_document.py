"""What documents become, and every sentence about wrong ones: the table in tests/cases."""

from __future__ import annotations

import pytest

from cni_route.address import Address
from cni_route.document import Parsed, parse, parse_rules, to_document
from cni_route.document_fields import MAX_ITEMS
from cni_route.model import Problem
from sync_service.manifest import load_text
from tests.cases.documents import BAD, GOOD, OBJECTS, SOURCE, Case


def read(text: str, source: str = SOURCE) -> Parsed:
    return parse(load_text(text, source), source)


def plain(value: object) -> object:
    """Model values as YAML has them: tuples are lists, addresses are text."""
    if isinstance(value, Address):
        return str(value)
    return [plain(inner) for inner in value] if isinstance(value, tuple) else value


def named(case: Case) -> str:
    return case.id


def test_the_table_is_as_large_as_promised_and_its_names_are_unique() -> None:
    names = [case.id for case in (*BAD, *GOOD, *OBJECTS)]
    assert len(set(names)) == len(names)
    assert len(BAD) >= 100
    assert len(GOOD) >= 40
    assert all(case.expected for case in (*BAD, *GOOD, *OBJECTS))


@pytest.mark.parametrize("case", BAD, ids=named)
def test_every_sentence_about_a_wrong_document(case: Case) -> None:
    parsed = read(case.text)
    assert [str(problem) for problem in parsed.every_problem()] == list(case.expected)
    if case.stopped:
        assert [route.rules for route in parsed.routes] == [()]


@pytest.mark.parametrize("case", GOOD, ids=named)
def test_what_a_right_document_becomes(case: Case) -> None:
    parsed = read(case.text)
    assert parsed.every_problem() == ()
    expected = [load_text(text, "expected")[0] for text in case.expected]
    assert [to_document(route) for route in parsed.routes] == expected


@pytest.mark.parametrize("case", OBJECTS, ids=named)
def test_what_kubernetes_own_objects_become(case: Case) -> None:
    parsed = read(case.text)
    assert parsed.every_problem() == ()
    kinds = ("services", "pods", "namespaces", "workloads")
    found = {kind: plain(getattr(parsed, kind)) for kind in kinds if getattr(parsed, kind)}
    assert found == load_text("\n".join(case.expected), "expected")[0]


@pytest.mark.parametrize("case", [c for c in GOOD if c.spec], ids=named)
def test_a_bad_rule_leaves_the_others_alone(case: Case) -> None:
    """In front of, behind and between good ones."""
    (document,) = load_text(case.text, SOURCE)
    assert isinstance(document, dict)
    good = read(case.text).routes[0]
    for key in ("route", "svc"):
        entries = document["spec"].get(key) or []
        document["spec"][key] = [5, *(part for entry in entries for part in (entry, {"x": 1})), {}]
    found = parse([document], SOURCE).routes[0]
    assert [rule._replace(path="") for rule in found.rules] == [
        rule._replace(path="") for rule in good.rules
    ]
    assert found.problems


def test_rules_know_where_they_stand() -> None:
    """Behind a wrong one too, and without the place in a List."""
    item = {
        "apiVersion": "k8s.ovn.org/v1",
        "kind": "Route",
        "metadata": {"name": "a"},
        "spec": {"route": [{}, {"dst": "10.0.0.0/8", "dev": "eth1"}]},
    }
    parsed = parse([{"apiVersion": "v1", "kind": "List", "items": [item]}], SOURCE)
    assert [rule.path for rule in parsed.routes[0].rules] == ["spec.route[1]"]
    assert {p.path for p in parsed.routes[0].problems} == {
        "items[0].spec.route[0].dst",
        "items[0].spec.route[0].dev",
    }


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("{svc: a/b, dev: eth1}", ["rules[0]"]),
        ("[{svc: a/b, dev: eth1}, {route: 10.0.0.0/8, dev: eth1}]", ["[1]", "[0]"]),
        ("rules: [{svc: a/b, dev: eth1}]", ["rules[0]"]),
        (
            "{svc: a/b, dev: e}\n---\n[{svc: a/c, dev: e}]\n---\nrules: [{svc: a/d, dev: e}]",
            ["document[1]", "document[2][0]", "document[3].rules[0]"],
        ),
    ],
)
def test_rules_of_the_short_form_know_where_they_stand(text: str, paths: list[str]) -> None:
    assert [rule.path for rule in read(text).routes[0].rules] == paths


def test_problems_of_the_short_form_stand_in_the_documents_order() -> None:
    (route,) = read("{svc: x, dev: eth1}\n---\nrules: 5\n---\n[{svc: y, dev: eth1}]").routes
    assert [problem.document for problem in route.problems] == [1, 2, 3]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("cr-config.json", "cr-config"),
        ("/etc/routes.d/My_Rules.v2.yaml", "my-rules-v2"),
        ("a.yml", "a"),
        ("a/b/.yaml", "route"),
        ("", "route"),
        ("-_-", "route"),
        ("übung 1.yaml", "bung-1"),
        ("x" * 300 + ".yaml", "x" * 253),
        ("x" * 252 + ".yyaml", "x" * 252),
        ("stdin", "stdin"),
    ],
)
def test_the_short_form_is_named_after_the_file(source: str, name: str) -> None:
    (route,) = parse([{"svc": "a/b", "dev": "eth1"}], source).routes
    assert (route.name, route.source) == (name, source)
    assert read(f"{{apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {{name: {name}}}}}").routes


def test_a_document_has_a_number_only_beside_others() -> None:
    alone = read("---\nx\n---\n").problems
    beside = read("{}\n---\n---\nx\n").problems
    message = "the document must be a mapping or a list, not the string 'x'"
    assert alone == (Problem(SOURCE, "", message),)
    assert beside == (Problem(SOURCE, "", message, 3),)
    assert str(beside[0]) == f"{SOURCE}[3]: {message}"


@pytest.mark.parametrize("path", ["uid", "name"])
def test_half_a_character_is_no_text(path: str) -> None:
    """JSON can hold one half of a surrogate pair, but no file and no kernel can."""
    metadata = {"name": "a", path: "\ud800"}
    parsed = parse(
        [{"apiVersion": "k8s.ovn.org/v1", "kind": "Route", "metadata": metadata}], SOURCE
    )
    assert [str(problem) for problem in parsed.every_problem()] == [
        f"{SOURCE}: metadata.{path}: '\\ud800' holds half a character; write it as text"
    ]


def test_nothing_is_no_problem() -> None:
    assert read("") == Parsed()
    assert read("# nothing\n---\n") == Parsed()


def test_too_many_rules_are_reported_and_the_first_ones_read() -> None:
    rules = [{"route": f"10.{n >> 8}.{n & 255}.0/24", "dev": "eth1"} for n in range(MAX_ITEMS + 1)]
    (route,) = parse([rules], SOURCE).routes
    assert len(route.rules) == MAX_ITEMS
    assert [str(p) for p in route.problems] == [
        f"{SOURCE}: has 4097 entries; only 4096 are read: split the list"
    ]


def test_a_list_of_objects_may_be_long() -> None:
    """All Services of a large cluster, say."""
    item = {"apiVersion": "v1", "kind": "Service", "spec": {"clusterIP": "10.0.0.1"}}
    items = [{**item, "metadata": {"name": f"s{n}"}} for n in range(MAX_ITEMS + 1)]
    parsed = parse([{"apiVersion": "v1", "kind": "List", "items": items}], SOURCE)
    assert len(parsed.services) == MAX_ITEMS + 1
    assert parsed.problems == ()


def test_the_rules_of_a_plugin_are_written_in_any_way() -> None:
    listed = [
        {"dst": "10.0.0.0/8", "dev": "eth1", "via": "10.124.2.1"},
        {"route": "default", "dev": "eth1"},
        {"svc": "a/b", "dev": "eth1"},
        {"namespace": "a", "name": "c", "dev": "eth1"},
        {"dev": "eth1"},
    ]
    rules, problems = parse_rules(listed, "routes", "conf")
    assert [rule.path for rule in rules] == [f"routes[{index}]" for index in range(4)]
    assert [str(p) for p in problems] == [
        "conf: routes[4]: names no destination; write {dst: 172.16.0.0/16, dev: eth1}"
    ]
    assert parse_rules(None, "routes", "conf") == ((), ())
    assert [str(p) for p in parse_rules({}, "routes", "")[1]] == [
        "routes: must be a list, not a mapping; write it as [...]"
    ]
