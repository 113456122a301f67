"""Many sandboxes on one node, and a runtime that calls for all of them at once.

The namespaces are made once and used again; a sandbox is a container id over one of them. Calls
go over the service's socket as the plugin makes them, with the open namespace: 250 processes of a
plugin would load the machine, not the service.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from cni_route.cni.frame import (
    CALL,
    Answer,
    Request,
    ask,
    encode_request,
    receive_answer,
    send,
)
from cni_route.model import Batch, KernelRoute, Operation
from cni_route.netlink.table import NetlinkKernel
from tests.node import documents
from tests.node.node import ROUTES_DIR, RUN_DIR, STATE_DIR, Node, until
from tests.node.service import Service

__all__ = ["Crowd", "Held", "Sandbox"]

PATIENCE = 60.0  # seconds for one answer, on a machine that does other things too
ROUTE_FILE = f"{ROUTES_DIR}/crowd.yaml"
CONFIG: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "crowd",
    "type": "cni-route",
    "logFile": "",
    "prevResult": {"cniVersion": "1.0.0", "interfaces": [], "ips": [], "dns": {}},
}


class Sandbox(NamedTuple):
    """A container id over the crowd's namespace of that number."""

    container_id: str
    number: int

    @property
    def netns(self) -> str:
        """The namespace's path in the node."""
        return f"/var/run/netns/h{self.number}"

    @property
    def name(self) -> str:
        """The pod's name, in the namespace default."""
        return f"pod-{self.container_id[:12]}"


class Crowd:
    """A node with `count` namespaces that have an eth0 and an eth1 each."""

    def __init__(self, node: Node, count: int) -> None:
        self.node = node
        self.count = count
        self._kernel = NetlinkKernel()
        everybody = range(count)
        self._batch("", "netns add far", *(f"netns add h{n}" for n in everybody))
        self._batch(
            "",
            *(
                f"link add far{nic}-{n} netns far type veth peer name eth{nic} netns h{n}"
                for n in everybody
                for nic in (0, 1)
            ),
        )
        self._batch("far", *(f"link set far{nic}-{n} up" for n in everybody for nic in (0, 1)))
        for number in everybody:
            self._give_addresses(number)

    def _batch(self, netns: str, *lines: str) -> None:
        where = ("-n", netns) if netns else ()
        self.node.run("ip", *where, "-batch", "-", stdin="\n".join(lines))

    def _give_addresses(self, number: int) -> None:
        lines = ["link set lo up"]
        for nic in (0, 1):
            address = f"10.{8 + nic}.{number // 250}.{number % 250 + 2}/16"
            lines += [f"link set eth{nic} up", f"address add {address} dev eth{nic}"]
        self._batch(f"h{number}", *lines)

    # ------------------------------------------------------------ the node

    def clear(self) -> None:
        """As if no service had ever run here."""
        for folder in (RUN_DIR, STATE_DIR, ROUTES_DIR):
            if self.node.path(folder).exists():
                self.node.run("find", folder, "-mindepth", "1", "-delete")
        self.node.path(ROUTES_DIR).mkdir(parents=True, exist_ok=True)
        for number in range(self.count):
            self.flush(number)

    def want(self, *networks: str, dev: str = "eth1") -> None:
        """The one Route of the folder."""
        rules = [{"dst": network, "dev": dev} for network in networks]
        self.node.write(ROUTE_FILE, documents.text(documents.route(*rules)))

    def ask(self, query: str, **more: str) -> dict[str, Any]:
        """The service's answer to a query."""
        answered = ask(self.socket, {"query": query, **more}, PATIENCE)
        assert isinstance(answered, dict)
        return answered

    def wait_for_route(self, network: str) -> None:
        """Until the service goes by a Route with this network: a new pod's look would show it."""
        until(lambda: self.knows(network), f"the service knows {network}", PATIENCE)

    def knows(self, network: str) -> bool:
        """Whether a sandbox that comes now would get this network."""
        probe = self.make(0)
        self.call("ADD", probe)
        got = self.own(0)
        self.call("DEL", probe)
        return network in got

    @property
    def socket(self) -> str:
        """The service's socket, as this process sees it."""
        return str(self.node.path(RUN_DIR, "agent.sock"))

    # ------------------------------------------------------------ sandboxes

    def make(self, number: int) -> Sandbox:
        """A new container id over a namespace."""
        return Sandbox(uuid.uuid4().hex * 2, number)

    def open(self, number: int) -> int:
        """The namespace, open."""
        return os.open(self.node.path(f"/run/netns/h{number}"), os.O_RDONLY | os.O_CLOEXEC)

    def request(self, verb: str, sandbox: Sandbox, netns: str = "", **keys: object) -> bytes:
        """A call's bytes; `keys` are of the plugin's configuration."""
        arguments = f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={sandbox.name}"
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": sandbox.container_id,
            "CNI_NETNS": netns or sandbox.netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": "/opt/cni/bin",
            "CNI_ARGS": f"{arguments};K8S_POD_UID=u-{sandbox.container_id[:12]}",
        }
        return encode_request(Request(CALL, environment, json.dumps({**CONFIG, **keys}).encode()))

    def call(self, verb: str, sandbox: Sandbox, **keys: object) -> Answer:
        """One call."""
        return self.all_at_once(verb, [sandbox], **keys)[0]

    def call_with(
        self, verb: str, sandbox: Sandbox, netns: str, descriptor: int, **keys: object
    ) -> Answer:
        """One call with another path and descriptor than the sandbox's own (-1: none)."""
        with self.connect() as connection:
            data = self.request(verb, sandbox, netns, **keys)
            send(connection, data, later(), (descriptor,) if descriptor >= 0 else ())
            return receive_answer(connection, later())

    def all_at_once(self, verb: str, sandboxes: Sequence[Sandbox], **keys: object) -> list[Answer]:
        """A call for each, all of them sent before the first answer is read."""
        connections = []
        try:
            for sandbox in sandboxes:
                connections.append(self.connect())
                namespace = self.open(sandbox.number)
                try:
                    data = self.request(verb, sandbox, **keys)
                    send(connections[-1], data, later(), (namespace,))
                finally:
                    os.close(namespace)
            return [receive_answer(connection, later()) for connection in connections]
        finally:
            for connection in connections:
                connection.close()

    def connect(self) -> socket.socket:
        """A connection to the service."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(PATIENCE)
        connection.connect(self.socket)
        return connection

    # ------------------------------------------------------------ tables

    def own(self, number: int) -> set[str]:
        """The destinations of our routes in a namespace."""
        return {str(route.key.dst) for route in self.dump(number) if route.protocol == 114}

    def dump(self, number: int) -> tuple[KernelRoute, ...]:
        """The main table of a namespace."""
        namespace = self.open(number)
        try:
            table = self._kernel.open(namespace)
            try:
                return table.dump()
            finally:
                table.close()
        finally:
            os.close(namespace)

    def flush(self, number: int) -> None:
        """Take all our routes out of a namespace, behind the service's back."""
        mine = [route for route in self.dump(number) if route.protocol in (114, 115)]
        if mine:
            self.apply(number, *(Operation("delete", route) for route in mine))

    def apply(self, number: int, *operations: Operation) -> None:
        """Do something in a namespace, as anybody there could."""
        namespace = self.open(number)
        try:
            table = self._kernel.open(namespace)
            try:
                table.apply(Batch(table.namespace, operations))
            finally:
                table.close()
        finally:
            os.close(namespace)


def later() -> float:
    """A deadline that no sound run reaches."""
    return time.monotonic() + PATIENCE


class Held(NamedTuple):
    """What a running service holds on to."""

    descriptors: int
    threads: int
    files: tuple[str, ...]  # in its run directory

    @classmethod
    def by(cls, service: Service) -> Held:
        """Now."""
        process = f"/proc/{service.pid}"
        run_dir = str(service.node.path(RUN_DIR))
        return cls(
            len(os.listdir(f"{process}/fd")),
            len(os.listdir(f"{process}/task")),
            tuple(sorted(_files(run_dir))),
        )

    def wait(self, service: Service) -> None:
        """Wait until the service holds no more than that; what is in hand has to end.

        Less is fine: when it was counted, a connection may just have been on its way out.
        """

        def is_back() -> bool:
            now = Held.by(service)
            less = now.descriptors <= self.descriptors and now.threads <= self.threads
            return less and now.files == self.files

        try:
            until(is_back, "it holds what it held before", PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}\nbefore {self}\nnow    {Held.by(service)}") from None


def _files(folder: str) -> Iterable[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(place, name), folder)


def resident_megabytes(service: Service) -> float:
    """VmRSS of the service."""
    with open(f"/proc/{service.pid}/status", encoding="ascii", errors="replace") as file:
        (line,) = (line for line in file if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
