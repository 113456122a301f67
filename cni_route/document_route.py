"""A Route document: its rules, and whether they may apply at all."""

from __future__ import annotations

from typing import Any

from cni_route.document_fields import (
    Report,
    Wrong,
    describe,
    entries,
    integer,
    join,
    one_of,
    quote,
    text,
    unknown_key,
)
from cni_route.document_filter import read_filter
from cni_route.document_objects import read_metadata
from cni_route.document_rules import NETWORKS, SERVICES, Entry, read_rules
from cni_route.model import Route, Rule

__all__ = ["KIND", "SPEC", "VERSION", "read_route"]

KIND = "Route"
VERSION = "k8s.ovn.org/v1"

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
SPEC = ("route", "svc", "mode", "priority", "feature_gate", "filter")
_FORMS = {"route": NETWORKS, "svc": SERVICES}


def read_route(data: dict[object, object], path: str, report: Report) -> Route | None:
    """The Route in `data`, which stands at `path` of its document.

    Without a usable name there is none: then all of its problems go into `report`.
    """
    own = Report(report.source, report.document)
    metadata, spec = None, _Spec()
    for key, value in data.items():
        if key == "metadata":
            metadata = read_metadata(value, join(path, "metadata"), own)
        elif key == "spec":
            spec.read(value, join(path, "spec"), own)
        elif key in SPEC:
            own.stop(path, f"unknown key {quote(str(key))}; move it into spec")
        elif key not in _TOP:
            own.stop(path, unknown_key(key, _TOP))
    if "metadata" not in data:
        read_metadata({}, join(path, "metadata"), own)
    if metadata is None:
        report.problems += own.problems
        return None
    return Route(
        metadata.name,
        () if own.stopped else spec.networks + spec.services,
        metadata.uid,
        metadata.generation,
        metadata.created,
        problems=tuple(own.problems),
        source=report.source,
        **spec.settings,
    )


class _Spec:
    """What a spec says; `settings` are fields of Route by name."""

    def __init__(self) -> None:
        self.networks: tuple[Rule, ...] = ()
        self.services: tuple[Rule, ...] = ()
        self.settings: dict[str, Any] = {}

    def read(self, value: object, path: str, report: Report) -> None:
        """Read all keys in the document's order; null is an empty spec."""
        if value is None:
            return
        if not isinstance(value, dict):
            report.add(path, f"must be a mapping, not {describe(value)}")
            return
        for key, inner in value.items():
            if key == "route":
                self.networks = _rules(key, inner, path, report)
            elif key == "svc":
                self.services = _rules(key, inner, path, report)
            elif key not in SPEC:
                report.stop(path, unknown_key(key, SPEC))
            elif key == "feature_gate" and inner is not None:
                self.settings[key] = _feature_gate(inner, join(path, key), report)
            elif inner is not None:
                self._decide(str(key), inner, join(path, str(key)), report)

    def _decide(self, key: str, value: object, path: str, report: Report) -> None:
        """Read what decides for which pods the rules are, or which of them win."""
        part = Report(report.source, report.document)
        try:
            if key == "filter":
                found: object = read_filter(value, path, part)
            elif key == "mode":
                found = one_of(value, ("Apply", "Observe"), "a mode")
            else:
                found = integer(value, -(2**31), 2**31 - 1)
        except Wrong as error:
            part.add(path, str(error))
        if part.problems:
            report.stop_for(part)
        else:
            self.settings[key] = found


def _rules(key: str, value: object, path: str, report: Report) -> tuple[Rule, ...]:
    at = join(path, key)
    rules, problems = read_rules(
        (
            Entry(entry, f"{at}[{index}]", f"spec.{key}[{index}]", _FORMS[key], report.document)
            for index, entry in enumerate(entries(value, at, report))
        ),
        report.source,
    )
    report.problems += problems
    return rules


def _feature_gate(value: object, path: str, report: Report) -> tuple[tuple[str, str], ...]:
    """Strings by name; which of the names are known is for the status to say."""
    if not isinstance(value, dict):
        report.add(path, f"must be a mapping of strings, not {describe(value)}")
        return ()
    gates = {}
    for key, inner in value.items():
        try:
            gates[text(key)] = text(inner)
        except Wrong as error:
            if isinstance(key, str):
                report.add(join(path, key), str(error))
            else:
                report.add(path, f"each name {error}")
    return tuple(gates.items())
