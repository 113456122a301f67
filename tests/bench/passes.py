"""250 pods: one Service flipped, everything changed, nothing changed; against the bare loop."""

from __future__ import annotations

import os
from collections.abc import Iterator

from cni_route.model import KernelRoute
from cni_route.netlink.table import NetlinkKernel
from cni_route.reconcile import Options
from cni_route.sandbox import Record, Sandboxes
from cni_route.view import View, build
from sync_service.ledger import Ledger
from sync_service.passes import Passes, Pod, Situation
from tests.bench.bare import BareLoop, replace_message
from tests.bench.figures import Row, Timing, alternate, quiet, timed
from tests.bench.fleet import routes
from tests.node.node import RUN_DIR
from tests.node.runtime import Sandbox

RULES = 100
FLIPS = 60
CHANGES = 15


class Fleet:
    """The service's own passes over the pods, one after the other, in this process."""

    def __init__(self, pods: list[Sandbox]) -> None:
        sandboxes = Sandboxes(RUN_DIR, print)
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.ledger = Ledger()
        self.passes = Passes(
            NetlinkKernel(home),
            sandboxes,
            self.ledger,
            gone=lambda _record: False,
            heard=lambda _container_id, _descriptor: True,
        )
        self.pods = []
        for pod in pods:
            record = Record(pod.container_id, pod.netns, 0, pod.namespace, pod.name, pod.uid)
            sandboxes.save(record)
            self.pods.append(Pod(record))

    def run(self, view: View, doubt: bool = False) -> int:
        """One pass over every pod; how many operations were written."""
        self.passes.situation = Situation(view, Options())
        written = 0
        for pod in self.pods:
            if doubt:
                pod.memory.doubt()
            result = self.passes.run(pod)
            assert result == "done", self.ledger.get(pod.record.container_id)
            written += pod.written
        return written

    def wanted(self, view: View) -> list[KernelRoute]:
        """The routes of one pod: the same in all, as their NICs have the same indexes."""
        self.run(view)
        state = self.ledger.get(self.pods[0].record.container_id)
        assert state is not None
        return list(state.wanted)


def run(pods: list[Sandbox]) -> Iterator[Row]:
    """The rows."""
    fleet = Fleet(pods)
    peer = BareLoop([pod.netns for pod in pods])
    yield from flips(fleet, peer)
    yield from all_changed(fleet, peer)
    yield from nothing_changed(fleet, peer)
    fleet.run(build())
    peer.close()


def flips(fleet: Fleet, peer: BareLoop) -> Iterator[Row]:
    """One Service goes from one NIC to the other; the object in hand is a Route."""
    (kept,), services = routes(RULES, "eth1", "eth0")
    (moved,), _ = routes(RULES, "eth1", "eth1")
    fleet.run(build([kept], services))
    shops = [
        [r for r in fleet.wanted(build([o], services)) if r.key.dst.length == 32]
        for o in (kept, moved)
    ]
    messages = [replace_message(shop) for shop in shops]

    def ours(number: int) -> Timing:
        objects = [(moved, kept)[number % 2]]
        return timed(lambda: fleet.run(build(objects, services)))

    def theirs(number: int) -> Timing:
        return timed(lambda: peer.send(messages[(number + 1) % 2]))

    with quiet():
        mine, bare = alternate(FLIPS, ours, theirs)
    what = f"one Service flipped in {len(fleet.pods)} pods of {RULES} rules"
    yield Row(what, mine, "bare loop", bare, most_seconds=0.025, most_ratio=2.5)


def all_changed(fleet: Fleet, peer: BareLoop) -> Iterator[Row]:
    """Every route of every pod goes to the other NIC."""
    views = [build(*routes(RULES, dev, dev)) for dev in ("eth0", "eth1")]
    fleet.run(views[0])
    messages = [replace_message(fleet.wanted(view)) for view in views]
    fleet.run(views[0])

    def ours(number: int) -> Timing:
        objects = routes(RULES, *(("eth1", "eth1") if number % 2 == 0 else ("eth0", "eth0")))
        return timed(lambda: fleet.run(build(*objects)))

    def theirs(number: int) -> Timing:
        return timed(lambda: peer.send(messages[(number + 1) % 2], roomy=True))

    with quiet():
        mine, bare = alternate(CHANGES, ours, theirs)
    what = f"{len(fleet.pods)} pods x {RULES} routes, all changed"
    yield Row(what, mine, "bare loop", bare, most_seconds=0.3)


def nothing_changed(fleet: Fleet, peer: BareLoop) -> Iterator[Row]:
    """A sweep: every pod is read anew from the kernel, and nothing is to be done."""
    view = build(*routes(RULES, "eth0", "eth0"))
    fleet.run(view)

    def ours(_number: int) -> Timing:
        written = 0

        def sweep() -> None:
            nonlocal written
            written = fleet.run(view, doubt=True)

        timing = timed(sweep)
        assert written == 0, f"{written} routes were written where nothing had changed"
        return timing

    with quiet():
        mine, bare = alternate(CHANGES, ours, lambda _number: timed(peer.dump))
    what = f"{len(fleet.pods)} pods x {RULES} routes, unchanged resync"
    yield Row(what, mine, "bare dumps", bare, most_seconds=0.1)
