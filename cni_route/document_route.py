"""A Route document: its spec, and how much of it may apply."""

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
    text,
    unknown_key,
)
from cni_route.document_filter import read_filter
from cni_route.document_objects import read_metadata
from cni_route.document_rules import NETWORKS, SERVICES, Entry, read_rules
from cni_route.model import Filter, Route, Rule

__all__ = ["KIND", "VERSION", "read_route"]

KIND = "Route"
VERSION = "k8s.ovn.org/v1"

_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC = ("route", "svc", "mode", "priority", "feature_gate", "filter")


def read_route(data: dict[object, object], path: str, report: Report) -> Route | None:
    """The Route in `data`, which stands at `path` of its document.

    Without a usable name there is none: then all of its problems go into `report`.
    """
    own = Report(report.source, report.document)
    metadata, spec = None, _Spec()
    if "metadata" not in data:
        metadata = read_metadata({}, join(path, "metadata"), own)
    for key, value in data.items():
        if key == "metadata":
            metadata = read_metadata(value, join(path, "metadata"), own)
        elif key == "spec":
            spec.read(value, join(path, "spec"), own)
        elif key not in _TOP:
            own.stop(path, unknown_key(key, _TOP))
    if metadata is None:
        report.problems += own.problems
        return None
    return Route(
        metadata.name,
        () if own.stopped else spec.networks + spec.services,
        metadata.uid,
        metadata.generation,
        metadata.created,
        source=report.source,
        problems=tuple(own.problems),
        **spec.settings,
    )


class _Spec:
    """What a spec says, read key by key."""

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
                self.networks = _rules(inner, path, key, report)
            elif key == "svc":
                self.services = _rules(inner, path, key, report)
            elif key not in _SPEC:
                report.stop(path, unknown_key(key, _SPEC))
            elif inner is not None:
                self._setting(str(key), inner, join(path, str(key)), report)

    def _setting(self, key: str, value: object, path: str, report: Report) -> None:
        if key == "feature_gate":
            self.settings[key] = _feature_gate(value, path, report)
            return
        part = Report(report.source, report.document)
        if key == "filter":
            self.settings[key] = read_filter(value, path, part)
        else:
            try:
                self.settings[key] = _mode(value) if key == "mode" else _priority(value)
            except Wrong as error:
                part.add(path, str(error))
        report.stop_for(part)
        if part.problems and key == "filter":
            self.settings[key] = Filter()


def _rules(value: object, path: str, key: str, report: Report) -> tuple[Rule, ...]:
    form = NETWORKS if key == "route" else SERVICES
    at = join(path, key)
    rules, problems = read_rules(
        [
            Entry(entry, f"{at}[{index}]", f"spec.{key}[{index}]", form, report.document)
            for index, entry in enumerate(entries(value, at, report))
        ],
        report.source,
    )
    report.problems += problems
    return rules


def _mode(value: object) -> str:
    return one_of(value, ("Apply", "Observe"), "a mode")


def _priority(value: object) -> int:
    return integer(value, -(2**31), 2**31 - 1)


def _feature_gate(value: object, path: str, report: Report) -> tuple[tuple[str, str], ...]:
    """Strings by name; which of them are known is for the status to say."""
    if not isinstance(value, dict):
        report.add(path, f"must be a mapping of strings, not {describe(value)}")
        return ()
    gates = []
    for key, inner in value.items():
        if not isinstance(key, str):
            report.add(path, f"has {describe(key)} as a key; keys are strings")
            continue
        try:
            gates.append((key, text(inner)))
        except Wrong as error:
            report.add(join(path, key), str(error))
    return tuple(gates)
