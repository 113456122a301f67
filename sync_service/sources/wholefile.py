"""Reading a file only when nobody is in the middle of writing it.

A shell's `command > file` empties the file first and fills it later: to read it in between would
be to believe that everything in it was deleted. A read lease (fcntl(2)) is refused while anybody
has the file open for writing, so asking for one tells; it is given back at once.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import time
from typing import NamedTuple

__all__ = ["LARGEST", "Busy", "Signature", "read_whole", "signature"]

LARGEST = 8 << 20  # bytes
_QUIET = 2.0  # seconds without a change, where the file system knows no leases


class Busy(Exception):
    """Somebody is writing the file now; its end will be noticed."""


class Signature(NamedTuple):
    """What differs whenever a file was replaced or written; links are followed."""

    device: int
    inode: int
    size: int
    modified: int  # nanoseconds
    changed: int  # nanoseconds; the kernel's own, nobody can set it


def signature(path: str) -> Signature:
    """The file's signature; OSError where there is none."""
    return _of(os.stat(path))


def read_whole(path: str) -> tuple[Signature, str]:
    """The text of a regular file that nobody wrote meanwhile, and its signature then.

    Busy, or OSError with a reason: not a regular file, too large, not UTF-8. Never blocks.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "it is not a file", path)
        if before.st_size > LARGEST:
            raise OSError(errno.EFBIG, f"it is larger than {LARGEST >> 20} MiB; split it", path)
        _check_quiet(descriptor, before)
        data = file.read(LARGEST + 1)
        after = os.fstat(descriptor)
        _check_quiet(descriptor, after)
        if _of(before) != _of(after) or len(data) != after.st_size:
            raise Busy(path)
    try:
        return _of(after), data.decode()
    except UnicodeDecodeError as error:
        raise OSError(errno.EILSEQ, f"it is not UTF-8 (byte {error.start})", path) from None


def _of(found: os.stat_result) -> Signature:
    return Signature(
        found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    )


def _check_quiet(descriptor: int, found: os.stat_result) -> None:
    """Busy while the file is open for writing anywhere."""
    try:
        # a writer that comes in the instant of the lease makes the kernel send a signal: one that
        # is ignored unless somebody asks for it, in place of SIGIO, which would end the process
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        raise Busy from None
    except OSError:
        # no leases here (another file system, another's file): wait until it has been quiet
        if abs(time.time() - found.st_ctime) < _QUIET:
            raise Busy from None
