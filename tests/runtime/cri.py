"""A client of the Container Runtime Interface, with the calls that a kubelet makes for a pod.

Field numbers are those of k8s.io/cri-api's runtime/v1/api.proto.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import grpc

from tests.runtime.protobuf import Message, decode, encode, text, text_map

PATIENCE = 120.0  # seconds a call may take where twenty others are made at once


class Identity(NamedTuple):
    """A pod as the kubelet knows it."""

    namespace: str
    name: str
    uid: str


class Condition(NamedTuple):
    """One line of the runtime's own status."""

    holds: bool
    message: str


class Cri:
    """The runtime behind a socket. Methods may be called from several threads at once.

    grpc.RpcError where the runtime refuses; its text has the runtime's sentence.
    """

    def __init__(self, socket: Path, cgroup_parent: str) -> None:
        self._channel = grpc.insecure_channel(
            f"unix:{socket}",
            # the default authority is the socket's path, escaped, which Go servers refuse
            options=[
                ("grpc.default_authority", "localhost"),
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self._cgroup_parent = cgroup_parent

    def _call(self, method: str, message: Message, service: str = "Runtime") -> dict[int, Any]:
        call = self._channel.unary_unary(f"/runtime.v1.{service}Service/{method}")
        answer = call(encode(message), timeout=PATIENCE, wait_for_ready=True)
        return decode(answer)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    # ------------------------------------------------------------ the runtime

    def version(self) -> str:
        """The runtime's version, as it says it."""
        return text(self._call("Version", {1: "v1"}), 3)

    def conditions(self) -> dict[str, Condition]:
        """RuntimeReady, NetworkReady and what else the runtime tells: what kubelet asks often."""
        (status,) = self._call("Status", {})[1]
        found = {}
        for line in decode(status).get(1, []):
            fields = decode(line)
            found[text(fields, 1)] = Condition(fields.get(2) == [1], text(fields, 4))
        return found

    def networks(self) -> list[Any]:
        """The CNI lists that the runtime has read, loopback's first."""
        info = text_map(self._call("Status", {1: True}), 2)
        return [entry["Config"] for entry in json.loads(info["cniconfig"])["Networks"] or []]

    def has_image(self, name: str) -> bool:
        """Whether the image is there for pods to use."""
        return 1 in self._call("ImageStatus", {1: {1: name}}, "Image")

    # ------------------------------------------------------------ pods

    def _pod(self, pod: Identity) -> Message:
        metadata = {1: pod.name, 2: pod.uid, 3: pod.namespace}
        return {1: metadata, 2: pod.name, 8: {1: self._cgroup_parent}}

    def run_pod(self, pod: Identity) -> str:
        """Make the sandbox: its namespace, and ADD of every CNI list. Its id."""
        return text(self._call("RunPodSandbox", {1: self._pod(pod)}), 1)

    def run_container(
        self, sandbox: str, pod: Identity, image: str, command: list[str], mounts: dict[str, str]
    ) -> str:
        """Create and start one container; `mounts` are folders of the host by their place in it."""
        config = {
            1: {1: "main"},
            2: {1: image},
            3: command,
            7: [{1: inside, 2: outside} for inside, outside in mounts.items()],
        }
        request = {1: sandbox, 2: config, 3: self._pod(pod)}
        container = text(self._call("CreateContainer", request), 1)
        self._call("StartContainer", {1: container})
        return container

    def netns(self, sandbox: str) -> str:
        """The path of the sandbox's network namespace."""
        info = text_map(self._call("PodSandboxStatus", {1: sandbox, 2: True}), 2)
        namespaces = json.loads(info["info"])["runtimeSpec"]["linux"]["namespaces"]
        (path,) = [entry["path"] for entry in namespaces if entry["type"] == "network"]
        assert isinstance(path, str)
        return path

    def pods(self) -> list[str]:
        """The ids of all sandboxes, running or not."""
        items = self._call("ListPodSandbox", {}).get(1, [])
        return [text(decode(item), 1) for item in items]

    def stop_pod(self, sandbox: str) -> None:
        """Kill its containers, DEL of every CNI list, and close the namespace."""
        self._call("StopPodSandbox", {1: sandbox})

    def remove_pod(self, sandbox: str) -> None:
        """Forget the stopped sandbox."""
        self._call("RemovePodSandbox", {1: sandbox})
