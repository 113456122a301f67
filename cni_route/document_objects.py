"""Kubernetes' own objects, projected to what routes depend on.

Their unknown keys are Kubernetes' business. What is wrong with one is reported; an object without
a usable name is left out, for the rest the usable part counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cni_route.address import Address
from cni_route.document_fields import (
    Report,
    Wrong,
    boolean,
    describe,
    integer,
    join,
    mapping,
    quote,
    text,
)
from cni_route.document_filter import WORKLOADS
from cni_route.document_names import label_name, subdomain
from cni_route.model import Namespace, OwnerReference, Pod, Service, Workload

__all__ = ["GROUPS", "Metadata", "Object", "read_metadata", "read_object"]

CONFIG_HASH = "kubernetes.io/config.hash"  # kubelet's own annotation, the UID of a static pod

Object = Service | Pod | Namespace | Workload

GROUPS = {
    "Service": "v1",
    "Pod": "v1",
    "Namespace": "v1",
    **{kind: "batch/v1" if kind in ("Job", "CronJob") else "apps/v1" for kind in WORKLOADS},
}


class Metadata(NamedTuple):
    """What counts of an object's metadata."""

    name: str = ""
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    created: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    config_hash: str = ""
    owners: tuple[OwnerReference, ...] = ()


def read_metadata(value: object, path: str, report: Report) -> Metadata | None:
    """The metadata at `path`; None where there is no usable name."""
    if not isinstance(value, dict):
        report.add(path, f"must be a mapping with a name, not {describe(value)}")
        return None
    found: dict[str, Any] = {}
    for key, inner in value.items():
        reader = _METADATA.get(key) if isinstance(key, str) else None
        if reader is None or inner is None:
            continue
        try:
            found[reader[0]] = reader[1](inner)
        except Wrong as error:
            report.add(join(path, str(key)), str(error))
    if value.get("name") is None:
        report.add(join(path, "name"), "is missing; give the object a name")
    return Metadata(**found) if "name" in found else None


def _created(value: object) -> str:
    written = text(value)
    shape = "".join("0" if c.isdecimal() and c.isascii() else c for c in written)
    if written and shape != "0000-00-00T00:00:00Z":
        raise Wrong(f"{quote(written)} is not a time; write it like 2026-01-31T12:00:00Z")
    return written


def _generation(value: object) -> int:
    return integer(value, 0, 2**63 - 1)


def _labels(value: object) -> tuple[tuple[str, str], ...]:
    labels = mapping(value)
    try:
        return tuple((text(key), text(label)) for key, label in labels.items())
    except Wrong as error:
        raise Wrong(f"each name and value {error}") from None


def _config_hash(value: object) -> str:
    found = mapping(value).get(CONFIG_HASH)
    return "" if found is None else text(found)


def _owners(value: object) -> tuple[OwnerReference, ...]:
    """The controller alone: it is what made the pod, and there is one at most."""
    if not isinstance(value, list):
        raise Wrong(f"must be a list, not {describe(value)}")
    return tuple(
        OwnerReference(*(text(reference.get(key, "")) for key in ("kind", "name", "uid")))
        for reference in map(mapping, value)
        if reference.get("controller") is True
    )


_METADATA: dict[str, tuple[str, Callable[[object], object]]] = {
    "name": ("name", subdomain),
    "namespace": ("namespace", label_name),
    "uid": ("uid", text),
    "generation": ("generation", _generation),
    "creationTimestamp": ("created", _created),
    "labels": ("labels", _labels),
    "annotations": ("config_hash", _config_hash),
    "ownerReferences": ("owners", _owners),
}


def read_object(kind: str, data: dict[object, object], path: str, report: Report) -> Object | None:
    """A document of one of GROUPS; None where it has no usable name."""
    metadata = read_metadata(data.get("metadata"), join(path, "metadata"), report)
    if metadata is None:
        return None
    if kind == "Namespace":
        return Namespace(metadata.name, metadata.labels)
    if kind in WORKLOADS:
        return Workload(kind, metadata.namespace, metadata.name, metadata.uid, metadata.owners)
    at = join(path, "spec")
    spec = data.get("spec")
    if spec is not None and not isinstance(spec, dict):
        report.add(at, f"must be a mapping, not {describe(spec)}")
        return None
    if kind == "Service":
        return _service(metadata, spec or {}, at, report)
    return _pod(metadata, spec or {}, at, report)


def _service(metadata: Metadata, spec: dict[object, object], path: str, report: Report) -> Service:
    namespace, name = metadata.namespace, metadata.name
    if spec.get("type") == "ExternalName":
        return Service(namespace, name, (), "ExternalName")
    addresses, headless = [], False
    for at, value in _cluster_ips(spec, path, report):
        if value == "None":
            headless = True
            continue
        try:
            address = Address.parse(text(value))
        except Wrong as error:
            report.add(at, str(error))
        except ValueError:
            report.add(at, f"{quote(text(value))} is not an IP address")
        else:
            if address not in addresses:
                addresses.append(address)
    without = "" if addresses else "headless" if headless else "no ClusterIP yet"
    return Service(namespace, name, tuple(addresses), without)


def _cluster_ips(spec: dict[object, object], path: str, report: Report) -> list[tuple[str, object]]:
    """All ClusterIPs with their paths; clusterIP is the first of clusterIPs, where both are."""
    several = spec.get("clusterIPs")
    if several is not None and not isinstance(several, list):
        report.add(join(path, "clusterIPs"), f"must be a list, not {describe(several)}")
        several = None
    found: list[tuple[str, object]] = [
        (f"{path}.clusterIPs[{index}]", value) for index, value in enumerate(several or ())
    ]
    single = spec.get("clusterIP")
    if single not in (None, "") and not found:
        found.append((join(path, "clusterIP"), single))
    return found


def _pod(metadata: Metadata, spec: dict[object, object], path: str, report: Report) -> Pod:
    found: dict[str, Any] = {}
    for key, reader in (("nodeName", text), ("hostNetwork", boolean)):
        value = spec.get(key)
        try:
            found[key] = None if value is None else reader(value)
        except Wrong as error:
            report.add(join(path, key), str(error))
    return Pod(
        metadata.namespace,
        metadata.name,
        metadata.uid,
        metadata.labels,
        metadata.owners,
        found.get("nodeName") or "",
        found.get("hostNetwork") or False,
        metadata.config_hash,
    )
