"""Where the verbs work in tests: records on disk, a pod on the fake kernel, a real namespace.

The namespace is what the checks look at; the routes are the fake kernel's, with its faults.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cni_route.cni.verbs import Answer, Call, Context, handle
from cni_route.model import Pod
from cni_route.reconcile import DEFAULTS, Outcome, reconcile
from cni_route.record import Attachment, Record
from cni_route.view import EMPTY, View
from tests.kernel.namespaces import Namespace
from tests.unit.pods import FakePod

GOOD: dict[str, Any] = {"cniVersion": "1.1.0", "name": "net", "type": "cni-route", "logFile": ""}
RESULT: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "interfaces": [{"name": "eth0", "sandbox": "/netns"}],
    "ips": [{"interface": 0, "address": "10.244.1.5/24", "gateway": "10.244.1.9"}],
    "x-kept": [1],
}
ARGUMENTS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=uid-1"


class Site:
    """A node with one pod; `view` is what the service knows, `context` what is special about it."""

    def __init__(self, folder: Path, namespace: Namespace) -> None:
        self.pod = FakePod(folder)
        self.sandboxes = self.pod.sandboxes
        self.sandboxes.remove("pod1")
        self.namespace = namespace
        self.view: View = EMPTY
        self.asked: list[tuple[str, str, str]] = []
        self.passes: list[bool] = []  # whether each was dry
        self.forgotten: list[str] = []
        self.log: list[str] = []
        self.options = DEFAULTS
        self.pass_over: Callable[[Record, int, bool], Outcome] = self._pass_over
        self.context: dict[str, Any] = {}

    def _pass_over(self, record: Record, descriptor: int, dry: bool) -> Outcome:
        assert os.fstat(descriptor).st_ino == self.namespace.inode
        self.passes.append(dry)
        return reconcile(
            record,
            self.view,
            self.pod.kernel,
            self.sandboxes,
            namespace=self.pod.ns.descriptor,
            options=self.options._replace(dry=dry),
        )

    def _find_pod(self, namespace: str, name: str, uid: str) -> Pod | None:
        self.asked.append((namespace, name, uid))
        return self.view.find_pod(namespace, name, uid)

    def call(
        self,
        verb: str,
        stdin: dict[str, Any] | bytes | None = None,
        descriptor: int | None = None,
        /,
        **variables: str,
    ) -> Answer:
        """One call; `stdin` is laid over GOOD; a variable '-' is one that is not there."""
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "pod1",
            "CNI_NETNS": "/netns",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": ARGUMENTS,
            **variables,
        }
        if not isinstance(stdin, bytes):
            stdin = json.dumps({**GOOD, **(stdin or {})}).encode()
        context = Context(
            self.sandboxes,
            self.pass_over,
            self._find_pod,
            self.log.append,
            self.forgotten.append,
        )
        return handle(
            Call(
                {n: v for n, v in environment.items() if v != "-"},
                stdin,
                self.namespace.descriptor if descriptor is None else descriptor,
            ),
            context._replace(**self.context),
        )

    def result(self, *arguments: Any, **variables: str) -> Any:
        """As `call`, for one that must succeed: its JSON, or nothing."""
        answer = self.call(*arguments, **variables)
        assert answer.exit_code == 0, answer.stdout
        return json.loads(answer.stdout) if answer.stdout else None

    def error(self, *arguments: Any, **variables: str) -> tuple[int, str]:
        """As `call`, for one that must fail: its code and sentence."""
        answer = self.call(*arguments, **variables)
        assert answer.exit_code == 1, answer.stdout
        body = json.loads(answer.stdout)
        assert set(body) == {"cniVersion", "code", "msg"}
        return body["code"], body["msg"]

    def record(self) -> Record:
        """The pod's record, which must be there."""
        found = self.sandboxes.load("pod1")
        assert found is not None
        return found

    def attach(self, container_id: str, *attachments: tuple[str, str]) -> None:
        """Record a sandbox with these (network, ifname)."""
        made = tuple(Attachment(network, ifname) for network, ifname in attachments)
        self.sandboxes.save(Record(container_id, "/n", 7, attachments=made))

    def attachments(self, container_id: str) -> list[tuple[str, str]] | None:
        """(network, ifname) of each attachment in a record, None without one."""
        found = self.sandboxes.load(container_id)
        return None if found is None else [(a.network, a.ifname) for a in found.attachments]
