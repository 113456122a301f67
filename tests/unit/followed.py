"""A folder with a Directory on it, and Services and pods to put there."""

from __future__ import annotations

import json
from pathlib import Path

from sync_service.sources.directory import Directory, Timing
from tests.fakes.sink import RememberingSink


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Followed:
    """A folder, and a Directory that is scanned by hand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sink = RememberingSink()
        self.clock = Clock()
        self.source = Directory(
            str(path), "node-a", self.sink, lambda: Timing(0.005, 60), self.clock
        )

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text)

    def scan(self) -> list[str]:
        self.source.scan()
        return self.sink.names()


def service(name: str, address: str = "10.96.0.1") -> str:
    spec = {"clusterIP": address}
    metadata = {"name": name, "namespace": "d"}
    return json.dumps({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def pod(name: str, node: str) -> str:
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "d", "uid": name},
            "spec": {"nodeName": node} if node else {},
        }
    )
