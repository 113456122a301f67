"""A Route as a document: the canonical form, which document.parse reads back as the same Route."""

from __future__ import annotations

from cni_route.address import DEFAULT4, DEFAULT6, Prefix
from cni_route.model import Filter, LabelExpression, Route, Rule, Selector

__all__ = ["to_document"]


def to_document(route: Route) -> dict[str, object]:
    """The k8s.ovn.org/v1 Route that stands for `route`; what is default is left out.

    Problems, and the rules that are not there because of them, have no place in it; so rules
    behind such a one get another path when they are read back.
    """
    metadata: dict[str, object] = {"name": route.name}
    if route.uid:
        metadata["uid"] = route.uid
    if route.generation:
        metadata["generation"] = route.generation
    if route.created:
        metadata["creationTimestamp"] = route.created
    return {
        "apiVersion": "k8s.ovn.org/v1",
        "kind": "Route",
        "metadata": metadata,
        "spec": _spec(route),
    }


def _spec(route: Route) -> dict[str, object]:
    spec: dict[str, object] = {}
    networks = [_rule(rule) for rule in route.rules if rule.dst is not None]
    services = [_rule(rule) for rule in route.rules if rule.dst is None]
    if networks:
        spec["route"] = networks
    if services:
        spec["svc"] = services
    if route.mode != "Apply":
        spec["mode"] = route.mode
    if route.priority:
        spec["priority"] = route.priority
    if route.feature_gate:
        spec["feature_gate"] = dict(route.feature_gate)
    if route.filter != Filter():
        spec["filter"] = {
            name: [_selector(selector) for selector in selectors]
            for name, selectors in route.filter._asdict().items()
            if selectors
        }
    return spec


def _rule(rule: Rule) -> dict[str, object]:
    entry: dict[str, object] = {}
    if rule.dst is not None:
        entry["dst"] = _destination(rule.dst)
    elif rule.service is not None:
        entry["namespace"], entry["name"] = rule.service
    entry["dev"] = rule.dev
    if rule.via is not None:
        entry["via"] = str(rule.via)
    if rule.metric is not None:
        entry["metric"] = rule.metric
    if rule.src is not None:
        entry["src"] = str(rule.src)
    if rule.mtu is not None:
        entry["mtu"] = rule.mtu
    if rule.onlink:
        entry["onlink"] = True
    return entry


def _destination(dst: Prefix) -> str:
    if dst == DEFAULT4:
        return "default"
    if dst == DEFAULT6:
        return "default6"
    return str(dst)


def _selector(selector: Selector) -> dict[str, object]:
    entry: dict[str, object] = {"kind": selector.kind}
    if selector.namespace is not None:
        entry["namespace"] = selector.namespace
    if selector.name is not None:
        entry["name"] = selector.name
    if selector.labels is not None:
        entry["selector"] = _labels(selector.labels)
    return entry


def _labels(labels: tuple[LabelExpression, ...]) -> dict[str, object]:
    """As many as possible of the first requirements as matchLabels, which are read first."""
    match: dict[str, str] = {}
    count = 0
    for key, operator, values in labels:
        if operator != "In" or len(values) != 1 or key in match:
            break
        match[key] = values[0]
        count += 1
    selector: dict[str, object] = {}
    if match:
        selector["matchLabels"] = match
    if labels[count:]:
        selector["matchExpressions"] = [_expression(label) for label in labels[count:]]
    return selector


def _expression(label: LabelExpression) -> dict[str, object]:
    entry: dict[str, object] = {"key": label.key, "operator": label.operator}
    if label.values:
        entry["values"] = list(label.values)
    return entry
