"""Documents of every accepted form become the data of model.py; whatever is wrong is said.

Nothing raises, however odd the document: untrusted data goes in, values and problems come out.
One bad rule never takes the others of its Route down. What is wrong in a part that decides for
which pods the rules are, or which of them win, stops the whole Route.

The modules document_*.py are this one's rooms: fields (checked reading), names and values (one
text or number each), rules, filter, route, objects (Kubernetes' own), write (the way back).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cni_route.document_fields import (
    Report,
    describe,
    entries,
    join,
    quote,
    unknown_key,
    way_out,
)
from cni_route.document_objects import GROUPS, Object, read_object
from cni_route.document_route import KIND, SPEC, VERSION, read_route
from cni_route.document_rules import PLUGIN, SHORT, Entry, Form, read_rules
from cni_route.document_write import to_document
from cni_route.model import Namespace, Pod, Problem, Route, Rule, Service, Workload

__all__ = ["Parsed", "parse", "parse_rules", "to_document"]

_MARKS = ("apiVersion", "kind", "metadata", "spec", "items")  # one of them: a whole object


class Parsed(NamedTuple):
    """What the documents of one file say.

    `problems` are those of the file: documents that are not read, and what is wrong with objects
    that are not Routes. A Route's own problems are in the Route.
    """

    routes: tuple[Route, ...] = ()
    services: tuple[Service, ...] = ()
    pods: tuple[Pod, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    workloads: tuple[Workload, ...] = ()
    problems: tuple[Problem, ...] = ()

    def every_problem(self) -> tuple[Problem, ...]:
        """The file's and its Routes' problems, document by document."""
        found = [*self.problems, *(p for route in self.routes for p in route.problems)]
        return tuple(sorted(found, key=lambda problem: problem.document or 0))


def parse(documents: Sequence[object], source: str) -> Parsed:
    """Read the documents of one file; `source` names it in problems.

    The documents are plain data as JSON has it; None stands for an empty document. Entries in the
    short form make up one Route together, named after the file.
    """
    file = _File(source)
    alone = sum(document is not None for document in documents) <= 1
    for number, document in enumerate(documents, 1):
        if document is not None:
            file.read(document, None if alone else number)
    return file.parsed()


def parse_rules(
    listed: object, path: str, source: str
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """The rules of a list that stands in no Route: the plugin's own `routes`, at `path`.

    Each entry is written as in a Route (dst, or namespace and name) or in the short form.
    """
    report = Report(source)
    rules, problems = read_rules(_listed(listed, path, path, PLUGIN, report), source)
    return rules, (*report.problems, *problems)


def _listed(value: object, path: str, name: str, form: Form, report: Report) -> list[Entry]:
    """The entries of the list at `path`; their rules are named after `name`."""
    return [
        Entry(entry, f"{path}[{index}]", f"{name}[{index}]", form, report.document)
        for index, entry in enumerate(entries(value, path, report))
    ]


class _File:
    """What was read of one file so far."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.routes: list[Route] = []
        self.objects: list[Object] = []
        self.problems: list[Problem] = []
        self.short: list[tuple[list[Entry], Report]] = []  # one of each document in short form
        self.places: dict[tuple[str, str, str], str] = {}  # by kind, namespace, name

    def read(self, document: object, number: int | None) -> None:
        """Read one document, whatever it is."""
        report = Report(self.source, number)
        if isinstance(document, dict) and any(mark in document for mark in _MARKS):
            self._read_whole(document, report)
        elif isinstance(document, dict) and any(
            isinstance(document.get(key), (dict, list)) for key in ("route", "svc")
        ):
            report.add("", "a list of rules stands in the spec of a Route; write the whole Route")
        elif isinstance(document, (dict, list)):
            self._read_short(document, report)
        else:
            report.add("", f"the document must be a mapping or a list, not {describe(document)}")
        self.problems += report.problems

    def _read_whole(self, document: dict[object, object], report: Report) -> None:
        kind, version = document.get("kind"), document.get("apiVersion")
        if not (isinstance(kind, str) and kind.endswith("List") and "items" in document):
            self._read_object(document, "", report)
            return
        inner: dict[object, object] = {}
        if kind != "List":  # the items of a RouteList, a PodList need not say what they are
            inner = {"apiVersion": version, "kind": kind.removesuffix("List")}
        elif version != "v1":
            report.add("apiVersion", f"must be v1 for a List, not {describe(version)}")
        for index, item in enumerate(entries(document["items"], "items", report, None)):
            path = f"items[{index}]"
            if isinstance(item, dict):
                self._read_object({**inner, **item}, path, report)
            else:
                report.add(path, f"must be an object, not {describe(item)}")

    def _read_object(self, data: dict[object, object], path: str, report: Report) -> None:
        kind, version = data.get("kind"), data.get("apiVersion")
        if not isinstance(kind, str) or kind not in _VERSIONS:
            report.add(path, _unread(kind))
        elif version != _VERSIONS[kind]:
            message = f"must be {_VERSIONS[kind]} for a {kind}, not {describe(version)}"
            report.add(join(path, "apiVersion"), message)
        elif kind == KIND:
            route = read_route(data, path, report)
            if route is not None and self._is_new(kind, "", route.name, path, report):
                self.routes.append(route)
        else:
            found = read_object(kind, data, path, report)
            if found is not None:
                namespace = "" if isinstance(found, Namespace) else found.namespace
                if self._is_new(kind, namespace, found.name, path, report):
                    self.objects.append(found)

    def _is_new(self, kind: str, namespace: str, name: str, path: str, report: Report) -> bool:
        """Whether the file has no such object yet; a second one is a problem."""
        key = (kind, namespace, name)
        first = self.places.get(key)
        if first is None:
            document = f"document {report.document}" if report.document else ""
            self.places[key] = " ".join(part for part in (document, path) if part)
            return True
        shown = f"{namespace}/{name}" if namespace else name
        report.add(
            join(path, "metadata.name"), f"the {kind} {shown} stands in {first} already; keep one"
        )
        return False

    def _read_short(self, document: dict[object, object] | list[object], report: Report) -> None:
        """An entry, a list of them, or {"rules": [...]}; _short_route makes a Route of all."""
        number = report.document
        prefix = f"document[{number}]" if number else ""
        own = Report(self.source, number)
        if isinstance(document, list):
            listed = _listed(document, "", prefix, SHORT, own)
        elif "rules" in document:
            for key in document:
                if key in SPEC:
                    own.stop("", f"unknown key {quote(str(key))}; only a whole Route has one")
                elif key != "rules":
                    own.stop("", unknown_key(key, ("rules",)))
            listed = _listed(document["rules"], "rules", join(prefix, "rules"), SHORT, own)
        else:
            listed = [Entry(document, "", prefix or "rules[0]", SHORT, number)]
        self.short.append((listed, own))

    def _short_route(self) -> Route:
        """The Route that all documents in the short form make up together."""
        rules, problems = read_rules((e for listed, _ in self.short for e in listed), self.source)
        found = [*(p for _, report in self.short for p in report.problems), *problems]
        found.sort(key=lambda problem: problem.document or 0)
        if any(report.stopped for _, report in self.short):
            rules = ()
        networks = [rule for rule in rules if rule.dst is not None]
        services = [rule for rule in rules if rule.dst is None]
        name = _named_after(self.source)
        return Route(name, (*networks, *services), problems=tuple(found), source=self.source)

    def parsed(self) -> Parsed:
        """Everything, each kind in the order of the file."""
        if self.short:
            route = self._short_route()
            report = Report(self.source)
            if self._is_new(KIND, "", route.name, "", report):
                self.routes.append(route)
            self.problems += report.problems
        return Parsed(
            tuple(self.routes),
            tuple(o for o in self.objects if isinstance(o, Service)),
            tuple(o for o in self.objects if isinstance(o, Pod)),
            tuple(o for o in self.objects if isinstance(o, Namespace)),
            tuple(o for o in self.objects if isinstance(o, Workload)),
            tuple(self.problems),
        )


_VERSIONS = {KIND: VERSION, **GROUPS}
_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


def _unread(kind: object) -> str:
    if kind is None:
        return "kind is missing; write apiVersion and kind, as in a manifest for kubectl"
    if not isinstance(kind, str):
        return f"kind must be a string, not {describe(kind)}"
    if kind.endswith("List"):
        return f"{quote(kind)} is read only with items, and not within a list; write its items here"
    return f"kind {quote(kind)} is not read here; {way_out(kind, (KIND, 'List', *GROUPS))}"


def _named_after(source: str) -> str:
    """The name of a Route that comes from a file: its stem, made an RFC 1123 name."""
    stem = source.rpartition("/")[2]
    for ending in (".yaml", ".yml", ".json"):
        stem = stem.removesuffix(ending)
    name = "".join(c if c in _NAMES else "-" for c in stem.lower())
    return name.strip("-")[:253].rstrip("-") or "route"
