"""Filters: which pods a Route is for.

A filter that is wrong anywhere decides nothing: it could let a rule into pods that it was written
to spare. So document.py stops the whole Route for whatever is reported from here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from cni_route.document_fields import (
    Reader,
    Report,
    Wrong,
    describe,
    entries,
    join,
    mapping,
    one_of,
    read_mapping,
)
from cni_route.document_names import label_key, label_name, label_value, subdomain
from cni_route.model import Filter, LabelExpression, Selector

__all__ = ["KINDS", "WORKLOADS", "read_filter"]

WORKLOADS = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob")
KINDS = ("Pod", "Namespace", *WORKLOADS)
_T = TypeVar("_T")
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def read_filter(value: object, path: str, report: Report) -> Filter:
    """The filter at `path`; worth something only if `report` has no problem then."""
    if not isinstance(value, dict):
        report.add(path, f"must be a mapping with include and exclude, not {describe(value)}")
        return Filter()
    readers: dict[str, Reader] = {
        "include": lambda listed: _each(_selector, listed, join(path, "include"), report),
        "exclude": lambda listed: _each(_selector, listed, join(path, "exclude"), report),
    }
    return Filter(**read_mapping(value, path, readers, report))


def _each(
    read: Callable[[object, str, Report], _T], value: object, path: str, report: Report
) -> tuple[_T, ...]:
    """Every entry of the list at `path`, read."""
    return tuple(
        read(entry, f"{path}[{index}]", report)
        for index, entry in enumerate(entries(value, path, report))
    )


def _kind(value: object) -> str:
    return one_of(value, KINDS, "a kind that a filter knows")


_SELECTOR: dict[str, Reader] = {
    "kind": _kind,
    "namespace": label_name,
    "name": subdomain,
}


def _selector(value: object, path: str, report: Report) -> Selector:
    if not isinstance(value, dict):
        example = "{kind: Namespace, name: prod}"
        report.add(path, f"must be a mapping like {example}, not {describe(value)}")
        return Selector("")
    readers = {
        **_SELECTOR,
        "selector": lambda inner: _labels(mapping(inner), join(path, "selector"), report),
    }
    fields = read_mapping(value, path, readers, report)
    if value.get("kind") is None:
        report.add(join(path, "kind"), f"is missing; write one of {', '.join(KINDS)}")
    if fields.get("kind") == "Namespace" and "namespace" in fields:
        report.add(join(path, "namespace"), "means nothing for a Namespace; write name instead")
    return Selector(
        fields.get("kind", ""),
        fields.get("namespace"),
        fields.get("name"),
        fields.get("selector"),
    )


def _labels(
    value: Mapping[object, object], path: str, report: Report
) -> tuple[LabelExpression, ...]:
    """A Kubernetes label selector; all of what it asks for must hold."""
    expressions = join(path, "matchExpressions")
    readers: dict[str, Reader] = {
        "matchLabels": lambda inner: _match_labels(inner, join(path, "matchLabels"), report),
        "matchExpressions": lambda inner: _each(_expression, inner, expressions, report),
    }
    found = read_mapping(value, path, readers, report)
    return (*found.get("matchLabels", ()), *found.get("matchExpressions", ()))


def _match_labels(value: object, path: str, report: Report) -> tuple[LabelExpression, ...]:
    wanted = []
    for key, label in mapping(value).items():
        try:
            name = label_key(key)
        except Wrong as error:
            report.add(path, str(error))
            continue
        try:
            wanted.append(LabelExpression(name, "In", (label_value(label),)))
        except Wrong as error:
            report.add(join(path, name), str(error))
    return tuple(wanted)


def _operator(value: object) -> str:
    return one_of(value, _OPERATORS, "an operator")


def _values(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise Wrong(f"must be a list, not {describe(value)}; write it as [...]")
    return tuple(label_value(entry) for entry in value)


_EXPRESSION: dict[str, Reader] = {"key": label_key, "operator": _operator, "values": _values}


def _expression(value: object, path: str, report: Report) -> LabelExpression:
    if not isinstance(value, dict):
        example = "{key: tier, operator: Exists}"
        report.add(path, f"must be a mapping like {example}, not {describe(value)}")
        return LabelExpression("", "Exists")
    fields = read_mapping(value, path, _EXPRESSION, report)
    for key, example in (("key", "the label's key"), ("operator", " or ".join(_OPERATORS))):
        if value.get(key) is None:
            report.add(join(path, key), f"is missing; write {example}")
    operator, values = fields.get("operator"), fields.get("values", ())
    if operator in ("In", "NotIn") and not values and not value.get("values"):
        report.add(join(path, "values"), f"is missing; {operator} needs at least one")
    if operator in ("Exists", "DoesNotExist") and values:
        report.add(join(path, "values"), f"must not be there: {operator} asks for the key alone")
    return LabelExpression(fields.get("key", ""), operator or "Exists", values)
