"""Opening a pod's network namespace, with every check that keeps us out of other places."""

from __future__ import annotations

import errno
import fcntl
import os
import stat

_NS_GET_NSTYPE = 0xB703  # linux/nsfs.h
_CLONE_NEWNET = 0x40000000  # linux/sched.h
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


class NamespaceError(OSError):
    """A path or descriptor that is not a pod's network namespace; its text is one sentence.

    `errno` tells gone (ENOENT) from refused (EPERM, EINVAL).
    """

    def __str__(self) -> str:
        return str(self.strerror)


def open_namespace(path: str) -> int:
    """An open descriptor of the network namespace at `path`; the caller closes it.

    NamespaceError where it is gone, is no network namespace, is this process's own or PID 1's.
    Never blocks (a FIFO may lie there) and never creates anything.
    """
    try:
        descriptor = os.open(path, _OPEN)
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or errno.EINVAL
        word = "is gone" if number in (errno.ENOENT, errno.ENOTDIR) else os.strerror(number).lower()
        raise NamespaceError(number, f"the network namespace {path!r} {word}") from None
    try:
        check_namespace(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def check_namespace(descriptor: int, name: str = "the descriptor handed over") -> int:
    """The inode of a descriptor that is a network namespace other than ours and PID 1's.

    NamespaceError says what it is instead; the descriptor stays open either way.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or not _is_network(descriptor):
        raise NamespaceError(errno.EINVAL, f"{name!r} is not a network namespace")
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
            raise NamespaceError(
                errno.EPERM, f"{name!r} is {owner} network namespace; nothing is written there"
            )
    return found.st_ino


def _is_network(descriptor: int) -> bool:
    try:
        return fcntl.ioctl(descriptor, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


__all__ = ["NamespaceError", "check_namespace", "open_namespace"]
