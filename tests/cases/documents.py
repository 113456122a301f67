"""The table of good and bad documents: what each text says, or every sentence about it.

It drives the tests of the parser, and can drive those of a schema: a case is plain text. Where
`spec` is set, the text is one Route with that spec and nothing else is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tests.cases import documents_files as files
from tests.cases import documents_good as good
from tests.cases import documents_objects as objects
from tests.cases import documents_rules as rules
from tests.cases import documents_specs as specs

__all__ = ["BAD", "GOOD", "OBJECTS", "SOURCE", "STOPPED", "Case"]

SOURCE = "t.yaml"  # the name of every file
STOPPED = " (until then no rule of this Route applies)"
ROUTE = "apiVersion: k8s.ovn.org/v1\nkind: Route\nmetadata: {name: t}\nspec: "


class Case(NamedTuple):
    """One text, and what is to be said of it.

    Of a bad one: the sentences. Of a good one: the canonical documents of its Routes, as YAML. Of
    objects: `kind: [fields of each object]`, as YAML.
    """

    id: str
    text: str
    expected: tuple[str, ...]
    spec: str | None = None
    stopped: bool = False  # no rule of the Route may apply


def _blocks(table: str) -> Iterator[tuple[str, str, list[str]]]:
    """Lines `id: text`, each with the indented lines below it."""
    block: tuple[str, str, list[str]] | None = None
    for line in table.strip("\n").split("\n"):
        if line.startswith("  ") and block:
            block[2].append(line[2:])
            continue
        if block:
            yield block
        name, _, text = line.partition(": ")
        block = (name, text, [])
    if block:
        yield block


def _files(table: str, mark: str) -> Iterator[Case]:
    """A `## id`, the lines of a file, and what is expected behind a mark."""
    for part in table.strip("\n").split("## ")[1:]:
        name, *lines = part.rstrip("\n").split("\n")
        text = "".join(f"{line}\n" for line in lines if not line.startswith(mark))
        yield Case(name, text, tuple(x.removeprefix(mark) for x in lines if x.startswith(mark)))


def _bad_entries(table: str, key: str) -> Iterator[Case]:
    for name, entry, sentences in _blocks(table):
        spec = f"{{{key}: [{entry}]}}"
        expected = tuple(f"{SOURCE}: spec.{key}[0]{sentence}" for sentence in sentences)
        yield Case(name, ROUTE + spec + "\n", expected, spec)


def _bad_specs(table: str, remark: str) -> Iterator[Case]:
    for name, spec, sentences in _blocks(table):
        expected = tuple(f"{SOURCE}: {sentence}{remark}" for sentence in sentences)
        yield Case(name, ROUTE + spec + "\n", expected, spec, stopped=bool(remark))


def _good_entries(table: str, key: str) -> Iterator[Case]:
    for name, entry, (become,) in _blocks(table):
        spec = f"{{{key}: [{entry}]}}"
        canonical = f"{{{key}: [{become.removeprefix('= ')}]}}"
        yield Case(name, ROUTE + spec + "\n", (ROUTE + canonical,), spec)


def _good_specs(table: str) -> Iterator[Case]:
    for name, spec, (become,) in _blocks(table):
        yield Case(name, ROUTE + spec + "\n", (ROUTE + become.removeprefix("= "),), spec)


def _good_short(table: str) -> Iterator[Case]:
    for name, text, (become,) in _blocks(table):
        yield Case(f"right-{name}", text + "\n", (ROUTE + become.removeprefix("= "),))


BAD = (
    *_bad_entries(rules.NETWORKS, "route"),
    *_bad_entries(rules.SERVICES, "svc"),
    *_bad_specs(specs.SPECS, ""),
    *_bad_specs(specs.STOPPED, STOPPED),
    *_files(files.FILES, "! "),
    *_files(objects.WRONG, "! "),
)
GOOD = (
    *_good_entries(good.NETWORKS, "route"),
    *_good_entries(good.SERVICES, "svc"),
    *_good_specs(good.SPECS),
    *_good_short(good.SHORT),
    *_files(good.FILES, "= "),
)
OBJECTS = tuple(_files(objects.RIGHT, "= "))
