"""Filters, pods, and what is decided: one line a case, in a notation for selectors of its own.

A selector: `KIND NAMESPACE/NAME [EXPRESSIONS]`, * for what is not restricted (`NAME` alone for kind
Namespace). Expressions, separated by `;`: `key in a,b`, `key notin a,b`, `key`, `!key`; `[]` is a
selector with none. A filter: selectors, separated by `|`; those behind `-` exclude.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from cni_route.model import (
    Filter,
    LabelExpression,
    Namespace,
    OwnerReference,
    Pod,
    Selector,
    Workload,
)
from cni_route.view import build


def owned_by(kind: str, name: str) -> tuple[OwnerReference, ...]:
    return (OwnerReference(kind, name, f"uid-of-{name}"),)


LABELS = (("app", "web"), ("tier", "front"), ("empty", ""))
PODS = {
    "web": Pod("prod", "web-7d-x", "u1", LABELS, owned_by("ReplicaSet", "web-7d")),
    "db": Pod("prod", "db-0", "u2", (("app", "db"),), owned_by("StatefulSet", "db")),
    "log": Pod("kube-system", "log-x2", "u3", (), owned_by("DaemonSet", "log")),
    "night": Pod("dev", "night-1-x", "u4", (), owned_by("Job", "night-1")),
    "bare": Pod("dev", "bare", "u5", (), ()),
    # its ReplicaSet is not known (yet)
    "new": Pod("prod", "new-9f-x", "u6", (), owned_by("ReplicaSet", "new-9f")),
    "early": Pod("prod", "early-1-x", "u7", (), owned_by("Job", "early-1")),
    # as CNI arguments alone tell of a pod
    "born": Pod("prod", "born", "u8"),
    "lost": Pod("nowhere", "lost", "u9", (), ()),
    "two": Pod(
        "prod",
        "two",
        "ua",
        (),
        (*owned_by("ReplicaSet", "web-7d"), *owned_by("DaemonSet", "log")),
    ),
    "orphan": Pod("prod", "orphan-5-x", "ub", (), owned_by("ReplicaSet", "orphan-5")),
    "static": Pod("prod", "static-node-1", "uc", (), owned_by("Node", "node-1")),
}
KNOWN = build(
    namespaces=[
        Namespace("prod", (("env", "prod"), ("team", "a"))),
        Namespace("dev", (("env", "dev"),)),
        Namespace("kube-system"),
    ],
    workloads=[
        Workload("ReplicaSet", "prod", "web-7d", "", owned_by("Deployment", "web")),
        Workload("ReplicaSet", "prod", "orphan-5"),
        Workload("Job", "dev", "night-1", "", owned_by("CronJob", "night")),
        Workload("StatefulSet", "prod", "db"),
    ],
)

_TABLE = """
# empty filters: every pod
web:     = yes
born:    = yes

# Pod: name and namespace
web:     Pod */* = yes
web:     Pod prod/* = yes
web:     Pod dev/* = no: no include matches
web:     Pod */web-7d-x = yes
web:     Pod */web = no: no include matches
web:     Pod prod/web-7d-x = yes
web:     Pod dev/web-7d-x = no: no include matches
born:    Pod prod/born = yes
born:    Pod dev/born = no: no include matches

# Pod: labels
web:     Pod */* [app in web] = yes
web:     Pod */* [app in db,web] = yes
web:     Pod */* [app in db] = no: no include matches
web:     Pod */* [App in web] = no: no include matches
web:     Pod */* [app notin db] = yes
web:     Pod */* [app notin db,web] = no: no include matches
web:     Pod */* [gpu notin yes] = yes
web:     Pod */* [gpu in yes] = no: no include matches
web:     Pod */* [app] = yes
web:     Pod */* [gpu] = no: no include matches
web:     Pod */* [empty] = yes
web:     Pod */* [empty in ] = yes
web:     Pod */* [app in ] = no: no include matches
web:     Pod */* [!gpu] = yes
web:     Pod */* [!app] = no: no include matches
web:     Pod */* [!empty] = no: no include matches
web:     Pod */* [app in web; tier in front] = yes
web:     Pod */* [app in web; tier in back] = no: no include matches
web:     Pod */* [app; !gpu; tier notin back] = yes
web:     Pod */* [] = yes
web:     Pod prod/web-7d-x [app in web] = yes
web:     Pod dev/* [app in web] = no: no include matches
bare:    Pod */* [app] = no: no include matches
bare:    Pod */* [!app] = yes

# Pod: labels that are not known
born:    Pod */* [app in web] = unknown: labels of the pod
born:    Pod */* [!gpu] = unknown: labels of the pod
born:    Pod */* [] = yes
born:    Pod dev/* [app in web] = no: no include matches
born:    Pod */other [app in web] = no: no include matches

# Namespace
web:     Namespace * = yes
web:     Namespace prod = yes
web:     Namespace dev = no: no include matches
web:     Namespace * [env in prod] = yes
web:     Namespace * [env in dev] = no: no include matches
web:     Namespace prod [team] = yes
web:     Namespace dev [team] = no: no include matches
bare:    Namespace * [!team] = yes
log:     Namespace * [env] = no: no include matches
log:     Namespace * [] = yes
lost:    Namespace nowhere = yes
lost:    Namespace * [] = yes
lost:    Namespace * [env in prod] = unknown: labels of namespace nowhere
lost:    Namespace prod [env in prod] = no: no include matches
born:    Namespace * [env in prod] = yes
web:     Namespace prod/* = yes
web:     Namespace dev/* = no: no include matches
web:     Namespace prod/dev = no: no include matches
web:     Namespace dev/prod = no: no include matches

# workloads: directly
web:     ReplicaSet */* = yes
web:     ReplicaSet prod/web-7d = yes
web:     ReplicaSet */web-8c = no: no include matches
db:      StatefulSet */* = yes
db:      StatefulSet prod/db = yes
db:      StatefulSet dev/db = no: no include matches
db:      DaemonSet */* = no: no include matches
db:      Deployment */* = no: no include matches
log:     DaemonSet */log = yes
night:   Job dev/night-1 = yes
new:     ReplicaSet */new-9f = yes
bare:    ReplicaSet */* = no: no include matches
static:  DaemonSet */* = no: no include matches
two:     DaemonSet */log = yes

# workloads: by what owns the owner
web:     Deployment */* = yes
web:     Deployment prod/web = yes
web:     Deployment */web-7d = no: no include matches
web:     Deployment dev/web = no: no include matches
two:     Deployment */web = yes
orphan:  Deployment */* = no: no include matches
night:   CronJob */* = yes
night:   CronJob dev/night = yes
night:   CronJob */other = no: no include matches
night:   Deployment */* = no: no include matches
web:     CronJob */* = no: no include matches

# workloads that are not known
new:     Deployment */* = unknown: owners of ReplicaSet new-9f
new:     Deployment */web = unknown: owners of ReplicaSet new-9f
new:     Deployment dev/web = no: no include matches
new:     CronJob */* = no: no include matches
early:   CronJob */* = unknown: owners of Job early-1
early:   Deployment */* = no: no include matches
born:    Deployment */* = unknown: owners of the pod
born:    StatefulSet */born = unknown: owners of the pod
born:    StatefulSet dev/born = no: no include matches

# workloads and the labels of their pods
web:     Deployment */web [app in web] = yes
web:     Deployment */web [app in db] = no: no include matches
web:     Deployment */web [] = yes
new:     Deployment */* [app] = no: no include matches
new:     Deployment */* [!app] = unknown: owners of ReplicaSet new-9f
born:    Deployment */* [app] = unknown: labels of the pod

# several: any include is enough, any exclude too, and exclude wins
web:     Namespace dev | Pod */* [app in web] = yes
web:     Namespace dev | Pod */* [app in db] = no: no include matches
web:     - Namespace prod = no: exclude[0]
web:     - Namespace dev = yes
web:     Namespace prod - Pod */* [app in web] = no: exclude[0]
web:     Namespace prod - Namespace dev | Deployment prod/web = no: exclude[1]
web:     Namespace prod - Namespace prod = no: exclude[0]
web:     Namespace prod - Pod */* [app in db] = yes
web:     Namespace dev - Namespace prod = no: exclude[0]
web:     - Pod */* = no: exclude[0]

# several: what is not known decides nothing, unless the rest does
born:    Pod */* [app] | Namespace prod = yes
born:    Namespace dev | Pod */* [app] = unknown: labels of the pod
born:    Deployment */web | Pod */* [app] = unknown: owners of the pod
born:    - Pod */* [app] = unknown: labels of the pod
born:    Namespace prod - Pod */* [app] = unknown: labels of the pod
born:    - Pod */* [app] | Namespace prod = no: exclude[1]
born:    - Pod */* [app] | Namespace dev = unknown: labels of the pod
born:    Pod */* [app] - Namespace prod = no: exclude[0]
lost:    Namespace nowhere - Namespace * [env in prod] = unknown: labels of namespace nowhere
new:     - Deployment */web = unknown: owners of ReplicaSet new-9f
"""


class FilterCase(NamedTuple):
    """One line of the table."""

    text: str
    pod: Pod
    filter: Filter
    answer: str
    reason: str


def selector(text: str) -> Selector:
    """Read a selector in the notation above."""
    head, bracket, tail = text.strip().partition(" [")
    kind, _, place = head.partition(" ")
    namespace, slash, name = place.partition("/")
    if not slash:
        namespace, name = "*", namespace
    expressions = tuple(
        _expression(part.strip()) for part in tail.removesuffix("]").split(";") if part.strip()
    )
    return Selector(kind, _given(namespace), _given(name), expressions if bracket else None)


def _given(word: str) -> str | None:
    return None if word == "*" else word


def _expression(text: str) -> LabelExpression:
    key, _, rest = text.partition(" ")
    if rest:
        word, _, values = rest.partition(" ")
        return LabelExpression(key, {"in": "In", "notin": "NotIn"}[word], tuple(values.split(",")))  # type: ignore[arg-type]
    if key.startswith("!"):
        return LabelExpression(key[1:], "DoesNotExist")
    return LabelExpression(key, "Exists")


def _selectors(text: str) -> tuple[Selector, ...]:
    return tuple(selector(part) for part in text.split("|") if part.strip())


def _cases() -> Iterator[FilterCase]:
    for line in _TABLE.splitlines():
        if line and not line.startswith("#"):
            body, _, answer = line.rpartition(" = ")
            pod, _, chosen = body.partition(":")
            include, _, exclude = f"{chosen} ".partition(" - ")
            made = Filter(_selectors(include), _selectors(exclude))
            word, _, reason = answer.partition(": ")
            yield FilterCase(line, PODS[pod], made, word, reason)


FILTER_CASES = tuple(_cases())
