"""Pods on the fake kernel, looked after by a real loop: what its tests stand on."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Collection
from pathlib import Path

from cni_route.reconcile import Options
from cni_route.record import Record
from cni_route.sandbox import NamespaceError, Sandboxes
from cni_route.view import EMPTY, View, touched
from sync_service.chains import Waits
from sync_service.door import Door
from sync_service.ledger import Ledger
from sync_service.loop import Loop, Timing
from sync_service.passes import Passes
from sync_service.store import News
from tests.fakes.fake_kernel import FakeKernel
from tests.fakes.namespace import FakeNamespace
from tests.unit.pods import words

DEADLINE = 10.0


class Node:
    """Pods on the fake kernel, looked after by a loop; paths of namespaces are ns/NAME."""

    def __init__(self, folder: Path) -> None:
        self.kernel = FakeKernel()
        self.said: list[str] = []
        self.sandboxes = Sandboxes(str(folder), self.said.append)
        self.namespaces: dict[str, FakeNamespace] = {}
        self.heard: list[str] = []
        self.forgotten: list[str] = []
        self.ledger = Ledger()
        self.timing = Timing(0.001, 0.01, 1000)
        self.view = EMPTY
        self.entered: list[str] = []
        self.waits = Waits(0, -1)  # for the chains of new NICs: none
        self.passes = Passes(
            self.kernel,
            self.sandboxes,
            self.ledger,
            gone=lambda record: record.netns not in self.namespaces,
            heard=lambda container_id, _: not self.heard.append(container_id),  # type: ignore[func-returns-value]
            waits=lambda: self.waits,
            way=Door(self.enter, lambda _: None),
        )
        self.loop = self.make_loop()

    def make_loop(self, paused: bool = False) -> Loop:
        return Loop(
            self.passes,
            self.ledger,
            lambda: self.timing,
            Options(),
            paused=paused,
            forgotten=self.forgotten.append,
        )

    def enter(self, path: str) -> tuple[int, int]:
        self.entered.append(path)
        if path not in self.namespaces:
            raise NamespaceError(errno.ENOENT, f"the network namespace {path!r} is gone")
        return self.namespaces[path].descriptor, self.namespaces[path].inode

    def add(
        self, name: str, *, nics: Collection[str] = ("eth0", "eth1"), adopt: bool = True
    ) -> Record:
        made = self.kernel.make()
        for nic in nics:
            made.add_link(nic, "10.244.1.5/24" if nic == "eth0" else "10.124.2.5/24")
        made.route("default via 10.244.1.1 dev eth0")
        self.namespaces[f"ns/{name}"] = made
        record = Record(f"c-{name}", f"ns/{name}", made.inode, "d", name, f"u-{name}")
        self.sandboxes.save(record)
        if adopt:
            self.loop.adopt(record)
        return record

    def see(self, view: View, complete: bool = True) -> None:
        self.loop.see(News(view, touched(self.view, view), complete))
        self.view = view

    def own(self, name: str) -> list[str]:
        namespace = self.namespaces[f"ns/{name}"]
        names = {link.ifindex: dev for dev, link in namespace.links().items()}
        return [words(r, names) for r in namespace.dump() if r.protocol in (114, 115)]

    def codes(self, name: str) -> set[str]:
        found = self.ledger.get(f"c-{name}")
        return set() if found is None else {verdict.code for verdict in found.verdicts}

    def state(self, name: str) -> str:
        found = self.ledger.get(f"c-{name}")
        return "" if found is None else found.state


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.0005)


RULE = "172.16.0.0/16"
OWN = "172.16.0.0/16 dev eth1 proto 114"
