"""Throw-away network namespaces of the running kernel, held by a descriptor alone.

Nothing has a name that could be left behind: the last descriptor closed, the namespace is gone.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

T = TypeVar("T")

CLONE_NEWNET = 0x40000000
DEADLINE_SECONDS = 10.0
NICS = ("eth0", "eth1", "p0", "p1")

needs_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="making network namespaces takes root (CAP_SYS_ADMIN)"
)

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno(), what)


def in_thread(act: Callable[[], T]) -> T:
    """Run `act` in a thread of its own; return what it returns, raise what it raises."""
    results: list[T] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            results.append(act())
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


def here() -> str:
    """The calling thread's network namespace, as the kernel names it."""
    return os.readlink("/proc/thread-self/ns/net")


class Namespace:
    """One namespace: its descriptor, and ways to act in it."""

    def __init__(self) -> None:
        def make() -> int:
            _check(_libc.unshare(CLONE_NEWNET), "unshare")
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

        self.descriptor = in_thread(make)
        self.inode = os.fstat(self.descriptor).st_ino

    def close(self) -> None:
        os.close(self.descriptor)

    def call(self, act: Callable[[], T]) -> T:
        """Run `act` in a thread that has moved in here."""

        def work() -> T:
            _check(_libc.setns(self.descriptor, CLONE_NEWNET), "setns")
            return act()

        return in_thread(work)

    def try_ip(self, words: str, lines: str | None = None) -> subprocess.CompletedProcess[str]:
        """`ip WORDS` in here, with `lines` as its input; however it ends."""
        return self.call(
            lambda: subprocess.run(
                ["ip", *words.split()], input=lines, capture_output=True, text=True, check=False
            )
        )

    def ip(self, words: str) -> str:
        """What `ip WORDS` prints in here; it must succeed."""
        done = self.try_ip(words)
        assert done.returncode == 0, f"ip {words}: {done.stderr}"
        return done.stdout

    def batch(self, *lines: str) -> None:
        """Several `ip` commands of one family (the first line's) in one process."""
        done = self.try_ip("-batch -", "\n".join(lines))
        assert done.returncode == 0, done.stderr

    def index(self, name: str) -> int:
        """An interface's index."""
        return int(self.ip(f"-o link show {name}").split(":")[0])


@contextmanager
def bare() -> Iterator[Namespace]:
    """A namespace in which only lo is, and is up."""
    made = Namespace()
    try:
        made.ip("link set lo up")
        yield made
    finally:
        made.close()


@contextmanager
def pod() -> Iterator[Namespace]:
    """A namespace like a pod's with two NICs; their far ends (p0, p1) are in it too.

    eth0: 10.0.0.2/24, 2001:db8::2/64; eth1: 10.1.0.2/24, 2001:db8:1::2/64. No link-local
    addresses: the kernel would add them, and their routes, at a time of its own.
    """
    with bare() as made:
        made.batch(
            "link add eth0 type veth peer name p0",
            "link add eth1 type veth peer name p1",
            *(f"link set {name} addrgenmode none" for name in NICS),
            "address add 10.0.0.2/24 dev eth0",
            "address add 10.1.0.2/24 dev eth1",
            "address add 2001:db8::2/64 dev eth0 nodad",
            "address add 2001:db8:1::2/64 dev eth1 nodad",
            *(f"link set {name} up" for name in NICS),
        )
        yield made


def until(true: Callable[[], T], what: str) -> T:
    """Wait until `true` returns something true, and return that; fails after the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not (value := true()):
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS} s: {what}"
        threading.Event().wait(0.005)
    return value


def descriptors() -> list[str]:
    """This process's open descriptors and what they stand for, without the one that lists."""
    found = []
    for number in os.listdir("/proc/self/fd"):
        try:
            found.append(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except FileNotFoundError:
            continue
    return sorted(found)
