"""An unconnected UDP stream out of a pod, counted by sequence number on every far side.

    stream.py POD_NETNS ADDRESS RATE FAR=NETNS=SOURCE...

Sends RATE packets a second to ADDRESS until standard input closes, then prints what was counted
as JSON. Each far side owns ADDRESS; SOURCE is the only source address that it accepts, as a
switch with port security does. `overflow` counts what a receiver's own buffer had no room for.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.node.namespaces import SO_RCVBUFFORCE, inside

PORT = 7777
SO_RXQ_OVFL = 40
SETTLE = 0.5  # seconds without a packet after which none is under way any more


class Far(NamedTuple):
    name: str
    source: str
    sock: socket.socket


class Stream:
    """The sender's socket, the receivers', and what they saw."""

    def __init__(self, pod: str, address: str, fars: list[str]) -> None:
        self.family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(pod):
            self.sender = socket.socket(self.family, socket.SOCK_DGRAM)
        self.target = (address, PORT)
        self.fars = [self._far(text) for text in fars]
        self.sent = 0
        self.refused: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.foreign: Counter[str] = Counter()
        self.overflow: dict[str, int] = {}
        self.missing: set[int] = set()
        self.twice = 0

    def _far(self, text: str) -> Far:
        name, netns, source = text.split("=")
        with inside(netns):
            sock = socket.socket(self.family, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        sock.bind(("", PORT))
        sock.setblocking(False)
        return Far(name, source, sock)

    def send(self) -> None:
        """One packet; a refusal (no route) is a packet that got no way at all."""
        self.missing.add(self.sent)
        try:
            self.sender.sendto(struct.pack("!Q", self.sent), self.target)
        except OSError as error:
            self.refused[error.strerror or str(error)] += 1
        self.sent += 1

    def receive(self, far: Far) -> None:
        """Take in all that waits on one far side."""
        while True:
            try:
                data, extra, _flags, sender = far.sock.recvmsg(64, 64)
            except BlockingIOError:
                return
            for level, kind, value in extra:
                if (level, kind) == (socket.SOL_SOCKET, SO_RXQ_OVFL):
                    self.overflow[far.name] = struct.unpack("I", value)[0]
            if sender[0] != far.source:
                self.foreign[f"{far.name} from {sender[0]}"] += 1
                continue
            self.received[far.name] += 1
            (number,) = struct.unpack("!Q", data)
            self.twice += number not in self.missing
            self.missing.discard(number)

    def run(self, rate: float) -> None:
        """Send on schedule and receive until standard input closes; then take in the rest."""
        readable = {far.sock.fileno(): far for far in self.fars}
        began = time.perf_counter()
        while True:
            due = began + self.sent / rate
            wait = max(0.0, due - time.perf_counter())
            ready = select.select([sys.stdin.fileno(), *readable], [], [], wait)[0]
            if sys.stdin.fileno() in ready:
                break
            for descriptor in ready:
                self.receive(readable[descriptor])
            if time.perf_counter() >= due:
                self.send()
        while ready := select.select(list(readable), [], [], SETTLE)[0]:
            for descriptor in ready:
                self.receive(readable[descriptor])

    def report(self) -> dict[str, object]:
        """What was counted."""
        return {
            "sent": self.sent,
            "refused": dict(self.refused),
            "received": dict(self.received),
            "foreign": dict(self.foreign),
            "missing": sorted(self.missing),
            "overflow": sum(self.overflow.values()),
            "twice": self.twice,
        }


def main() -> None:
    """Run until the parent has seen enough."""
    pod, address, rate, *fars = sys.argv[1:]
    stream = Stream(pod, address, fars)
    print("ready", flush=True)
    stream.run(float(rate))
    print(json.dumps(stream.report()))


if __name__ == "__main__":
    main()
