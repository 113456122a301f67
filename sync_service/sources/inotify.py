"""inotify(7) by way of libc: a descriptor to poll, watches, and the names that changed."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Inotify", "Notice"]

# linux/inotify.h
CLOSE_WRITE = 0x00000008
MOVED_FROM = 0x00000040
MOVED_TO = 0x00000080
CREATE = 0x00000100
DELETE = 0x00000200
DELETE_SELF = 0x00000400
MOVE_SELF = 0x00000800
OVERFLOW = 0x00004000
IGNORED = 0x00008000
ONLYDIR = 0x01000000

_HEADER = struct.Struct("iIII")  # wd, mask, cookie, length of the name that follows
_BUFFER = 64 << 10


class Notice(NamedTuple):
    """One event: the watch, its mask, and the name in the watched folder ('' for itself)."""

    watch: int
    mask: int
    name: str


class Inotify:
    """One inotify instance; never blocks. Used by one thread."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._checked(
            self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK), "inotify"
        )

    def fileno(self) -> int:
        """Readable when there are notices."""
        return self._descriptor

    def watch(self, folder: str, mask: int) -> int:
        """Watch a folder and return the watch's number; OSError where it cannot be watched."""
        number = self._libc.inotify_add_watch(
            self._descriptor, os.fsencode(folder), ctypes.c_uint32(mask | ONLYDIR)
        )
        return self._checked(number, folder)

    def forget(self, watch: int) -> None:
        """Remove a watch; one that the kernel has removed already is fine."""
        self._libc.inotify_rm_watch(self._descriptor, watch)

    def read(self) -> Iterator[Notice]:
        """All notices that have come since the last call; none is fine."""
        while True:
            try:
                data = os.read(self._descriptor, _BUFFER)
            except BlockingIOError:
                return
            offset = 0
            while offset < len(data):
                watch, mask, _, length = _HEADER.unpack_from(data, offset)
                offset += _HEADER.size
                name = os.fsdecode(data[offset : offset + length].rstrip(b"\0"))
                offset += length
                yield Notice(watch, mask, name)

    def close(self) -> None:
        """Let go of the instance and its watches."""
        os.close(self._descriptor)

    def _checked(self, result: int, name: str) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), name)
        return result
