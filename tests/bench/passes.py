"""250 pods: one Service flipped, everything changed, nothing changed; against the bare loop."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cni_route.memory import Memory
from cni_route.model import KernelRoute
from cni_route.namespace import open_namespace
from cni_route.netlink.table import NetlinkKernel
from cni_route.reconcile import reconcile
from cni_route.sandbox import Record, Sandboxes
from cni_route.view import View, build
from tests.bench.bare import BareLoop, replace_message
from tests.bench.figures import Row, alternate, quiet, timed
from tests.bench.fleet import routes
from tests.node.node import RUN_DIR
from tests.node.runtime import Sandbox

RULES = 100
FLIPS = 60
CHANGES = 15


class Passes:
    """What the service's loop does with its pods, in this process."""

    def __init__(self, pods: list[Sandbox]) -> None:
        self.sandboxes = Sandboxes(RUN_DIR, print)
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.kernel = NetlinkKernel(self.home)
        self.records = [
            Record(p.container_id, p.netns, 0, p.namespace, p.name, p.uid) for p in pods
        ]
        self.memories = [Memory() for _ in pods]
        for record in self.records:
            self.sandboxes.save(record)

    def run(self, view: View, doubt: bool = False) -> int:
        """One pass over every pod; how many operations were written."""
        written = 0
        for number, record in enumerate(self.records):
            memory = self.memories[number]
            if doubt:
                memory.doubt()
            namespace = open_namespace(record.netns)
            try:
                outcome = reconcile(
                    record, view, self.kernel, self.sandboxes, namespace=namespace, memory=memory
                )
            finally:
                os.close(namespace)
            assert not outcome.error, outcome.error
            assert not outcome.retry
            self.records[number] = outcome.record
            written += outcome.written
        return written

    def wanted(self, view: View) -> list[KernelRoute]:
        """The routes of one pod: the same in all, as their NICs have the same indexes."""
        record = self.records[0]
        namespace = open_namespace(record.netns)
        try:
            outcome = reconcile(
                record, view, self.kernel, self.sandboxes, namespace=namespace, memory=Memory()
            )
        finally:
            os.close(namespace)
        return list(outcome.wanted)


def run(pods: list[Sandbox]) -> Iterator[Row]:
    """The rows."""
    passes = Passes(pods)
    peer = BareLoop([pod.netns for pod in pods])
    yield from flips(passes, peer)
    yield from all_changed(passes, peer)
    yield from nothing_changed(passes, peer)
    passes.run(build())
    peer.close()


def flips(passes: Passes, peer: BareLoop) -> Iterator[Row]:
    """One Service goes from one NIC to the other; the object in hand is a Route."""
    (kept,), services = routes(RULES, "eth1", "eth0")
    (moved,), _ = routes(RULES, "eth1", "eth1")
    passes.run(build([kept], services))
    shops = [
        [r for r in passes.wanted(build([o], services)) if r.key.dst.length == 32]
        for o in (kept, moved)
    ]
    messages = [replace_message(shop) for shop in shops]

    def ours(number: int) -> float:
        objects = [(moved, kept)[number % 2]]
        return timed(lambda: passes.run(build(objects, services)))

    def theirs(number: int) -> float:
        return timed(lambda: peer.send(messages[(number + 1) % 2]))

    with quiet():
        mine, bare = alternate(FLIPS, ours, theirs)
    what = f"one Service flipped in {len(passes.records)} pods of {RULES} rules"
    yield Row(what, mine, "bare loop", bare, most_seconds=0.025, most_ratio=2.5)


def all_changed(passes: Passes, peer: BareLoop) -> Iterator[Row]:
    """Every route of every pod goes to the other NIC."""
    views = [build(*routes(RULES, dev, dev)) for dev in ("eth0", "eth1")]
    passes.run(views[0])
    messages = [replace_message(passes.wanted(view)) for view in views]
    passes.run(views[0])

    def ours(number: int) -> float:
        objects = routes(RULES, *(("eth1", "eth1") if number % 2 == 0 else ("eth0", "eth0")))
        return timed(lambda: passes.run(build(*objects)))

    def theirs(number: int) -> float:
        return timed(lambda: peer.send(messages[(number + 1) % 2], roomy=True))

    with quiet():
        mine, bare = alternate(CHANGES, ours, theirs)
    what = f"{len(passes.records)} pods x {RULES} routes, all changed"
    yield Row(what, mine, "bare loop", bare, most_seconds=0.3)


def nothing_changed(passes: Passes, peer: BareLoop) -> Iterator[Row]:
    """A sweep: every pod is read anew from the kernel, and nothing is to be done."""
    view = build(*routes(RULES, "eth0", "eth0"))
    passes.run(view)

    def ours(_number: int) -> float:
        written = 0

        def sweep() -> None:
            nonlocal written
            written = passes.run(view, doubt=True)

        seconds = timed(sweep)
        assert written == 0, f"{written} routes were written where nothing had changed"
        return seconds

    with quiet():
        mine, bare = alternate(CHANGES, ours, lambda _number: timed(peer.dump))
    what = f"{len(passes.records)} pods x {RULES} routes, unchanged resync"
    yield Row(what, mine, "bare dumps", bare, most_seconds=0.1)
