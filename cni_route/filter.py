"""Whether a Route is for a pod: yes, no, or not known yet. Pure.

Three-valued by design: what cannot be decided from what is known gives no route, in include and
exclude alike, and says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, Protocol

from cni_route.model import (
    Filter,
    LabelExpression,
    Namespace,
    OwnerReference,
    Pod,
    Selector,
    Workload,
)

Answer = Literal["yes", "no", "unknown"]


class Known(Protocol):
    """What a filter may ask about besides the pod (a View is one)."""

    @property
    def namespaces(self) -> Mapping[str, Namespace]:
        """Namespaces by name."""

    @property
    def workloads(self) -> Mapping[tuple[str, str, str], Workload]:
        """Workloads by kind, namespace and name."""


class Decision(NamedTuple):
    """`answer`, and for no and unknown the reason: "exclude[0]", "labels of the pod"."""

    answer: Answer
    reason: str = ""


YES = Decision("yes")


def decide(chosen: Filter, pod: Pod, known: Known) -> Decision:
    """Apply a filter: exclude wins over include; an empty filter is every pod."""
    missing = ""
    for index, selector in enumerate(chosen.exclude):
        decision = matches(selector, pod, known)
        if decision.answer == "yes":
            return Decision("no", f"exclude[{index}]")
        missing = missing or decision.reason
    if missing:
        return Decision("unknown", missing)
    if not chosen.include:
        return YES
    for selector in chosen.include:
        decision = matches(selector, pod, known)
        if decision.answer == "yes":
            return YES
        missing = missing or decision.reason
    return Decision("unknown", missing) if missing else Decision("no", "no include matches")


def matches(selector: Selector, pod: Pod, known: Known) -> Decision:
    """Whether one selector picks the pod; unknown with what is missing."""
    if selector.kind == "Namespace":
        return _namespace(selector, pod, known)
    if selector.namespace is not None and selector.namespace != pod.namespace:
        return Decision("no")
    if selector.kind == "Pod":
        owned = Decision("yes" if selector.name in (None, pod.name) else "no")
    else:
        owned = _owner(selector, pod, known)
    if owned.answer == "no" or not selector.labels:
        return owned
    if pod.labels is None:
        return Decision("unknown", "labels of the pod")
    if not _labels(selector.labels, dict(pod.labels)):
        return Decision("no")
    return owned


def _namespace(selector: Selector, pod: Pod, known: Known) -> Decision:
    names = [n for n in (selector.name, selector.namespace) if n is not None]
    if any(name != pod.namespace for name in names):
        return Decision("no")
    if not selector.labels:
        return YES
    namespace = known.namespaces.get(pod.namespace)
    if namespace is None:
        return Decision("unknown", f"labels of namespace {pod.namespace}")
    return Decision("yes" if _labels(selector.labels, dict(namespace.labels)) else "no")


def _owner(selector: Selector, pod: Pod, known: Known) -> Decision:
    """Walk from the pod's owner upwards: Deployment by its ReplicaSet, CronJob by its Job."""
    if pod.owners is None:
        return Decision("unknown", "owners of the pod")
    missing = ""
    for owner, above_known in _ancestry(pod, known):
        if owner.kind == selector.kind:
            if selector.name in (None, owner.name):
                return YES
        elif not above_known and _may_own(selector.kind, owner.kind):
            missing = f"owners of {owner.kind} {owner.name}"
    return Decision("unknown", missing) if missing else Decision("no")


def _ancestry(pod: Pod, known: Known) -> Iterator[tuple[OwnerReference, bool]]:
    for owner in pod.owners or ():
        workload = known.workloads.get((owner.kind, pod.namespace, owner.name))
        yield owner, workload is not None
        for above in workload.owners if workload else ():
            yield above, True


def _may_own(kind: str, below: str) -> bool:
    return (kind, below) in (("Deployment", "ReplicaSet"), ("CronJob", "Job"))


def _labels(wanted: tuple[LabelExpression, ...], labels: Mapping[str, str]) -> bool:
    return all(_expression(expression, labels) for expression in wanted)


def _expression(expression: LabelExpression, labels: Mapping[str, str]) -> bool:
    value = labels.get(expression.key)
    if expression.operator == "In":
        return value is not None and value in expression.values
    if expression.operator == "NotIn":
        # as in Kubernetes: a missing key is not in any list
        return value is None or value not in expression.values
    return (value is not None) == (expression.operator == "Exists")
