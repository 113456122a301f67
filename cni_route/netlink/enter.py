"""A netlink socket in the namespace of a descriptor, without a fork.

setns(2) moves the calling thread alone; it is back before open_socket returns or raises.
"""

from __future__ import annotations

import os
from _socket import AF_NETLINK, SOCK_RAW, socket
from collections.abc import Callable
from errno import EBADF
from functools import lru_cache

__all__ = ["StrandedThread", "open_socket"]

CLONE_NEWNET = 0x40000000
NETLINK_ROUTE = 0
OWN_NAMESPACE = "/proc/thread-self/ns/net"
RETURN_TRIES = 3  # setns allocates memory: once refused is not refused for ever


class StrandedThread(BaseException):
    """This thread could not leave a pod's namespace and must not serve anything again.

    Whatever it opened from here on would belong to the pod. No Exception, so that no worker that
    outlives its errors goes on in a foreign namespace: let it end the process.
    """


def open_socket(namespace: int, home: int | None = None) -> socket:
    """A route-netlink socket in the namespace behind the descriptor; close-on-exec.

    `home` is a descriptor of the namespace that the thread is in; None: it is looked up, which
    is always right and makes a fifth of the cost of a short visit.

    OSError: EBADF or EINVAL where the descriptor is no network namespace, EPERM without
    CAP_SYS_ADMIN. The socket keeps the namespace in being until it is closed.
    """
    if namespace < 0:  # os.setns would make a ValueError of it
        raise OSError(EBADF, os.strerror(EBADF))
    if home is not None:
        return _visit(namespace, home)
    looked_up = os.open(OWN_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if looked_up == namespace:  # the caller's was closed, and its number given out again
            raise OSError(EBADF, os.strerror(EBADF))
        return _visit(namespace, looked_up)
    finally:
        os.close(looked_up)


def _visit(namespace: int, home: int) -> socket:
    enter = _setns()
    try:
        try:
            enter(namespace)
            return socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)
        finally:
            _return(enter, home)
    except BaseException:
        # An exception from a signal's handler can have come before or into the way back.
        _return(enter, home)
        raise


def _return(enter: Callable[[int], None], home: int) -> None:
    """Move the thread back to where it was; StrandedThread if the kernel does not let it."""
    for left in reversed(range(RETURN_TRIES)):
        try:
            enter(home)
            return
        except OSError as refused:
            if not left:
                raise StrandedThread(f"no way out of a pod's namespace: {refused}") from refused


@lru_cache(maxsize=1)
def _setns() -> Callable[[int], None]:
    """setns(2) for network namespaces: os.setns from Python 3.12 on, libc's before."""
    of_python: Callable[[int, int], None] | None = getattr(os, "setns", None)
    if of_python is not None:
        call = of_python
        return lambda descriptor: call(descriptor, CLONE_NEWNET)
    import ctypes  # noqa: PLC0415 - costs a short-lived process 3 ms, so only where it is needed

    # PyDLL keeps the interpreter's lock: setns takes a microsecond, and no other thread can
    # run between the way in and the way out.
    setns = ctypes.PyDLL(None, use_errno=True).setns
    setns.argtypes = (ctypes.c_int, ctypes.c_int)

    def enter(descriptor: int) -> None:
        if setns(descriptor, CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))

    return enter
