"""Documents of every accepted form become the data of model.py; whatever is wrong is said.

Nothing raises, however odd the document: untrusted data goes in, values and problems come out.
One bad rule never takes the others of its Route down. What is wrong in a part that decides for
which pods the rules are, or which of them win, stops the whole Route.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from cni_route.document_fields import Report, describe, entries, join, quote, unknown_key
from cni_route.document_objects import GROUPS, Object, read_object
from cni_route.document_route import KIND, VERSION, read_route
from cni_route.document_rules import SHORT, Entry, read_rules
from cni_route.document_write import to_document
from cni_route.model import Namespace, Pod, Problem, Route, Rule, Service, Workload

__all__ = ["Parsed", "parse", "parse_rules", "to_document"]

_MARKS = ("apiVersion", "kind", "metadata", "spec", "items")  # one of them: a whole object


class Parsed(NamedTuple):
    """What the documents of one file say.

    `problems` are those of the file: documents that are not read. A Route's own are in the Route.
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
    entries: object, path: str, source: str
) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """The rules of a list that stands in no Route: the plugin's own `routes`, at `path`.

    Each entry is written as in a Route (dst, or namespace and name) or in the short form.
    """
    report = Report(source)
    rules, problems = read_rules(_short(entries, path, path, report), source)
    return rules, (*report.problems, *problems)


def _short(value: object, path: str, name: str, report: Report) -> list[Entry]:
    """The entries of a list in the short form."""
    return [
        Entry(entry, f"{path}[{index}]", f"{name}[{index}]", SHORT, report.document)
        for index, entry in enumerate(entries(value, path, report))
    ]


class _File:
    """What was read so far."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.routes: list[Route] = []
        self.objects: list[Object] = []
        self.problems: list[Problem] = []
        self.short: list[Entry] = []  # entries of all documents in the short form
        self.short_report = Report(source)
        self.is_short = False
        self.seen: dict[tuple[str, str, str], str] = {}

    def read(self, document: object, number: int | None) -> None:
        """Read one document, whatever it is."""
        report = Report(self.source, number)
        if isinstance(document, dict) and any(mark in document for mark in _MARKS):
            self._read_whole(document, report)
        elif isinstance(document, (dict, list)):
            self._read_short(document, report)
        else:
            report.add("", f"the document must be a mapping or a list, not {describe(document)}")
        self.problems += report.problems

    def _read_whole(self, document: dict[object, object], report: Report) -> None:
        kind = document.get("kind")
        if not (isinstance(kind, str) and kind.endswith("List") and "items" in document):
            self._read_object(document, "", report)
            return
        group = document.get("apiVersion")
        inner: dict[object, object] = {}
        if kind != "List":  # in a RouteList, a PodList, the items do not say what they are
            inner = {"apiVersion": group, "kind": kind.removesuffix("List")}
        elif group != "v1":
            report.add("apiVersion", f"must be v1 for a List, not {describe(group)}")
        listed = entries(document["items"], "items", report)
        for index, item in enumerate(listed):
            path = f"items[{index}]"
            if not isinstance(item, dict):
                report.add(path, f"must be an object, not {describe(item)}")
            else:
                self._read_object({**inner, **item}, path, report)

    def _read_object(self, data: dict[object, object], path: str, report: Report) -> None:
        kind, version = data.get("kind"), data.get("apiVersion")
        expected = None
        if isinstance(kind, str):
            expected = VERSION if kind == KIND else GROUPS.get(kind)
        if expected is None:
            report.add(path, _unread(kind))
        elif version != expected:
            report.add(
                join(path, "apiVersion"),
                f"must be {expected} for a {kind}, not {describe(version)}",
            )
        elif kind == KIND:
            route = read_route(data, path, report)
            if route is not None and self._is_new(kind, "", route.name, path, report):
                self.routes.append(route)
        else:
            found = read_object(str(kind), data, path, report)
            if found is not None:
                namespace = "" if isinstance(found, Namespace) else found.namespace
                if self._is_new(str(kind), namespace, found.name, path, report):
                    self.objects.append(found)

    def _is_new(self, kind: str, namespace: str, name: str, path: str, report: Report) -> bool:
        """Whether the file has no such object yet; a second one is a problem."""
        place = " ".join(
            part
            for part in (f"document {report.document}" if report.document else "", path)
            if part
        )
        first = self.seen.setdefault((kind, namespace, name), place)
        if first is place:
            return True
        shown = f"{namespace}/{name}" if namespace else name
        report.add(
            join(path, "metadata.name"), f"the {kind} {shown} stands in {first} already; keep one"
        )
        return False

    def _read_short(self, document: dict[object, object] | list[object], report: Report) -> None:
        """An entry, a list of them, or {"rules": [...]}; the Route is made at the end."""
        number = report.document
        prefix = f"document[{number}]" if number else ""
        self.is_short = True
        own = Report(self.source, number)
        if isinstance(document, list):
            self.short += _short(document, "", prefix, own)
        elif "rules" in document:
            for key in document:
                if key != "rules":
                    own.stop("", unknown_key(key, ("rules",)))
            self.short += _short(document["rules"], "rules", join(prefix, "rules"), own)
        else:
            self.short.append(Entry(document, "", prefix or "rules[0]", SHORT, number))
        self.short_report.problems += own.problems
        self.short_report.stopped |= own.stopped

    def parsed(self) -> Parsed:
        """Everything, each kind in the order of the file."""
        routes = list(self.routes)
        if self.is_short:
            rules, problems = read_rules(self.short, self.source)
            networks = tuple(rule for rule in rules if rule.dst is not None)
            services = tuple(rule for rule in rules if rule.dst is None)
            report = self.short_report
            routes.append(
                Route(
                    _named_after(self.source),
                    () if report.stopped else networks + services,
                    problems=(*report.problems, *problems),
                    source=self.source,
                )
            )
        found = self.objects
        return Parsed(
            tuple(routes),
            tuple(o for o in found if isinstance(o, Service)),
            tuple(o for o in found if isinstance(o, Pod)),
            tuple(o for o in found if isinstance(o, Namespace)),
            tuple(o for o in found if isinstance(o, Workload)),
            tuple(self.problems),
        )


def _unread(kind: object) -> str:
    if kind is None:
        return "kind is missing; write apiVersion and kind, or the short form without spec"
    if not isinstance(kind, str):
        return f"kind must be a string, not {describe(kind)}"
    return f"kind {quote(kind)} is not read here; known are {', '.join((KIND, 'List', *GROUPS))}"


def _named_after(source: str) -> str:
    """The name of a Route that comes from a file: its stem, made an RFC 1123 name."""
    stem = source.rpartition("/")[2]
    for ending in (".yaml", ".yml", ".json"):
        stem = stem.removesuffix(ending)
    kept = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
    name = "".join(c if c in kept else "-" for c in stem.lower())
    return name.strip("-")[:253].rstrip("-") or "route"
