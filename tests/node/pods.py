"""Pods on the node: a namespace, the NICs that the CNI lists make, and what its tables hold."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tests.node.namespaces import inside, listen, write_sysctl
from tests.node.node import Node
from tests.node.runtime import Result, Runtime, Sandbox

OWN = "114"
BACKUP = "115"
Row = dict[str, Any]  # a route as `ip -json route` shows it

GROUPS = (7, 11, 1, 5, 9)  # RTNLGRP_IPV4_ROUTE, IPV6_ROUTE, LINK, IPV4_IFADDR, IPV6_IFADDR
ROUTE_GROUPS = (7, 11, 8, 19)  # routes and policy rules: IPV4_ROUTE, IPV6_ROUTE, ..._RULE


class Pod:
    """A pod's sandbox; `results` are the CNI results by interface."""

    def __init__(self, runtime: Runtime, sandbox: Sandbox) -> None:
        self.runtime = runtime
        self.node = runtime.node
        self.sandbox = sandbox
        self.results: dict[str, Result] = {}

    @property
    def netns(self) -> Path:
        """The namespace's file, as this process sees it."""
        return self.node.path("/run/netns", Path(self.sandbox.netns).name)

    def ip(self, arguments: str) -> str:
        """`ip ARGUMENTS` in the pod; as text, as a person would see it."""
        return self.node.ip(f"-netns {Path(self.sandbox.netns).name} {arguments}")

    def run(self, *command: str, check: bool = True) -> str:
        """A command in the pod's network."""
        name = Path(self.sandbox.netns).name
        return self.node.run("ip", "netns", "exec", name, *command, check=check).stdout

    def routes(self, table: str = "main") -> list[Row]:
        """The routes of both families, in the kernel's order."""
        return [
            row
            for family in ("-4", "-6")
            for row in json.loads(self.ip(f"-json {family} route show table {table}") or "[]")
        ]

    def own(self) -> list[str]:
        """Our routes, each as one line: "10.86.0.1 dev eth1 via 10.124.2.1"."""
        return sorted(line_of(row) for row in self.routes() if row.get("protocol") == OWN)

    def foreign(self) -> list[Row]:
        """All routes but ours and our backups, comparable."""
        rows = [row for row in self.routes() if row.get("protocol") not in (OWN, BACKUP)]
        return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))

    def settled(self) -> bool:
        """Whether the kernel has put in fe80::/64 for each NIC, which it does a moment later."""
        there = [row for row in self.routes() if row["dst"] == "fe80::/64"]
        return len(there) == len(self.results) - 1  # lo has none

    def policy_rules(self) -> list[Row]:
        """The policy rules of both families."""
        return [
            row for family in ("-4", "-6") for row in json.loads(self.ip(f"-json {family} rule"))
        ]

    def delete(self, netns_gone: bool = False) -> None:
        """What a runtime does at a pod's end: DEL of all lists, then the namespace goes."""
        if netns_gone:
            self.close_namespace()
            self.runtime.delete_pod(self.sandbox, netns_gone=True)
        else:
            self.runtime.delete_pod(self.sandbox)
            self.close_namespace()

    def close_namespace(self) -> None:
        """Take the namespace's name away."""
        self.node.ip(f"netns delete {Path(self.sandbox.netns).name}")


def line_of(row: Row) -> str:
    """A route in one line, without what only clutters."""
    words = [row["dst"]]
    for hop in row.get("nexthops", [row]):
        words += ["dev", hop.get("dev", "-")]
        words += ["via", hop["gateway"]] if "gateway" in hop else []
    if row.get("metric") not in (None, 0, 1024):
        words += ["metric", str(row["metric"])]
    return " ".join(words)


def make_sandbox(node: Node, name: str, namespace: str = "default", uid: str = "") -> Sandbox:
    """A pod's namespace without NICs, named as containerd names it."""
    netns = f"cni-{uuid.uuid4()}"
    node.ip(f"netns add {netns}")
    # As on the node: no wait for IPv6 addresses.
    for which in ("default", "all"):
        path = node.path("/run/netns", netns)
        write_sysctl(path, f"net/ipv6/conf/{which}/accept_dad", "0")
    return Sandbox(
        uuid.uuid4().hex * 2, f"/var/run/netns/{netns}", namespace, name, uid or str(uuid.uuid4())
    )


def make_pod(runtime: Runtime, name: str, namespace: str = "default", uid: str = "") -> Pod:
    """A pod as a runtime makes it: namespace, then ADD of all lists."""
    pod = Pod(runtime, make_sandbox(runtime.node, name, namespace, uid))
    try:
        pod.results = runtime.add_pod(pod.sandbox)
    except Exception:
        pod.close_namespace()
        raise
    return pod


class Changes:
    """Times what happens in a pod's network by the kernel's own notifications.

    with Changes([pod]) as changes:
        edit()
        seconds = changes.until(lambda: pod.own() == [...], "the routes follow")
    """

    def __init__(self, pods: Iterable[Pod], groups: tuple[int, ...] = GROUPS) -> None:
        self._sockets = [listen(pod.netns, groups) for pod in pods]
        self._stamps: list[float] = []
        self._threads = [
            threading.Thread(target=self._read, args=(sock,), daemon=True) for sock in self._sockets
        ]
        self.began = time.perf_counter()

    def _read(self, sock: Any) -> None:
        while True:
            try:
                if not sock.recv(1 << 16):
                    return
            except OSError:
                return
            self._stamps.append(time.perf_counter())

    @property
    def count(self) -> int:
        """How many notifications have come."""
        return len(self._stamps)

    def restart(self) -> None:
        """Count and measure from now on."""
        self._stamps.clear()
        self.began = time.perf_counter()

    def until(self, condition: Callable[[], object], what: str, seconds: float = 10.0) -> float:
        """Wait for the condition; seconds from the start to the last notification before it held.

        Looking takes some milliseconds itself: what comes while the condition is asked may be
        what fulfils it, so it counts.
        """
        deadline = time.perf_counter() + seconds
        while not condition():
            if time.perf_counter() > deadline:
                raise AssertionError(f"waited {seconds:g} s in vain for: {what}")
            time.sleep(0.002)
        seen = time.perf_counter()
        time.sleep(0.002)  # the listener may have yet to note what the condition saw
        return max((s for s in self._stamps if s <= seen), default=seen) - self.began

    def __enter__(self) -> Changes:
        for thread in self._threads:
            thread.start()
        self.restart()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            sock.close()


__all__ = ["Changes", "Pod", "Row", "inside", "line_of", "make_pod", "make_sandbox"]
