"""Disks that are full or read-only, for real, in a mount namespace that only one thread sees."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tests.kernel.namespaces import in_thread

T = TypeVar("T")

CLONE_NEWNS = 0x00020000
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2), for the calling thread; OSError."""
    arguments = [text.encode() if text else None for text in (source, target, kind)]
    if _libc.mount(*arguments, ctypes.c_ulong(flags), options.encode() if options else None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def with_mounts_of_its_own(act: Callable[[], T]) -> T:
    """Run `act` in a thread whose mounts nobody else sees, and which go with it."""

    def work() -> T:
        if _libc.unshare(CLONE_NEWNS):
            raise OSError(ctypes.get_errno(), "unshare")
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        return act()

    return in_thread(work)


def on_a_small_disk(folder: Path, act: Callable[[], T]) -> T:
    """Run `act` where `folder` is a disk of 64 KB."""

    def work() -> T:
        mount("small", str(folder), "tmpfs", options="size=64k")
        return act()

    return with_mounts_of_its_own(work)


def fill(folder: Path) -> None:
    """Use up what is left of the disk, to the last byte."""
    with open(folder / "filler", "ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def make_read_only(folder: Path) -> None:
    """From now on, nothing can be written there."""
    mount("", str(folder), flags=MS_REMOUNT | MS_RDONLY)


def make_writable(folder: Path) -> None:
    """Take that back."""
    mount("", str(folder), flags=MS_REMOUNT)
