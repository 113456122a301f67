"""The running service with 250 pods: memory, idle cost, silence, and an edit of the folder."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Fact, Row, Timing
from tests.bench.fleet import network, service_address, write_cache
from tests.node import documents
from tests.node.namespaces import listen
from tests.node.node import ROUTES_DIR, RUN_DIR, Node, until
from tests.node.runtime import Sandbox
from tests.node.service import Service

RULES = 100
SERVICES = 5000
SETTLE_SECONDS = 5  # for what follows a start: the snapshot is written
IDLE_SECONDS = 20  # two looks around of ten seconds each are among them
EDITS = 30
IPV4_ROUTE, IPV6_ROUTE = 7, 11  # RTNLGRP_*


class Ears:
    """A route listener in every pod."""

    def __init__(self, pods: list[Sandbox]) -> None:
        self.poll = select.epoll()
        self.sockets = {}
        for pod in pods:
            sock = listen(pod.netns, (IPV4_ROUTE, IPV6_ROUTE))
            sock.setblocking(False)
            self.sockets[sock.fileno()] = sock
            self.poll.register(sock.fileno(), select.EPOLLIN)

    def drain(self) -> int:
        """Forget what came so far; how many notifications that was."""
        count = 0
        while ready := self.poll.poll(0):
            count += sum(self._empty(number) for number, _ in ready)
        return count

    def _empty(self, number: int) -> int:
        count = 0
        while True:
            try:
                self.sockets[number].recv(65536)
            except BlockingIOError:
                return count
            count += 1

    def wait_for_all(self, seconds: float = 10.0) -> float:
        """Until every pod has had a notification; when the last one came (perf_counter)."""
        waiting = set(self.sockets)
        deadline = time.perf_counter() + seconds
        last = 0.0
        while waiting:
            ready = self.poll.poll(max(0.0, deadline - time.perf_counter()))
            last = time.perf_counter()
            if not ready:
                raise AssertionError(f"{len(waiting)} pods heard nothing within {seconds:g} s")
            for number, _ in ready:
                self._empty(number)
                waiting.discard(number)
        return last

    def close(self) -> None:
        """Let go of the pods."""
        for sock in self.sockets.values():
            sock.close()
        self.poll.close()


def edit(node: Node, dev: str) -> None:
    """The Route: one Service on `dev`, the other rules on eth1."""
    networks = [{"dst": str(network(n)), "dev": "eth1"} for n in range(RULES - 1)]
    shop = documents.to_service("shop-0", dev)
    node.write(
        f"{ROUTES_DIR}/bench.yaml", documents.text(documents.route(*networks, services=(shop,)))
    )


def fill(node: Node) -> None:
    """5,000 Services and the Route."""
    services = [documents.service(f"shop-{n}", service_address(n)) for n in range(SERVICES)]
    node.write(f"{ROUTES_DIR}/services.yaml", documents.text(*services))
    edit(node, "eth0")


def run(node: Node, pods: list[Sandbox]) -> Iterator[Row | Fact]:
    """The rows."""
    forget_records()
    fill(node)
    write_cache(node, pods)
    ears = Ears(pods)
    with Service(node) as service:
        began = time.perf_counter()
        until(lambda: settled(node, len(pods)), "all pods have their routes", 60)
        took = time.perf_counter() - began
        yield Fact(
            f"start: {len(pods)} pods found, {len(pods) * RULES:,} routes written", took, "s"
        )
        yield Fact(
            f"RSS, {len(pods)} pods x {RULES}, {SERVICES:,} Services", rss(service), "MB", 45
        )
        time.sleep(SETTLE_SECONDS)
        ears.drain()
        yield idle(service)
        yield Fact(f"route writes seen in {IDLE_SECONDS} idle s", ears.drain(), "", 0)
        yield edits(node, service, ears)
        yield Fact("RSS after that", rss(service), "MB", 45)
    ears.close()


def forget_records() -> None:
    """Take away what the passes before have left."""
    for path in Path(RUN_DIR, "sandboxes").glob("*"):
        path.unlink()


def settled(node: Node, count: int) -> bool:
    """Whether the service shows every pod with all its routes."""
    done = {"asked": RULES, "applied": RULES}
    items = node.query("pods")
    return len(items) == count and all(item["routes"] == done for item in items)


def rss(service: Service) -> float:
    """Resident memory in MB (10^6 bytes)."""
    status = Path(f"/proc/{service.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024 / 1e6


def idle(service: Service) -> Fact:
    """Processor time while nothing happens, of one core."""
    before = cpu_seconds(service)
    time.sleep(IDLE_SECONDS)
    used = cpu_seconds(service) - before
    return Fact("idle CPU", used / IDLE_SECONDS * 100, "%", 0.2)


def cpu_seconds(service: Service) -> float:
    """User and system time so far; schedstat has it in nanoseconds, where ticks are too coarse."""
    total = 0
    for task in Path(f"/proc/{service.pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def edits(node: Node, service: Service, ears: Ears) -> Row:
    """The file written to the last pod's route."""

    def one(number: int) -> Timing:
        ears.drain()
        used = cpu_seconds(service)
        began = time.perf_counter()
        edit(node, "eth1" if number % 2 == 0 else "eth0")
        last = ears.wait_for_all()
        return Timing(last - began, cpu_seconds(service) - used)

    what = f"a file edited to the last of {len(ears.sockets)} pods' routes"
    return Row(what, [one(number) for number in range(EDITS)])
