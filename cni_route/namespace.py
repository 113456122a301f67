"""Opening a pod's network namespace, with every check that keeps us out of other places."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

_NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_GONE = (errno.ENOENT, errno.ENOTDIR)


class NamespaceError(OSError):
    """A path or descriptor that is not a pod's network namespace; its text is one sentence.

    `errno` tells gone (ENOENT) from refused (EPERM, EINVAL).
    """

    def __str__(self) -> str:
        return str(self.strerror)


class HostNamespace(NamespaceError):
    """It is this process's own namespace, or PID 1's: a pod on the host's network has that."""


def open_namespace(path: str) -> int:
    """An open descriptor of the network namespace at `path`; the caller closes it.

    NamespaceError where it is gone, is no network namespace, is this process's own or PID 1's.
    Never blocks (a FIFO may lie there) and never creates anything. Follows symbolic links
    (/var/run/netns is behind one): what they lead to is what is checked.
    """
    try:
        descriptor = os.open(path, _OPEN)
    except ValueError:  # a NUL in it, or what no file name can hold
        raise NamespaceError(errno.EINVAL, f"{path!r} is not a path") from None
    except OSError as error:
        number = error.errno or errno.EINVAL
        what = "is gone" if number in _GONE else f"cannot be opened: {os.strerror(number)}"
        raise NamespaceError(number, f"the network namespace {path!r} {what}") from None
    try:
        check_namespace(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_namespace(descriptor: int, path: str = "") -> int:
    """The inode of a descriptor that is a network namespace other than ours and PID 1's.

    NamespaceError says what it is instead; the descriptor stays open either way. `path` is what
    it was opened by, for that sentence; empty where it came from elsewhere.
    """
    name = repr(path) if path else "the descriptor handed over"
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not _is_network(descriptor):
        raise NamespaceError(errno.EINVAL, f"{name} is not a network namespace")
    for process in ("self", "1"):
        try:
            theirs = os.stat(f"/proc/{process}/ns/net")
        except OSError:
            # PID 1 may be out of sight (hidepid); our own never is, and is the one that matters
            if process == "self":
                raise
            continue
        if (theirs.st_ino, theirs.st_dev) == (found.st_ino, found.st_dev):
            owner = "this process's own" if process == "self" else "the host's (PID 1's)"
            raise HostNamespace(
                errno.EPERM, f"{name} is {owner} network namespace; nothing is written there"
            )
    return found.st_ino


def _is_network(descriptor: int) -> bool:
    try:
        return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


__all__ = ["HostNamespace", "NamespaceError", "check_namespace", "open_namespace"]
