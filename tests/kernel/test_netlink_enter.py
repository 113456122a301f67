"""Visits to other namespaces: the thread is always back, or never serves again."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from errno import EBADF, EINVAL
from fcntl import F_GETFD, FD_CLOEXEC, fcntl, ioctl

import pytest

from cni_route.netlink.enter import StrandedThread, open_socket
from cni_route.netlink.table import NetlinkKernel
from tests.kernel.namespaces import Namespace, bare, descriptors, here, in_thread, needs_root

pytestmark = needs_root

SIOCGSKNS = 0x894C  # a descriptor of a socket's namespace
CLONE_NEWNET = 0x40000000
CLONE_NEWUSER = 0x10000000


@pytest.fixture
def space() -> Iterator[Namespace]:
    with bare() as made:
        yield made


def home_of(number: int) -> int:
    """The namespace (its inode) that a socket belongs to."""
    found = ioctl(number, SIOCGSKNS)
    try:
        return os.fstat(found).st_ino
    finally:
        os.close(found)


def test_the_socket_is_there_and_the_thread_is_here(space: Namespace) -> None:
    before = here()
    with closing(open_socket(space.descriptor)) as opened:
        assert here() == before
        assert home_of(opened.fileno()) == space.inode
        assert fcntl(opened.fileno(), F_GETFD) & FD_CLOEXEC


def test_a_thread_in_another_namespace_is_back_in_that_one(space: Namespace) -> None:
    with bare() as other:

        def visit() -> str:
            inside = here()
            open_socket(space.descriptor).close()
            assert here() == inside
            return inside

        assert other.call(visit) == f"net:[{other.inode}]"
        assert in_thread(here) == here() != f"net:[{other.inode}]"


def test_a_given_home_is_gone_back_to(space: Namespace) -> None:
    before = here()
    home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with closing(NetlinkKernel(home).open(space.descriptor)) as table:
            assert here() == before
            assert table.namespace == space.inode
            assert set(table.links()) == {"lo"}
    finally:
        os.close(home)


def test_what_is_no_network_namespace_is_refused_and_the_thread_stays() -> None:
    before, open_before = here(), descriptors()
    for path in ("/dev/null", "/proc/self/ns/mnt", "/proc/self/ns/user", "/tmp"):
        other = os.open(path, os.O_RDONLY)
        with pytest.raises(OSError, match=str(EINVAL)):
            open_socket(other)
        os.close(other)
    for number in (other, -1):
        with pytest.raises(OSError, match=str(EBADF)):
            open_socket(number)
    assert here() == before
    assert descriptors() == open_before


class Struck(Exception):
    """What a signal's handler raises."""


def be_struck() -> int:
    """Thousands of visits, each struck at another moment by a handler that raises.

    To be run in a process of its own: where an exception comes between a call and the name for
    what it returned, Python leaves the descriptor open.
    """

    def strike(*_: object) -> None:
        raise Struck

    signal.signal(signal.SIGALRM, strike)
    before = here()
    struck = 0
    with bare() as space:
        for number in range(4000):
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + number % 40 * 1e-6)
                for _ in range(3):
                    open_socket(space.descriptor).close()
                signal.setitimer(signal.ITIMER_REAL, 0)
            except Struck:
                struck += 1
            if here() != before:
                return 1
    return 0 if struck > 100 else 2


def alone(function: str) -> int:
    """Run a function of this module in a process of its own; its exit code."""
    words = f"import sys; from {__name__} import {function}; sys.exit({function}())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", words], check=False, timeout=60, capture_output=True
    )
    assert done.returncode in (0, 77), (done.returncode, done.stderr.decode())
    return done.returncode


def test_an_exception_from_a_signal_does_not_keep_the_thread_away() -> None:
    assert alone("be_struck") == 0


def be_stranded() -> int:
    """Visit a namespace from which the kernel lets nobody back; to be run in a process of its own.

    A child makes a user namespace that owns a network namespace. Once this process has joined the
    user namespace it may enter the child's network, but not the one it came from.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        made = libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
        os.write(ready[1], b"0" if made == 0 else b"1")
        os.read(go[0], 1)
        os._exit(0)
    try:
        if os.read(ready[0], 1) != b"0":
            return 77
        user = os.open(f"/proc/{child}/ns/user", os.O_RDONLY)
        network = os.open(f"/proc/{child}/ns/net", os.O_RDONLY)
        if libc.setns(user, CLONE_NEWUSER):
            return 77
        try:
            open_socket(network)
        except Exception:
            return 1  # some loop would have gone on
        except StrandedThread as stranded:
            return 0 if "no way out" in str(stranded) else 2
        return 3
    finally:
        os.write(go[1], b".")
        os.waitpid(child, 0)


def test_a_thread_that_cannot_come_back_is_stranded_for_good() -> None:
    if alone("be_stranded") == 77:
        pytest.skip("this machine makes no user namespaces")


def test_stranded_is_no_exception_that_a_worker_outlives() -> None:
    assert not issubclass(StrandedThread, Exception)
