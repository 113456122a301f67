"""make demo: a node of its own, with real CNI plugins and pods, and what cni-route does there.

Each step checks itself; the first that does not hold ends the demo with exit code 1. The lines
below a `$` are the real output of `ip` in the pod; `+` marks our routes, `~` our backups.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial

from tests.node.lists import ETH1_GATEWAY, OWN, bridged, calico
from tests.node.node import CONF_DIR, PROJECT, ROUTES_DIR, Node, until
from tests.node.pods import Changes, Pod, Row, make_pod
from tests.node.replug import replug, unplug
from tests.node.runtime import Runtime, Sandbox
from tests.node.service import Service

SERVICES = """\
apiVersion: v1
kind: Service
metadata: {namespace: default, name: shop}
spec: {clusterIP: 10.86.0.10, clusterIPs: [10.86.0.10, "fd00:86::10"]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: ledger}
spec: {clusterIP: 10.86.0.20, clusterIPs: [10.86.0.20]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: nginx}
spec: {clusterIP: 10.86.0.30, clusterIPs: [10.86.0.30]}
"""

ROUTE = """\
apiVersion: k8s.ovn.org/v1
kind: Route
metadata: {{name: shop}}
spec:
  svc:
    - {{namespace: default, name: shop, dev: {shop}}}
    - {{namespace: default, name: ledger, dev: eth0}}
  route:
    - {{dst: 172.16.20.0/24, dev: eth1, via: auto}}
"""
SAMPLE = "cr-config.yaml"  # of conf/: a network, nginx and the default route on eth1

GATEWAY4, GATEWAY6 = ETH1_GATEWAY
CALICO6 = "fe80::ecee:eeff:feee:eeee"
ETH0_RULES = [
    "10.86.0.10 dev eth0",
    "10.86.0.20 dev eth0",
    f"fd00:86::10 dev eth0 via {CALICO6}",
]
AT_BIRTH = sorted([*ETH0_RULES, f"172.16.20.0/24 dev eth1 via {GATEWAY4}"])
SWITCHED = sorted(
    [
        "10.86.0.10 dev eth1",
        "10.86.0.20 dev eth0",
        f"172.16.20.0/24 dev eth1 via {GATEWAY4}",
        f"fd00:86::10 dev eth1 via {GATEWAY6}",
    ]
)
WITH_SAMPLE = sorted(
    [
        *SWITCHED,
        "10.86.0.30 dev eth1",
        "172.16.10.0/24 dev eth1",
        f"default dev eth1 via {GATEWAY4}",
    ]
)


class Screen:
    """Plain lines; colour only on a terminal that wants it."""

    def __init__(self) -> None:
        self.colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self.began = time.perf_counter()
        self.number = 0

    def _paint(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def step(self, title: str) -> None:
        """Begin a step."""
        self.number += 1
        print(f"\n{self._paint('1', f'{self.number}. {title}')}", flush=True)

    def say(self, text: str) -> None:
        """A remark."""
        print(f"   {text}", flush=True)

    def took(self, what: str, seconds: float) -> None:
        """What was measured."""
        print(f"   {what}: {self._paint('36', f'{seconds * 1000:.1f} ms')}", flush=True)

    def table(self, pod: Pod, arguments: str = "route") -> None:
        """The real output of ip in the pod, our lines marked."""
        print(f"   {self._paint('2', f'{pod.sandbox.name} $ ip {arguments}')}")
        for line in pod.ip(arguments).splitlines():
            mark, code = " ", "0"
            if " proto 114 " in f"{line} ":
                mark, code = "+", "32"
            elif " proto 115 " in f"{line} ":
                mark, code = "~", "33"
            print(f"   {self._paint(code, f'{mark} {line.rstrip()}')}", flush=True)

    def output(self, command: str, text: str) -> None:
        """Another command's real output."""
        print(f"   {self._paint('2', f'$ {command}')}")
        for line in text.splitlines():
            print(f"     {line}", flush=True)


class Demo:
    """The node, its service and pods, and one method a step."""

    def __init__(self, node: Node, screen: Screen) -> None:
        self.node = node
        self.screen = screen
        self.runtime = Runtime(node)
        self.runtime.after_plugin = self._remember
        self.service = Service(node)
        self.pods: list[Pod] = []
        self.seconds: list[float] = []
        self.made: dict[str, list[Row]] = {}

    def _remember(self, _sandbox: Sandbox, _ifname: str, plugin: str, seconds: float) -> None:
        if plugin == "cni-route":
            self.seconds.append(seconds)

    def edit(self, shop: str) -> None:
        """Write the Route's file anew."""
        self.node.write(f"{ROUTES_DIR}/shop.yaml", ROUTE.format(shop=shop))

    def add_sample(self) -> None:
        """Put the sample from conf/ into the folder."""
        text = (PROJECT / "conf" / SAMPLE).read_text()
        self.node.write(f"{ROUTES_DIR}/{SAMPLE}", text)

    def remove_sample(self) -> None:
        """Take it out again."""
        self.node.remove(f"{ROUTES_DIR}/{SAMPLE}")

    def expect(self, own: list[str], pods: Iterable[Pod]) -> Callable[[], bool]:
        """Whether each of the pods has exactly these routes of ours."""
        return lambda: all(pod.own() == own for pod in pods)

    def check(self, own: list[str], pod: Pod) -> None:
        """This moment, and exactly."""
        found = pod.own()
        assert found == own, f"{pod.sandbox.name} has {found}, not {own}"

    @property
    def web(self) -> list[Pod]:
        """The pods with both NICs."""
        return [pod for pod in self.pods if "eth1" in pod.results]

    # ------------------------------------------------------------ the steps

    def begin(self) -> None:
        """The node's configuration, then the service."""
        self.screen.step("A node: two CNI lists with cni-route in both, a folder of Routes")
        self.node.write(f"{CONF_DIR}/10-calico.conflist", calico(OWN))
        self.node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(OWN))
        self.node.install_plugin()
        self.node.write(f"{ROUTES_DIR}/services.yaml", SERVICES)
        self.edit(shop="eth0")
        self.screen.output(f"cat {ROUTES_DIR}/shop.yaml", ROUTE.format(shop="eth0"))
        self.screen.took("the service starts and answers", self.service.start())

    def birth(self) -> None:
        """Two pods with eth0 and eth1; the routes are there when ADD returns."""
        self.screen.step("A pod is born with its routes (eth0, then eth1, by a real CNI chain)")
        for name in ("web-1", "web-2"):
            began = time.perf_counter()
            pod = make_pod(self.runtime, name)
            self.pods.append(pod)
            self.check(AT_BIRTH, pod)
            self.screen.took(f"{name}: the whole chain", time.perf_counter() - began)
        self.screen.took("of this, one call of cni-route (median)", median(self.seconds))
        self.screen.table(self.pods[0])
        self.screen.table(self.pods[0], "-6 route")

    def without_eth1(self) -> None:
        """A pod with eth0 only has only eth0's rules."""
        self.screen.step("A pod without eth1 has only the rules for eth0")
        self.runtime.max_conf_num = 1
        pod = make_pod(self.runtime, "plain")
        self.runtime.max_conf_num = 2
        self.pods.append(pod)
        self.check(sorted(ETH0_RULES), pod)
        self.screen.table(pod)
        self.screen.output("cni-route pods", self.node.cni_route("pods").stdout)
        for each in self.pods:
            until(each.settled, "link-local addresses")
            self.made[each.sandbox.name] = each.foreign()

    def switch(self) -> None:
        """The Service goes to eth1 in the running pods."""
        self.screen.step("The file is edited: Service shop goes from eth0 to eth1")
        with Changes(self.web) as changes:
            self.edit(shop="eth1")
            seconds = changes.until(self.expect(SWITCHED, self.web), "shop is on eth1 in web-*")
        self.screen.took("from the edit to the last route in both running pods", seconds)
        self.screen.table(self.web[0])
        only_ledger = ["10.86.0.20 dev eth0"]
        until(self.expect(only_ledger, [self.pods[-1]]), "plain keeps what is for eth0")

    def repair(self) -> None:
        """A route deleted by hand."""
        self.screen.step("A route is deleted by hand, and comes back")
        pod = self.web[0]
        self.screen.say("web-1 $ ip route delete 10.86.0.10 dev eth1")
        with Changes([pod]) as changes:
            pod.ip("route delete 10.86.0.10 dev eth1")
            seconds = changes.until(self.expect(SWITCHED, [pod]), "the route comes back")
        self.screen.took("it was away for", seconds)

    def flap(self) -> None:
        """eth1 down and up, then taken out and made again."""
        self.screen.step("eth1 is set down and up; then it is unplugged and made again")
        pod = self.web[0]
        self.screen.say("web-1 $ ip link set eth1 down")
        pod.ip("link set eth1 down")
        until(self.expect(["10.86.0.20 dev eth0"], [pod]), "nothing is left on eth1")
        self.screen.table(pod)
        self.screen.say("web-1 $ ip link set eth1 up   (and what eth1's CNI had put there)")
        with Changes([pod]) as changes:
            replug(pod, "eth1", self.made[pod.sandbox.name])
            seconds = changes.until(self.expect(SWITCHED, [pod]), "the routes are back")
        self.screen.took("up: all routes back after", seconds)
        self.screen.say("web-1 $ ip link delete eth1   (and a new veth is put in)")
        unplug(pod, "eth1")
        with Changes([pod]) as changes:
            replug(pod, "eth1", self.made[pod.sandbox.name])
            seconds = changes.until(self.expect(SWITCHED, [pod]), "the routes are back")
        self.screen.took("a new eth1: all routes back after", seconds)
        self.screen.table(pod)

    def default_route(self) -> None:
        """The default route goes to eth1 and back."""
        self.screen.step("The default route goes to eth1, and back to eth0")
        self.screen.say(f"$ cp conf/{SAMPLE} {ROUTES_DIR}")
        with Changes(self.web) as changes:
            self.add_sample()
            arrived = self.expect(WITH_SAMPLE, self.web)
            seconds = changes.until(arrived, "the default is on eth1")
        self.screen.took("to eth1, in both running pods", seconds)
        self.screen.table(self.web[0])
        self.screen.say(f"$ rm {ROUTES_DIR}/{SAMPLE}")
        with Changes(self.web) as changes:
            self.remove_sample()
            seconds = changes.until(self.expect(SWITCHED, self.web), "the default is back")
        self.screen.took("back, in both running pods", seconds)
        self.screen.table(self.web[0])
        self.same_as_made()

    def cleanup(self) -> None:
        """What the CNI plugins made is all that is left."""
        self.screen.step("cleanup leaves each table as the CNI plugins made it")
        self.add_sample()
        until(self.expect(WITH_SAMPLE, self.web), "the default is on eth1 again")
        began = time.perf_counter()
        text = self.node.cni_route("cleanup").stdout
        self.screen.output("cni-route cleanup", text)
        self.screen.took("beside the running service, 3 pods", time.perf_counter() - began)
        for pod in self.pods:
            self.check([], pod)
            backups = [row for row in pod.routes() if row.get("protocol") == "115"]
            assert not backups, f"backups are left in {pod.sandbox.name}: {backups}"
        self.same_as_made()
        self.screen.table(self.web[0])
        assert self.service.stop() == 0, "SIGTERM ended the service with an error"

    def same_as_made(self) -> None:
        """No foreign route is missing, changed or new."""
        for pod in self.pods:
            made = self.made[pod.sandbox.name]
            until(partial(is_made, pod, made), f"{pod.sandbox.name} as its CNI plugins made it")


def median(values: list[float]) -> float:
    """The middle one."""
    return sorted(values)[len(values) // 2]


def is_made(pod: Pod, made: list[Row]) -> bool:
    """Whether the pod's foreign routes are those that it was made with."""
    return pod.foreign() == made


def main() -> int:
    """Run the steps; 0 when all held."""
    if os.geteuid():
        print("The demo makes network namespaces and needs root: sudo make demo", file=sys.stderr)
        return 1
    screen = Screen()
    demo = Demo(Node.here(), screen)
    steps = (demo.begin, demo.birth, demo.without_eth1, demo.switch, demo.repair, demo.flap)
    try:
        for step in (*steps, demo.default_route, demo.cleanup):
            step()
    except Exception as error:
        print(f"\nFAILED: {error}\n\nThe service's log:\n{demo.service.log()}", file=sys.stderr)
        return 1
    finally:
        demo.service.kill()
    seconds = time.perf_counter() - screen.began
    print(
        f"\nAll {screen.number} steps held, in {seconds:.1f} s. Nothing was left on this machine."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
