"""A throw-away network namespace of the running kernel, driven by `ip`."""

from __future__ import annotations

import ctypes
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

CLONE_NEWNET = 0x40000000
DEADLINE_SECONDS = 10.0


class NamespaceThread:
    """A thread with a network namespace of its own; what it starts lives in there."""

    def __init__(self) -> None:
        self._work: queue.Queue[Callable[[], None] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="namespace", daemon=True)
        self._thread.start()
        self.path = self.call(self._enter)

    @staticmethod
    def _enter() -> str:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWNET)")
        return f"/proc/{os.getpid()}/task/{threading.get_native_id()}/ns/net"

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def call(self, act: Callable[..., Any], *arguments: object) -> Any:
        """Run `act` in the namespace and return what it returns, or raise what it raises."""
        answer: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue()

        def work() -> None:
            try:
                answer.put((act(*arguments), None))
            except BaseException as error:
                answer.put((None, error))

        self._work.put(work)
        result, error = answer.get()
        if error is not None:
            raise error
        return result

    def ip(self, words: str) -> str:
        """Run `ip WORDS` in the namespace; what it wrote. RuntimeError where it fails."""
        done = self.call(
            lambda: subprocess.run(
                ["ip", *words.split()], check=False, capture_output=True, text=True
            )
        )
        if done.returncode:
            raise RuntimeError(f"ip {words}: {done.stderr.strip()}")
        return str(done.stdout)

    def stop(self) -> None:
        """End the thread; the namespace goes when nothing else holds it."""
        self._work.put(None)
        self._thread.join()


class RealWorld:
    """The same driver as the fake's (tests/contract/worlds.py), on a real namespace.

    Its links are veth pairs whose far ends lie in a second namespace: taking one of those down is
    what takes a carrier away.
    """

    real = True

    def __init__(self) -> None:
        self._near = NamespaceThread()
        self._far = NamespaceThread()
        for side in (self._near, self._far):
            side.call(_settle_sysctls)
            side.ip("link set lo up")
        self.descriptor = os.open(self._near.path, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self.descriptor).st_ino
        self._far_up: dict[str, bool] = {}
        self._configured: set[str] = set()  # by IPv6, since they came up
        self._closed = False

    def let_go(self) -> None:
        """Hold the namespace no longer; the far ends of its links stay. Twice is fine."""
        if not self._closed:
            self._closed = True
            os.close(self.descriptor)
            self._near.stop()

    def close(self) -> None:
        """Let both namespaces go: with the far ends, the links go, whoever holds the namespace."""
        self.let_go()
        self._far.stop()

    # ------------------------------------------------------------ links and addresses

    def add_link(self, name: str, *addresses: str, up: bool = True) -> int:
        """A new interface with its addresses, by default up; its index."""
        self._near.ip(f"link add {name} type veth peer name {name} netns {self._far.path}")
        index = self._index(name)
        # The MAC address that the fake gives, so that link-local addresses are the same.
        self._near.ip(f"link set {name} address 02:00:00:00:00:{index & 0xFF:02x}")
        self._far.ip(f"link set {name} up")
        self._far_up[name] = True
        if up:
            self.set_up(name)
        for address in addresses:
            self.add_address(name, address)
        return index

    def remove_link(self, name: str) -> None:
        """Delete the pair."""
        self._near.ip(f"link delete {name}")
        self._configured.discard(name)

    def set_up(self, name: str) -> None:
        """Up, and configured as far as the kernel does it by itself."""
        self._near.ip(f"link set {name} up")
        self._settle(name)

    def set_down(self, name: str) -> None:
        """Administratively down."""
        self._near.ip(f"link set {name} down")
        self._configured.discard(name)

    def set_carrier(self, name: str, on: bool) -> None:
        """Take the far end down, or up."""
        self._far.ip(f"link set {name} {'up' if on else 'down'}")
        self._far_up[name] = on
        if "UP" in self._flags(name):
            self._settle(name)

    def add_address(self, name: str, address: str) -> None:
        """An address without duplicate address detection."""
        nodad = " nodad" if ":" in address else ""
        self._near.ip(f"address add {address} dev {name}{nodad}")

    def remove_address(self, name: str, address: str) -> None:
        """Take an address away."""
        self._near.ip(f"address delete {address} dev {name}")

    def _settle(self, name: str) -> None:
        """The kernel tells of a carrier, and then configures IPv6, a little later: wait."""
        carrier = self._far_up[name]
        states = ("state UP",) if carrier else ("state DOWN", "state LOWERLAYERDOWN")

        def settled() -> bool:
            words = self._near.ip(f"-o link show dev {name}")
            if ("LOWER_UP" in words) is not carrier or not any(state in words for state in states):
                return False
            known = not carrier or name in self._configured
            return known or "fe80" in self._near.ip(f"-6 -o address show {name}")

        wait_for(settled, f"{name} has settled")
        if carrier:
            self._configured.add(name)

    def _flags(self, name: str) -> list[str]:
        words = self._near.ip(f"-o link show dev {name}")
        return words.partition("<")[2].partition(">")[0].split(",")

    def _index(self, name: str) -> int:
        return int(self._near.ip(f"-o link show dev {name}").partition(":")[0])

    # ------------------------------------------------------------ routes, rules, nexthops

    def path(self, address: str, source: str = "") -> tuple[str, str] | None:
        """Device and gateway ('' for none) of a packet to `address`; None: it goes nowhere."""
        bound = f" from {source}" if source else ""
        try:
            words = self._near.ip(f"route get {address}{bound}").split()
        except RuntimeError:
            return None
        via = words.index("via") + 1 if "via" in words else 0
        if via and words[via] == "inet6":
            via += 1
        return words[words.index("dev") + 1], words[via] if via else ""

    def route(self, words: str, verb: str = "add") -> None:
        """`ip route VERB WORDS`; `default6` is ::/0."""
        family = "-6 " if ":" in words or "default6" in words else ""
        self._near.ip(f"{family}route {verb} {words.replace('default6', 'default')}")

    def rule(self, words: str, verb: str = "add") -> None:
        """`ip rule VERB WORDS`."""
        self._near.ip(f"{'-6 ' if ':' in words else ''}rule {verb} {words}")

    def nexthop(self, words: str) -> None:
        """`ip nexthop add WORDS`."""
        self._near.ip(f"{'-6 ' if ':' in words else ''}nexthop add {words}")

    def remove_nexthop(self, identity: int) -> None:
        """`ip nexthop delete id N`."""
        self._near.ip(f"nexthop delete id {identity}")


def _settle_sysctls() -> None:
    """What would make the outcome depend on time or on the machine is turned off."""
    for name, value in (
        ("ipv6/conf/default/accept_dad", "0"),
        ("ipv6/conf/default/accept_ra", "0"),
        ("ipv6/conf/default/router_solicitations", "0"),
        ("ipv4/conf/default/promote_secondaries", "0"),
        ("ipv4/conf/all/promote_secondaries", "0"),
    ):
        with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
            file.write(value)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    """Poll until it holds; AssertionError after the deadline."""
    end = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited {DEADLINE_SECONDS:.0f} s in vain: {what}")
        time.sleep(0.001)
