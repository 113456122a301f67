"""ADD as a runtime sees it: a whole process, from its start to its end, against a bare Python."""

from __future__ import annotations

import json
import os
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Row, Timing, alternate
from tests.bench.fleet import make_fleet, network, service_address
from tests.node import documents
from tests.node.node import BIN_DIR, ROUTES_DIR, Node
from tests.node.runtime import Sandbox
from tests.node.service import Service

COUNT = 60


class Caller:
    """Runs the plugin as a runtime does; what it reads and answers lies in files."""

    def __init__(self, node: Node, plugin: str = "cni-route", **keys: object) -> None:
        self.node = node
        self.plugin = plugin
        self.input = f"/run/bench-{plugin}-input.json"
        self.output = f"/run/bench-{plugin}-output.json"
        config = {
            "type": plugin,
            "cniVersion": "1.0.0",
            "name": "bench",
            "prevResult": {"cniVersion": "1.0.0", "interfaces": [], "ips": [], "dns": {}},
            **keys,
        }
        Path(self.input).write_text(json.dumps(config))

    def add(self, pod: Sandbox) -> Timing:
        """What one ADD takes; it must succeed."""
        env = {
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": "ADD",
            "CNI_CONTAINERID": pod.container_id,
            "CNI_NETNS": pod.netns,
            "CNI_IFNAME": "eth0",
            "CNI_PATH": BIN_DIR,
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in pod.arguments),
        }
        return spawn([f"{BIN_DIR}/{self.plugin}"], env, self.input, self.output)

    def own_routes(self, pod: Sandbox) -> int:
        """How many routes of ours the pod has."""
        return len(self.node.ip(f"-n {Path(pod.netns).name} route show proto 114").splitlines())


def spawn(words: list[str], env: dict[str, str], source: str, target: str) -> Timing:
    """Start a program and wait for its end. RuntimeError where it fails."""
    write = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, source, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, target, write, 0o600),
    ]
    began = time.perf_counter()
    process = os.posix_spawn(words[0], words, env, file_actions=actions)
    _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - began
    if status:
        raise RuntimeError(f"{words}: {status}: {Path(target).read_text()}")
    return Timing(seconds, used.ru_utime + used.ru_stime)


def interpreter() -> str:
    """The Python that the installed plugin runs by."""
    with open(f"{BIN_DIR}/cni-route", "rb") as file:
        line = file.readline().decode()
    return shlex.split(line[2:])[0] if "python" in line else sys.executable


def bare_python(_number: int) -> Timing:
    """The floor: an interpreter that starts and ends."""
    words = [interpreter(), "-I", "-S", "-c", "pass"]
    return spawn(words, {"PATH": os.environ["PATH"]}, "/dev/null", "/dev/null")


def fill(node: Node, rules: int) -> None:
    """A Route of so many rules."""
    networks = [{"dst": str(network(n)), "dev": "eth1"} for n in range(rules - 1)]
    shop = documents.to_service("shop", "eth0")
    route = documents.route(*networks, services=(shop,))
    text = documents.text(route, documents.service("shop", service_address(0)))
    node.write(f"{ROUTES_DIR}/bench.yaml", text)


def run(node: Node) -> Iterator[Row]:
    """The rows. A fresh pod for each call, so that each has all its routes to write."""
    node.install_plugin()
    for rules, budget in ((1, 1.3), (1000, None)):
        yield through_service(node, rules, budget)
    yield beside_a_go_plugin(node)
    yield alone(node)
    node.remove(f"{ROUTES_DIR}/bench.yaml")


def through_service(node: Node, rules: int, budget: float | None) -> Row:
    """The plugin hands over to the service."""
    pods = make_fleet(node, COUNT, f"add{rules}")
    fill(node, rules)
    caller = Caller(node)
    with Service(node):
        mine, bare = alternate(COUNT, lambda number: caller.add(pods[number]), bare_python)
    assert caller.own_routes(pods[-1]) == rules
    what = f"ADD, Python plugin to the service, {rules} route{'s' * (rules > 1)}"
    return Row(what, mine, "python3 -I -S -c pass", bare, most_ratio=budget)


def beside_a_go_plugin(node: Node) -> Row:
    """What the chain's other plugins cost: Debian's tuning sets one sysctl in the same pod."""
    pods = make_fleet(node, COUNT, "tuned")
    fill(node, 1)
    caller = Caller(node)
    tuning = Caller(node, "tuning", sysctl={"net.ipv4.conf.eth0.arp_filter": "1"})
    with Service(node):
        mine, theirs = alternate(
            COUNT, lambda number: caller.add(pods[number]), lambda number: tuning.add(pods[number])
        )
    return Row("the same beside a Go plugin", mine, "tuning", theirs)


def alone(node: Node) -> Row:
    """No service, a snapshot that it left; the retries until timeoutMs are not waited for."""
    pods = make_fleet(node, COUNT, "alone")
    fill(node, 1)
    caller = Caller(node, timeoutMs=1)
    service = Service(node)
    service.start()
    service.stop()
    mine, bare = alternate(COUNT, lambda number: caller.add(pods[number]), bare_python)
    assert caller.own_routes(pods[-1]) == 1
    return Row("ADD, Python plugin alone", mine, "python3 -I -S -c pass", bare, most_ratio=5)
