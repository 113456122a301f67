"""Filters: which pods a Route is for.

A filter that is wrong anywhere decides nothing: it could let a rule into pods that it was written
to spare. So document.py stops the whole Route for whatever is reported from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    unknown_key,
)
from cni_route.document_names import label_key, label_name, label_value, subdomain
from cni_route.model import Filter, LabelExpression, Selector

__all__ = ["KINDS", "WORKLOADS", "read_filter"]

WORKLOADS = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet", "Job", "CronJob")
KINDS = ("Pod", "Namespace", *WORKLOADS)
_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def read_filter(value: object, path: str, report: Report) -> Filter:
    """The filter at `path`; worth something only if `report` has no problem then."""
    if not isinstance(value, dict):
        report.add(path, f"must be a mapping with include and exclude, not {describe(value)}")
        return Filter()
    lists: dict[object, tuple[Selector, ...]] = {"include": (), "exclude": ()}
    for key, listed in value.items():
        if key not in lists:
            report.add(path, unknown_key(key, ("include", "exclude")))
            continue
        at = join(path, str(key))
        lists[key] = tuple(
            _selector(entry, f"{at}[{index}]", report)
            for index, entry in enumerate(entries(listed, at, report))
        )
    return Filter(lists["include"], lists["exclude"])


def _kind(value: object) -> str:
    return one_of(value, KINDS, "a kind that a filter knows")


_SELECTOR: dict[str, Reader] = {
    "kind": _kind,
    "namespace": label_name,
    "name": subdomain,
    "selector": mapping,
}


def _selector(value: object, path: str, report: Report) -> Selector:
    nothing = Selector("Pod")
    if not isinstance(value, dict):
        report.add(
            path, f"must be a mapping like {{kind: Namespace, name: prod}}, not {describe(value)}"
        )
        return nothing
    fields: dict[str, Any] = {}
    for key, inner in value.items():
        if key == "selector" and isinstance(inner, dict):
            fields["labels"] = _labels(inner, join(path, "selector"), report)
        else:
            fields.update(read_mapping({key: inner}, path, _SELECTOR, report))
    if value.get("kind") is None:
        report.add(join(path, "kind"), f"is missing; write one of {', '.join(KINDS)}")
    if fields.get("kind") == "Namespace" and "namespace" in fields:
        report.add(join(path, "namespace"), "means nothing for a Namespace; write name instead")
    return Selector(
        fields.get("kind", "Pod"),
        fields.get("namespace"),
        fields.get("name"),
        fields.get("labels"),
    )


def _labels(
    value: Mapping[object, object], path: str, report: Report
) -> tuple[LabelExpression, ...]:
    """A Kubernetes label selector; all of what it asks for must hold."""
    found: dict[object, tuple[LabelExpression, ...]] = {}
    for key, inner in value.items():
        at = join(path, str(key)) if isinstance(key, str) else path
        if key == "matchLabels":
            found[key] = _match_labels(inner, at, report)
        elif key == "matchExpressions":
            found[key] = tuple(
                _expression(entry, f"{at}[{index}]", report)
                for index, entry in enumerate(entries(inner, at, report))
            )
        else:
            report.add(path, unknown_key(key, ("matchLabels", "matchExpressions")))
    return found.get("matchLabels", ()) + found.get("matchExpressions", ())


def _match_labels(value: object, path: str, report: Report) -> tuple[LabelExpression, ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        report.add(path, f"must be a mapping like {{tier: cache}}, not {describe(value)}")
        return ()
    wanted = []
    for key, label in value.items():
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
    nothing = LabelExpression("", "Exists")
    if not isinstance(value, dict):
        report.add(
            path,
            f"must be a mapping like {{key: tier, operator: Exists}}, not {describe(value)}",
        )
        return nothing
    fields = read_mapping(value, path, _EXPRESSION, report)
    for key, example in (("key", "the label's key"), ("operator", " or ".join(_OPERATORS))):
        if value.get(key) is None:
            report.add(join(path, key), f"is missing; write {example}")
    operator, values = fields.get("operator"), fields.get("values", ())
    if operator in ("In", "NotIn") and not values and not value.get("values"):
        report.add(join(path, "values"), f"is missing; {operator} needs at least one")
    if operator in ("Exists", "DoesNotExist") and values:
        report.add(join(path, "values"), f"must not be there: {operator} asks for the key alone")
    return LabelExpression(fields.get("key", ""), fields.get("operator", "Exists"), values)
