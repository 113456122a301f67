"""100 routes into one pod: one pass of ours, `ip -batch` and pyroute2."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from pyroute2 import IPRoute

from cni_route.view import build
from tests.bench.figures import Row, Timing, alternate, quiet, timed
from tests.bench.fleet import network, routes
from tests.bench.passes import RULES, Fleet
from tests.node.runtime import Sandbox

COUNT = 20
PYROUTE2_COUNT = 5


def run(pods: list[Sandbox]) -> Iterator[Row]:
    """The rows; pod by pod, each from no route of ours to all of them and back."""
    fleet = Fleet(pods[:1])
    full, none = build(*routes(RULES, "eth1")), build()
    name = Path(pods[0].netns).name
    lines = [f"route add {network(n)} dev eth1 proto 114" for n in range(RULES)]
    batch = "\n".join(lines) + "\n"

    def ours(_number: int) -> Timing:
        timing = timed(lambda: fleet.run(full))
        fleet.run(none)
        return timing

    def ip_batch(_number: int) -> Timing:
        words = ["ip", "-n", name, "-batch", "-"]
        timing = timed(lambda: subprocess.run(words, input=batch, text=True, check=True))
        subprocess.run(["ip", "-n", name, "route", "flush", "proto", "114"], check=True)
        return timing

    with quiet():
        mine, theirs = alternate(COUNT, ours, ip_batch)
    yield Row(f"{RULES} routes into one pod, one pass", mine, "ip -batch", theirs)
    mine, theirs = alternate(PYROUTE2_COUNT, ours, lambda _number: by_pyroute2(name))
    yield Row(f"{RULES} routes into one pod, one pass", mine, "pyroute2, a call a route", theirs)
    fleet.run(none)


def by_pyroute2(name: str) -> Timing:
    """The usual way in Python: one call a route, the socket already open."""
    with IPRoute(netns=name, flags=0) as handle:
        index = handle.link_lookup(ifname="eth1")[0]

        def write() -> None:
            for number in range(RULES):
                handle.route("add", dst=str(network(number)), oif=index, proto=114)

        timing = timed(write)
        handle.flush_routes(proto=114)
    return timing


__all__ = ["run"]
