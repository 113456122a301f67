"""A small running service for the tests of queries and commands: its parts, and its socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cni_route import view as views
from cni_route.address import Address, Prefix
from cni_route.cni import frame
from cni_route.model import (
    Hop,
    KernelRoute,
    Link,
    LinkAddress,
    Outcome,
    Problem,
    Route,
    Rule,
    Verdict,
    key_of,
)
from cni_route.view import View
from sync_service.configuration import load
from sync_service.house import Cleaned, House
from sync_service.ledger import Ledger, PodState
from sync_service.queries import answer

WAIT_SECONDS = 10.0

LINKS = (
    Link(1, "lo", loopback=True),
    Link(2, "eth0", addresses=(LinkAddress(Address.parse("10.244.0.7"), 32),)),
    Link(3, "eth1", addresses=(LinkAddress(Address.parse("10.124.2.7"), 24),)),
)


def kernel_route(dst: str, dev: int, via: str = "", protocol: int = 114) -> KernelRoute:
    """A route as a dump shows it; `dev` is the index in LINKS."""
    gateway = Address.parse(via) if via else None
    return KernelRoute(key_of(Prefix.parse(dst)), (Hop(dev, gateway),), protocol)


def verdict(outcome: Outcome, dst: str, dev: str = "eth1", number: int = 0, **more: str) -> Verdict:
    """A verdict of the Route demo."""
    return Verdict("demo", f"spec.route[{number}]", outcome, dst=dst, dev=dev, **more)


class FixedStore(NamedTuple):
    """A source that has told all it will."""

    view: View
    complete: bool = True
    sentences: tuple[str, ...] = ()

    def problems(self) -> tuple[str, ...]:
        return self.sentences


class StillLoop(NamedTuple):
    """A loop that has nothing to do; its looks and its cleanup are prepared."""

    looks: dict[str, PodState]
    cleaned: tuple[Cleaned, ...] = ()
    paused: bool = False

    def look(self, container_id: str) -> PodState | None:
        return self.looks.get(container_id)

    def cleanup(self) -> tuple[Cleaned, ...]:
        return self.cleaned


def sample_states(updated: float) -> tuple[PodState, ...]:
    """A pod that is well, one that misses a route, one without eth1."""
    default = kernel_route("0.0.0.0/0", 2, "169.254.1.1", protocol=3)
    subnet = kernel_route("10.124.2.0/24", 3, protocol=2)
    wide = kernel_route("172.16.0.0/16", 3, "10.124.2.1")
    host = kernel_route("10.96.0.10/32", 3)
    applied = verdict("applied", "172.16.0.0/16")
    no_eth1 = verdict("skipped", "172.16.0.0/16", code="NoSuchDevice", reason="the pod has no eth1")
    return (
        PodState(
            "a1", "default", "db", "u1", "/run/netns/db", LINKS[:2], (no_eth1,), (), (default,),
            "ok", "", updated,
        ),
        PodState(
            "b2", "default", "web", "u2", "/run/netns/web", LINKS, (applied,), (wide,),
            (default, subnet, wide), "ok", "", updated,
        ),
        PodState(
            "c3", "prod", "web", "u3", "/run/netns/prod", (*LINKS[:2], LINKS[2]._replace(up=False)),
            (
                applied,
                verdict("applied", "10.96.0.10/32", number=1),
                verdict("pending", "", number=2, code="ServiceNotFound",
                        reason="Service default/nginx does not exist"),
            ),
            (wide, host), (default, wide._replace(hops=(Hop(2),), protocol=4),
                           kernel_route("192.0.2.0/24", 2)),
            "failed", "the kernel refused a route", updated,
        ),
    )  # fmt: skip


def sample_view() -> View:
    """The Routes of the sample states, and two that concern no pod."""
    rules = tuple(
        Rule(f"spec.route[{number}]", "eth1", Prefix.parse(dst))
        for number, dst in enumerate(("172.16.0.0/16", "10.96.0.10", "198.51.100.0/24"))
    )
    bad = Problem("bad.yaml", "spec.route[0].dst", "'x' is not a CIDR or an IP address")
    return views.build(
        [
            Route("demo", rules, uid="r1", generation=2, source="demo.yaml"),
            Route("bad", problems=(bad,), source="bad.yaml", feature_gate=(("fast", "yes"),)),
        ]
    )


def sample_house(updated: float = 1_700_000_000.0, **parts: object) -> House:
    """The sample as a House; `parts` replace its fields."""
    ledger = Ledger()
    for state in sample_states(updated):
        ledger.put(state)
    settings = load({"node": "node-1"}, {}, lambda _: []).settings
    house = House(ledger, FixedStore(sample_view()), StillLoop({}), settings)
    return house._replace(**parts)


@contextlib.contextmanager
def listening(run_dir: Path, reply: Callable[[socket.socket], None]) -> Iterator[None]:
    """Serve <run-dir>/agent.sock, one connection after another, until the block ends."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(run_dir / "agent.sock"))
        server.listen()

        def serve() -> None:
            while True:
                connection, _ = server.accept()
                with connection:
                    if stopping.is_set():
                        return
                    with contextlib.suppress(OSError):
                        reply(connection)

        stopping = threading.Event()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            with socket.socket(socket.AF_UNIX) as last:
                last.connect(os.fspath(run_dir / "agent.sock"))
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive()


@contextlib.contextmanager
def serving(run_dir: Path, house: House) -> Iterator[None]:
    """Serve the house's queries as the service does."""

    def reply(connection: socket.socket) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        request, _ = frame.receive_request(connection, deadline)
        answered = answer(json.loads(request.body), house)
        body = json.dumps(answered).encode()
        frame.send(
            connection,
            frame.encode_answer(frame.Answer(int("error" in answered), body)),
            deadline,
        )

    with listening(run_dir, reply):
        yield
