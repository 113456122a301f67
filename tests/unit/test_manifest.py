"""Text to documents and back, and one sentence for every text or file that is none."""

from __future__ import annotations

import io
import math
import os
import sys
from pathlib import Path

import pytest
import yaml

from cni_route.model import Problem
from sync_service import manifest, manifest_yaml
from sync_service.manifest import ManifestError, dump_text, load_text, read

# What kubectl makes of each unquoted word (kubectl 1.32, annotate --local), but for the booleans
# of YAML 1.1.
WORDS: dict[str, object] = {
    "2001:10:20:30:40:50:0:1": "2001:10:20:30:40:50:0:1",
    "190:20:30": "190:20:30",
    "12:30": "12:30",
    "2001-01-01": "2001-01-01",
    "2001-12-14t21:59:43.10-05:00": "2001-12-14t21:59:43.10-05:00",
    "10.0.0.0/8": "10.0.0.0/8",
    "10.0.0.1": "10.0.0.1",
    "1.2.3": "1.2.3",
    "eth1": "eth1",
    "nan": "nan",
    "inf": "inf",
    "0x": "0x",
    "0o": "0o",
    "0b2": "0b2",
    "+": "+",
    ".": ".",
    "_": "_",
    "e3": "e3",
    "1e": "1e",
    "--1": "--1",
    "=": "=",
    "012": 10,
    "0o14": 12,
    "08": 8,
    "0": 0,
    "-0": 0,
    "+12": 12,
    "-7": -7,
    "0x1F": 31,
    "-0x1f": -31,
    "0b11": 3,
    "1_000": 1000,
    "1e3": 1000,
    "1E+3": 1000,
    ".5": 0.5,
    "1.": 1,
    "-1.5e-1": -0.15,
    "123456789012345678901234567890": 123456789012345678901234567890,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "": None,
    "nULL": "nULL",
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "tRUE": "tRUE",
}
BOOLEANS_OF_YAML_1_1 = ["y", "Y", "n", "N", "yes", "Yes", "YES", "no", "No", "NO", "on", "OFF"]


@pytest.mark.parametrize(("word", "value"), WORDS.items())
def test_an_unquoted_word(word: str, value: object) -> None:
    for text in (f"a: {word}\n", f"- {word}\n", f"{{a: {word}}}"):
        (document,) = load_text(text, "t.yaml")
        found = document["a"] if isinstance(document, dict) else document[0]  # type: ignore[index]
        assert found == value
        assert isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize("word", BOOLEANS_OF_YAML_1_1)
def test_words_that_only_yaml_1_1_takes_for_booleans_are_strings(word: str) -> None:
    assert load_text(f"a: {word}", "t.yaml") == [{"a": word}]


def test_infinity_and_no_number_are_numbers() -> None:
    (document,) = load_text("[.inf, -.Inf, .NaN, 1e999]", "t.yaml")
    assert isinstance(document, list)
    assert document[0] == math.inf
    assert document[1] == -math.inf
    assert math.isnan(document[2])
    assert document[3] == math.inf


@pytest.mark.parametrize("word", WORDS)
def test_a_quoted_word_is_a_string(word: str) -> None:
    assert load_text(f"['{word}', \"{word}\", !!str {word or '~'}]", "t.yaml") == [
        [word, word, word or "~"]
    ]


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("", []),
        ("# nothing\n", []),
        ("---\n", [None]),
        ("---\n---\na: 1\n", [None, {"a": 1}]),
        ("a: 1\n...\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
        ("\ufeffa: 1", [{"a": 1}]),
        ('\ufeff{"a": 1}', [{"a": 1}]),
        ("%YAML 1.2\n---\na: no\n", [{"a": "no"}]),
        ("a: |\n  x\n  y\n", [{"a": "x\ny\n"}]),
        ("a: >-\n  1\n", [{"a": "1"}]),
        ("1: a\ntrue: b\n~: c\n1.5: d\n", [{"1": "a", "true": "b", "~": "c", "1.5": "d"}]),
        ("? a\n: b\n", [{"a": "b"}]),
        ("{a: 1, b: [c, {d: e}]}", [{"a": 1, "b": ["c", {"d": "e"}]}]),
        ("{a: 1,}", [{"a": 1}]),
        ('{"a": "\\u00fc\\ud83d\\ude00"}', [{"a": "ü😀"}]),
        ('{"a": 1}\n{"b": 2}\n', [{"a": 1}, {"b": 2}]),
        ("[1, 2]", [[1, 2]]),
        ("a: &x [1]\nb: *x\n", [{"a": [1], "b": [1]}]),
        ("a: &x k\n*x : v\n", [{"a": "k", "k": "v"}]),
        ("&x k: v\nb: *x\n", [{"k": "v", "b": "k"}]),
        (
            "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\n",
            [{"a": {"p": 1, "q": 2}, "b": {"q": 3, "p": 1}}],
        ),
        ("b: {<<: [{p: 1}, {p: 2, q: 2}]}", [{"b": {"p": 1, "q": 2}}]),
        ('b: {"<<": 1}', [{"b": {"<<": 1}}]),
        ("[!!int '5', !!float 5, !!bool 'true', !!null '', ! 5]", [[5, 5, True, None, "5"]]),
        ("[!!map {}, !!seq []]", [[{}, []]]),
    ],
)
def test_what_a_text_holds(text: str, documents: list[object]) -> None:
    assert load_text(text, "t.yaml") == documents


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' stands twice in one mapping; keep one"),
        ("a: {b: 1, b: 1}", "line 1, column 11: the key 'b' stands twice in one mapping; keep one"),
        ("1: a\n'1': b", "line 2, column 1: the key '1' stands twice in one mapping; keep one"),
        ("- a: 1\n  a: 1", "line 2, column 3: the key 'a' stands twice in one mapping; keep one"),
        (
            '{"a": 1,\n "b": {"c": 1, "c": 2}}',
            "line 2, column 16: the key 'c' stands twice in one mapping; keep one",
        ),
        (
            "x: &x {p: 1}\na: {<<: *x, <<: *x}",
            "line 2, column 13: the key '<<' stands twice in one mapping; keep one",
        ),
        ("a:\n\t- b", "line 2, column 1: is not YAML: found character that cannot start any token"),
        ("a: [1\nb: 2", "line 2, column 2: is not YAML: did not find expected ',' or ']'"),
        ("a: 'x", "line 1, column 6: is not YAML: found unexpected end of stream"),
        (
            "a: b: c",
            "line 1, column 5: is not YAML: mapping values are not allowed in this context",
        ),
        ("a: *x", "line 1, column 4: no value before this place has the anchor 'x'"),
        ("a: &x [*x]", "line 1, column 8: no value before this place has the anchor 'x'"),
        (
            "a: &x 1\nb: &x [*x]",
            "line 2, column 8: no value before this place has the anchor 'x'",
        ),
        ("a: &x 1\n---\nb: *x", "line 3, column 4: no value before this place has the anchor 'x'"),
        ("? [a]\n: b", "line 1, column 3: a key must be a string, not a list or mapping"),
        ("a: &x []\n*x : b", "line 2, column 1: a key must be a string, not a list or mapping"),
        ("a: !!binary aGk=", "line 1, column 4: the tag '!!binary' is not read here; leave it out"),
        ("a: !x {}", "line 1, column 4: the tag '!x' is not read here; leave it out"),
        ("a: !!set {}", "line 1, column 4: the tag '!!set' is not read here; leave it out"),
        ("<<: 1", "line 1, column 1: << takes a mapping, or a list of mappings"),
        ("a: 1\nb: \x07", "line 2: is not text: control characters are not allowed"),
        ("a: \ud800", "holds half a character; save it as UTF-8"),
        ("[" * 100, "line 1, column 65: more than 64 levels are nested here"),
        ("- " * 100, "line 1, column 129: more than 64 levels are nested here"),
        ("[" * 100_000, "too many levels are nested here"),
        ('{"a":' * 100_000, "too many levels are nested here"),
    ],
)
def test_what_is_wrong_with_a_text(text: str, sentence: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_text(text, "conf/t.yaml")
    assert str(caught.value) == f"conf/t.yaml: {sentence}"
    assert caught.value.problem == Problem("conf/t.yaml", "", sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"a": 1,\n}', "line "),
        ('{"a": [1, 2,]}', "line 1, column "),
        ('\ufeff{"a": 1,}', "line 1, column "),
        (
            "{a: 1}",
            "line 1, column 2: is not JSON: expecting property name enclosed in double quotes",
        ),
        ('{"a": 1} x', "line 1, column 10: is not JSON: expecting value"),
        ('{"a": NaN}', "NaN is not JSON"),
        ('[Infinity, "x"]', "Infinity is not JSON"),
        ('{"a": 1\n "b": 2}', "line 2, column 2: is not JSON: expecting ',' delimiter"),
        (
            '{"a": 1,\n "a": 2}',
            "line 2, column 2: the key 'a' stands twice in one mapping; keep one",
        ),
        (  # YAML has no such characters, so nobody knows the line
            '{"a": "\\ud83d\\ude00", "a": 2}',
            "the key 'a' stands twice in one mapping; keep one",
        ),
    ],
)
def test_json_in_a_file_of_that_name_is_read_strictly(text: str, sentence: str) -> None:
    with pytest.raises(ManifestError) as caught:
        load_text(text, "t.json")
    # Which place and words a trailing comma gets depends on Python's version.
    assert str(caught.value).startswith(f"t.json: {sentence}")


def test_yaml_in_a_file_called_json_is_read() -> None:
    assert load_text("a: 1", "t.json") == [{"a": 1}]


def test_numbers_that_python_would_not_read() -> None:
    digits = "9" * 5000
    assert load_text(f'{{"a": {digits}}}', "t.json") == [{"a": math.inf}]
    assert load_text(f"a: {digits}", "t.yaml") == [{"a": digits}]


def test_aliases_are_bounded_by_what_they_expand_to() -> None:
    """The billion laughs, as lists and as merged mappings."""
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    merged = "a0: &a0 {x: 1}\n"
    for n in range(1, 12):
        laughs += f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n"
        merged += f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], y{n}: 1}}\n"
    for text in (laughs, merged):
        with pytest.raises(ManifestError, match=r"more than 1048576 values, aliases expanded$"):
            load_text(text, "t.yaml")


def test_without_libyaml_all_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manifest, "_Loader", yaml.SafeLoader)
    text = "a: &x {p: no, q: [1, 'no', ~]}\n<<: *x\n---\n2001:10:20:30:40:50:0:1: |\n  x\n"
    assert load_text(text, "t.yaml") == [
        {"a": {"p": "no", "q": [1, "no", None]}, "p": "no", "q": [1, "no", None]},
        {"2001:10:20:30:40:50:0:1": "x\n"},
    ]
    for text in ("a: 1\na: 2", "a: 'x", "a: 1\nb: \x07", "a: [1\nb: 2"):
        with pytest.raises(ManifestError, match=r"^t.yaml: line \d+"):
            load_text(text, "t.yaml")


# ---------------------------------------------------------------- writing


def test_written_yaml_is_short() -> None:
    document = {
        "kind": "Route",
        "spec": {"route": [{"dst": "10.0.0.0/8", "dev": "eth1"}], "filter": {}, "list": []},
    }
    assert dump_text([document, {"a": [1, None, True, 1.5]}]) == (
        "kind: Route\n"
        "spec:\n"
        "  route:\n"
        "  - {dst: 10.0.0.0/8, dev: eth1}\n"
        "  filter: {}\n"
        "  list: []\n"
        "---\n"
        "a: [1, null, true, 1.5]\n"
    )


@pytest.mark.parametrize("word", [*WORDS, *BOOLEANS_OF_YAML_1_1, "2001-01-01", "<<", "a: b", "ü"])
def test_written_strings_are_strings_to_every_reader(word: str) -> None:
    text = dump_text([{"a": word}])
    assert load_text(text, "t.yaml") == [{"a": word}]
    assert yaml.safe_load(text) == {"a": word}
    if isinstance(manifest_yaml.resolve(word), str) and word.lower() not in ("y", "n", "yes", "on"):
        return
    assert text.rstrip().endswith("'}") or text.rstrip().endswith("'"), text


def test_what_stands_twice_is_written_twice() -> None:
    rule = {"dst": "10.0.0.0/8"}
    assert "&" not in dump_text([{"a": [rule, rule]}])


# ---------------------------------------------------------------- files


def test_a_file_is_read_and_named_in_problems(tmp_path: Path) -> None:
    path = tmp_path / "My_Rules.yaml"
    path.write_text("- {svc: a/b, dev: eth1}\n- {svc: a/c}\n")
    (route,) = read(str(path)).routes
    assert (route.name, route.source, len(route.rules)) == ("my-rules", str(path), 1)
    assert [str(p) for p in route.problems] == [
        f"{path}: [1].dev: is missing; name the pod's NIC, like eth1"
    ]


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.TextIOWrapper(io.BytesIO(b"{svc: a/b, dev: eth1}"))
    monkeypatch.setattr(sys, "stdin", text)
    (route,) = read("-").routes
    assert (route.name, route.source, len(route.rules)) == ("stdin", "stdin", 1)


def sentence_about(path: str) -> str:
    with pytest.raises(ManifestError) as caught:
        read(path)
    return str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    gone = tmp_path / "gone.yaml"
    assert sentence_about(str(gone)) == f"{gone}: cannot be read: No such file or directory"
    assert sentence_about(str(tmp_path)) == f"{tmp_path}: cannot be read: Is a directory"
    assert sentence_about("a\0b").endswith(": cannot be read: embedded null byte")
    assert sentence_about("/dev/zero") == (
        "/dev/zero: is not a regular file; give it on standard input, as -"
    )


def test_a_fifo_that_nobody_writes_holds_nobody_up(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo.yaml"
    os.mkfifo(fifo)
    assert sentence_about(str(fifo)).endswith(
        "is not a regular file; give it on standard input, as -"
    )


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"#" * (8 << 20))
    assert read(str(path)).every_problem() == ()
    path.write_bytes(b"#" * ((8 << 20) + 1))
    assert sentence_about(str(path)) == f"{path}: is larger than 8 MiB; split it"


def test_a_file_of_too_many_documents(tmp_path: Path) -> None:
    path = tmp_path / "many.json"
    path.write_text("[]" * ((1 << 16) + 1))
    assert sentence_about(str(path)) == f"{path}: holds more than 65536 documents; split it"


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "latin1.yaml"
    path.write_bytes("a: 1\nb: größe\n".encode("latin-1"))
    assert sentence_about(str(path)) == (
        f"{path}: line 2: the byte 0xf6 is not UTF-8; save the file as UTF-8"
    )
    path.write_bytes("a: 1\n".encode("utf-16"))
    assert "line 1: the byte 0xff is not UTF-8" in sentence_about(str(path))


def test_a_file_whose_name_is_not_utf_8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.yaml"
    Path(os.fsdecode(path)).write_text("{svc: a/b}")
    (route,) = read(os.fsdecode(path)).routes
    str(route.problems[0]).encode()
