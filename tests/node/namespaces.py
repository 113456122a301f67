"""Linux namespaces from Python 3.10, which has no os.setns: a few calls into libc.

unshare, setns and mount act on the calling thread only.
"""

from __future__ import annotations

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
NETLINK_ROUTE = 0
SO_RCVBUFFORCE = 33

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """Leave the namespaces of `flags` (CLONE_*) for fresh ones."""
    _check(_libc.unshare(flags), "unshare")


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace that an open descriptor stands for."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2)."""
    arguments = [text.encode() for text in (source, target, kind)]
    _check(_libc.mount(*arguments, ctypes.c_ulong(flags), options.encode()), f"mount {target}")


@contextmanager
def inside(netns: str | os.PathLike[str]) -> Iterator[None]:
    """Have the calling thread in a network namespace; sockets made there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(there, CLONE_NEWNET)
        finally:
            os.close(there)
        try:
            yield
        finally:
            setns(home, CLONE_NEWNET)
    finally:
        os.close(home)


def listen(netns: str | os.PathLike[str], groups: tuple[int, ...]) -> socket.socket:
    """A netlink socket in a namespace, member of multicast groups (RTNLGRP_*)."""
    with inside(netns):
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
    sock.bind((0, 0))
    for group in groups:
        sock.setsockopt(270, 1, group)  # SOL_NETLINK, NETLINK_ADD_MEMBERSHIP
    return sock


def write_sysctl(netns: str | os.PathLike[str], name: str, value: str) -> None:
    """Set net/... in a namespace; /proc/sys/net shows that of the thread that opens it."""
    with inside(netns), open(f"/proc/sys/{name}", "w", encoding="ascii") as out:
        out.write(value)
