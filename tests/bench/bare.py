"""The peer: the same namespaces opened, the same messages sent and received, and nothing else."""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from cni_route.model import KernelRoute
from cni_route.netlink.routes import VERBS, encode_route
from tests.node.namespaces import CLONE_NEWNET, NETLINK_ROUTE, SO_RCVBUFFORCE, setns

ACK = 0x0004
DUMPS = [(18, 16), (22, 8), (26, 12)]  # RTM_GETLINK, GETADDR, GETROUTE; length of their headers
DUMP_FLAGS = 0x0301  # NLM_F_REQUEST | NLM_F_DUMP
NLMSG_DONE = 3


class Message(NamedTuple):
    """One datagram: requests, the last of which asks for an acknowledgement."""

    data: bytes


def replace_message(routes: list[KernelRoute]) -> Message:
    """A datagram that replaces these routes."""
    kind, flags = VERBS["replace"]
    requests = [
        encode_route(route, kind, flags | (ACK if route is routes[-1] else 0), number + 1)
        for number, route in enumerate(routes)
    ]
    return Message(b"".join(requests))


class BareLoop:
    """Sends one datagram into each namespace and waits for its acknowledgement."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    def _open(self, path: str) -> socket.socket:
        namespace = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        setns(namespace, CLONE_NEWNET)
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
        setns(self._home, CLONE_NEWNET)
        os.close(namespace)
        sock.bind((0, 0))
        return sock

    def send(self, message: Message, roomy: bool = False) -> None:
        """Into every namespace."""
        for path in self.paths:
            sock = self._open(path)
            if roomy:
                sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
            sock.send(message.data)
            answer = sock.recv(65536)
            assert answer[16:20] == b"\0\0\0\0", f"the kernel refuses: {answer[16:20]!r}"
            sock.close()

    def dump(self) -> None:
        """Links, addresses and routes of every namespace, received and thrown away."""
        for path in self.paths:
            sock = self._open(path)
            for kind, length in DUMPS:
                size = (16 + length).to_bytes(4, "little")
                head = size + kind.to_bytes(2, "little") + DUMP_FLAGS.to_bytes(2, "little")
                sock.send(head + bytes(8 + length))
                while not is_done(sock.recv(65536)):
                    pass
            sock.close()

    def close(self) -> None:
        """Let go of the own namespace's descriptor."""
        os.close(self._home)


def is_done(data: bytes) -> bool:
    """Whether a datagram is, or ends with, the end of a dump."""
    return int.from_bytes(data[4:6], "little") == NLMSG_DONE or (
        len(data) >= 20 and int.from_bytes(data[-16:-14], "little") == NLMSG_DONE
    )
