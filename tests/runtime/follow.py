"""How long after a NIC is complete its rules follow, by the kernel's own notifications."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Sequence

from cni_route.model import OWN_PROTOCOL
from cni_route.netlink.events import Event, Listener
from tests.bench.figures import percentile
from tests.node.namespaces import inside
from tests.node.node import Node


class Followers:
    """Notes for each pod when the last route of the NIC's chain came, and the last of ours.

    A chain's routes are known by their gateways; every list of the tests ends with such a one.
    Only for pods that live at the same time: the ids of their namespaces are used again.
    """

    def __init__(self, node: Node, nic: str) -> None:
        self._nic = nic
        with inside(netns_of(node)):
            self._listener = Listener()
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._indexes: dict[int, int] = {}  # the NIC's, by namespace id
        self._theirs: dict[int, float] = {}  # when that came, by namespace id
        self._ours: dict[int, float] = {}
        self._begun: dict[int, float] = {}  # when the pod's first route of ours came
        self._lost = False

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._listener.fileno(), self._stop], [], [])
            if self._stop in ready:
                return
            now = time.perf_counter()
            for event in self._listener.read():
                self._hear(event, now)

    def _hear(self, event: Event, now: float) -> None:
        if event.nsid is None:
            self._lost |= event.kind == "overrun"
            return
        if event.name == self._nic:
            self._indexes[event.nsid] = event.ifindex
        if not (event.route and event.new and event.route.hops):
            return
        hop, ours = event.route.hops[0], event.route.protocol == OWN_PROTOCOL
        if ours:
            self._begun.setdefault(event.nsid, now)
        if hop.dev == self._indexes.get(event.nsid) and (ours or hop.via):
            (self._ours if ours else self._theirs)[event.nsid] = now

    def seconds(self) -> list[float]:
        """From the chain's last route of the NIC to our last one.

        Of those pods only whose own ADD had come by before the NIC was complete: the others have
        all their routes from that.
        """
        assert not self._lost, "notifications were lost"
        late = [nsid for nsid in self._ours if self._begun[nsid] < self._theirs[nsid]]
        return [self._ours[nsid] - self._theirs[nsid] for nsid in late]

    def __enter__(self) -> Followers:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._stopped)
        self._thread.join()
        os.close(self._stop)
        self._listener.close()


def netns_of(node: Node) -> str:
    """The node's own network namespace."""
    return f"{node.root.removesuffix('/root')}/ns/net" if node.root else "/proc/thread-self/ns/net"


def percentiles(samples: Sequence[float]) -> str:
    """Median, 99th percentile and number, in words."""
    median, most = (percentile(samples, percent) * 1000 for percent in (50, 99))
    return f"p50 {median:.1f} ms, p99 {most:.1f} ms, n {len(samples)}"
