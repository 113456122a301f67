"""Record files and snapshot bodies that nobody should have written, and the sentence for each.

`change` a whole record's (or body's) plain data, then it is wrong; or give the file's bytes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from cni_route import record, view
from cni_route.address import Address, Prefix
from cni_route.model import (
    Hop,
    KernelRoute,
    Namespace,
    OwnerReference,
    Pod,
    Route,
    Rule,
    Service,
    Workload,
    key_of,
)
from cni_route.record import Attachment, Displaced, Record

CONTAINER = "4f3c2a"

_DEFAULT = KernelRoute(
    key_of(Prefix.parse("0.0.0.0/0")), (Hop(2, Address.parse("10.244.1.1")),), protocol=3
)
_BEHIND = _DEFAULT._replace(protocol=4, metrics=((8, b"\x0a"),))
WHOLE = Record(
    CONTAINER,
    "/var/run/netns/cni-1",
    4026532301,
    "default",
    "web",
    "5b1e",
    (
        Attachment("k8s-pod-network", "eth0"),
        Attachment(
            "ovn",
            "eth1",
            (Address.parse("10.124.2.1"), Address.parse("fd00:124::1")),
            (
                Rule("routes[0]", "eth1", Prefix.parse("10.124.0.0/16"), via="auto"),
                Rule("routes[1]", "eth1", Prefix.parse("fd00:1::/64"), mtu=1400),
            ),
        ),
    ),
    (Displaced(_DEFAULT, ("eth0",), (_BEHIND,)),),
    frozenset({key_of(Prefix.parse("0.0.0.0/0")), key_of(Prefix.parse("fd00:1::/64"))}),
)
SNAPSHOT = view.build(
    [Route("demo", (Rule("spec.route[0]", "eth1", Prefix.parse("10.9.0.0/16")),), "u1", 3)],
    [
        Service("default", "nginx", (Address.parse("10.96.0.10"),)),
        Service("a", "b", (), "headless"),
    ],
    [
        Pod(
            "default",
            "web",
            "5b1e",
            (("app", "web"),),
            (OwnerReference("ReplicaSet", "web-7d4b9", "u2"),),
            "node-1",
        ),
        Pod("kube-system", "proxy", "77", None, None, "node-1", True, "c0ffee"),
    ],
    [Namespace("default", (("tier", "front"),))],
    [
        Workload(
            "ReplicaSet", "default", "web-7d4b9", "u2", (OwnerReference("Deployment", "web", ""),)
        )
    ],
)


class Wrong(NamedTuple):
    """One case; `data` is what is read, `sentence` all that is said of it."""

    id: str
    data: bytes
    sentence: str


def _set(path: str, value: object) -> Callable[[Any], None]:
    """Put `value` at a path like `displaced.0.route.dst`."""

    def change(data: Any) -> None:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            data = data[step]
        data[last] = value

    return change


def _without(path: str) -> Callable[[Any], None]:
    """Take out what is at a path."""

    def change(data: Any) -> None:
        *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in way:
            data = data[step]
        del data[last]

    return change


def _of(whole: Any, *cases: tuple[Callable[[Any], None], str]) -> list[Wrong]:
    found = []
    for number, (change, sentence) in enumerate(cases):
        data = copy.deepcopy(whole)
        change(data)
        name = sentence.partition(": ")[0].replace(" ", "-")
        found.append(Wrong(f"{number}-{name}", json.dumps(data).encode(), sentence))
    return found


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


RECORD: Any = record.to_json(WHOLE)
BODY: Any = view.to_json(SNAPSHOT)
_TEXT = json.dumps(RECORD).encode()

NOT_JSON = [
    Wrong("empty", b"", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
    Wrong("prose", b"no record", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
    Wrong("zeroes", bytes(512), "is not JSON: Expecting value: line 1 column 1 (char 0)"),
    Wrong(
        "truncated",
        _TEXT[:34],
        "is not JSON: Unterminated string starting at: line 1 column 31 (char 30)",
    ),
    Wrong(
        "two-in-one",
        _TEXT + _TEXT,
        f"is not JSON: Extra data: line 1 column {len(_TEXT) + 1} (char {len(_TEXT)})",
    ),
    Wrong(
        "not-utf-8",
        b'{"version": 1, "containerID": "\xff"}',
        "is not JSON: 'utf-8' codec can't decode byte 0xff in position 31: invalid start byte",
    ),
]

WRONG_RECORDS = [
    *NOT_JSON,
    Wrong("deep", b"[" * 100_000, "is nested too deeply"),
    Wrong("a-list", b"[]", "version: is missing"),
    Wrong("a-number", b"7", "version: is missing"),
    Wrong("null", b"null", "version: is missing"),
    Wrong("NaN", b'{"version": NaN}', "version: nan is not a number from 0 to 2147483647"),
    Wrong("infinity", b'{"version": 1e999}', "version: inf is not a number from 0 to 2147483647"),
    Wrong(
        "huge",
        b'{"version": 1' + b"0" * 300 + b"}",
        f"version: 1{'0' * 56}... is not a number from 0 to 2147483647",
    ),
    *_of(
        RECORD,
        # versions
        (_without("version"), "version: is missing"),
        (_set("version", 0), "version: 0 is not one that is read here (1)"),
        (_set("version", 2), "version: 2 is not one that is read here (1)"),
        (_set("version", "1"), "version: '1' is not a number from 0 to 2147483647"),
        (_set("version", True), "version: True is not a number from 0 to 2147483647"),
        (_set("version", 1.0), "version: 1.0 is not a number from 0 to 2147483647"),
        (_set("version", None), "version: None is not a number from 0 to 2147483647"),
        # at the top
        (_without("containerID"), "containerID: is missing"),
        (_set("containerID", "4f3c2b"), "containerID: '4f3c2b' is not the file's name"),
        (_set("containerID", "../4f3c2a"), "containerID: '../4f3c2a' is not the file's name"),
        (_set("containerID", None), "containerID: None is not a string"),
        (_without("netns"), "netns: is missing"),
        (_set("netns", 3), "netns: 3 is not a string"),
        (_set("inode", -1), "inode: -1 is not a number from 0 to 18446744073709551615"),
        (_set("inode", 1 << 64), f"inode: {1 << 64} is not a number from 0 to {(1 << 64) - 1}"),
        (_set("inode", 4.5), "inode: 4.5 is not a number from 0 to 18446744073709551615"),
        (_without("pod"), "pod: is missing"),
        (_set("pod", "default/web"), "pod.namespace: is missing"),
        (_set("pod.uid", ["5b1e"]), "pod.uid: a list is not a string"),
        (_set("pod.name", _nested(300)), "pod.name: a list is not a string"),
        # attachments
        (_set("attachments", {}), "attachments: a mapping is not a list"),
        (_set("attachments.0", "eth0"), "attachments[0].routes: is missing"),
        (_without("attachments.1.ifname"), "attachments[1].ifname: is missing"),
        (_set("attachments.1.network", 5), "attachments[1].network: 5 is not a string"),
        (
            _set("attachments.1.gateways", "10.0.0.1"),
            "attachments[1].gateways: '10.0.0.1' is not a list",
        ),
        (
            _set("attachments.1.gateways.0", "10.124.2.256"),
            "attachments[1].gateways[0]: '10.124.2.256' is not an IP address",
        ),
        (_set("attachments.1.gateways.1", 7), "attachments[1].gateways[1]: 7 is not a string"),
        (
            _set("attachments.1.routes.0.dst", "10.124.0.1/16"),
            "attachments[1].routes[0].dst: '10.124.0.1/16' has host bits set; "
            "did you mean 10.124.0.0/16?",
        ),
        (
            _without("attachments.1.routes.0.dev"),
            "attachments[1].routes[0].dev: is missing; name the pod's NIC, like eth1",
        ),
        # displaced routes
        (_set("displaced", None), "displaced: None is not a list"),
        (_set("displaced.0", 4), "displaced[0].route: is missing"),
        (_without("displaced.0.route.dst"), "displaced[0].route.dst: is missing"),
        (
            _set("displaced.0.route.dst", "10.0.0.1/8"),
            "displaced[0].route.dst: '10.0.0.1/8' has host bits set; did you mean 10.0.0.0/8?",
        ),
        (
            _set("displaced.0.route.dst", "default"),
            "displaced[0].route.dst: 'default' is not a CIDR or an IP address",
        ),
        (
            _set("displaced.0.route.metric", 1 << 32),
            "displaced[0].route.metric: 4294967296 is not a number from 0 to 4294967295",
        ),
        (
            _set("displaced.0.route.protocol", 256),
            "displaced[0].route.protocol: 256 is not a number from 0 to 255",
        ),
        (
            _set("displaced.0.route.src", "eth0"),
            "displaced[0].route.src: 'eth0' is not an IP address",
        ),
        (
            _set("displaced.0.route.hops.0.via", "10.244.1"),
            "displaced[0].route.hops[0].via: '10.244.1' is not an IP address",
        ),
        (
            _set("displaced.0.route.hops.0.dev", "eth0"),
            "displaced[0].route.hops[0].dev: 'eth0' is not a number from 0 to 2147483647",
        ),
        (
            _set("displaced.0.route.hops.0.weight", 0),
            "displaced[0].route.hops[0].weight: 0 is not a number from 1 to 256",
        ),
        (
            _set("displaced.0.route.hops.0.onlink", "no"),
            "displaced[0].route.hops[0].onlink: 'no' is not true or false",
        ),
        (
            _set("displaced.0.route.metrics", [[2, "05dx"]]),
            "displaced[0].route.metrics[0][1]: '05dx' is not bytes in hexadecimal",
        ),
        (_set("displaced.0.route.extra", [[9]]), "displaced[0].route.extra[0][1]: is missing"),
        (
            _set("displaced.0.route.extra", [[70000, ""]]),
            "displaced[0].route.extra[0][0]: 70000 is not a number from 0 to 65535",
        ),
        (_set("displaced.0.devs", []), "displaced[0].devs: 0 names for 1 hops"),
        (_set("displaced.0.devs", ["eth0", "eth1"]), "displaced[0].devs: 2 names for 1 hops"),
        (_set("displaced.0.devs.0", 2), "displaced[0].devs[0]: 2 is not a string"),
        (_set("displaced.0.behind.0.hops", 1), "displaced[0].behind[0].hops: 1 is not a list"),
        # applied keys
        (_set("applied", "0.0.0.0/0"), "applied: '0.0.0.0/0' is not a list"),
        (_set("applied.0", "0.0.0.0/0"), "applied[0][0]: is missing"),
        (_set("applied.1", ["fd00:1::/64", 1024, 0]), "applied[1][3]: is missing"),
        (
            _set("applied.1.0", "fd00:1::1/64"),
            "applied[1][0]: 'fd00:1::1/64' has host bits set; did you mean fd00:1::/64?",
        ),
        (_set("applied.0.1", -5), "applied[0][1]: -5 is not a number from 0 to 4294967295"),
    ),
]

WRONG_BODIES = [
    Wrong("a-list", b"[]", "version: is missing"),
    Wrong("a-text", b'"view"', "version: is missing"),
    *_of(
        BODY,
        (_without("version"), "version: is missing"),
        (_set("version", 2), "version: 2 is not one that is read here (1)"),
        (_set("version", -1), "version: -1 is not a number from 0 to 2147483647"),
        (_without("routes"), "routes: is missing"),
        (_set("routes", {}), "routes: a mapping is not a list"),
        (_without("services"), "services: is missing"),
        (_set("services.0", "default/nginx"), "services[0][2]: is missing"),
        (_set("services.0.2", "10.96.0.10"), "services[0][2]: '10.96.0.10' is not a list"),
        (_set("services.0.2.0", "nginx"), "services[0][2][0]: 'nginx' is not an IP address"),
        (_set("services.1.3", None), "services[1][3]: None is not a string"),
        (_set("pods.0", []), "pods[0].namespace: is missing"),
        (_set("pods.0.uid", 5), "pods[0].uid: 5 is not a string"),
        (_without("pods.0.labels"), "pods[0].labels: is missing"),
        (_set("pods.0.labels", {"app": "web"}), "pods[0].labels: a mapping is not a list"),
        (_set("pods.0.labels.0", ["app"]), "pods[0].labels[0][1]: is missing"),
        (_set("pods.0.owners.0", ["ReplicaSet", "web"]), "pods[0].owners[0][2]: is missing"),
        (_set("pods.1.hostNetwork", "true"), "pods[1].hostNetwork: 'true' is not true or false"),
        (_set("pods.1.configHash", None), "pods[1].configHash: None is not a string"),
        (_set("namespaces.0", "default"), "namespaces[0][0]: is missing"),
        (_set("namespaces.0.1.0", ["tier", 1]), "namespaces[0][1][0][1]: 1 is not a string"),
        (_set("workloads.0", {}), "workloads[0][0]: is missing"),
        (_set("workloads.0.4", [[]]), "workloads[0][4][0][0]: is missing"),
    ),
]
