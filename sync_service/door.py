"""The way into pods' namespaces: by a path to an open descriptor, checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NamedTuple

from cni_route.sandbox import check_namespace, open_namespace

__all__ = ["Door", "door"]

_MANY = 10_000  # namespaces that are remembered as checked


class Door(NamedTuple):
    """How a namespace is entered and left: by its path to a descriptor and its inode."""

    enter: Callable[[str], tuple[int, int]]
    leave: Callable[[int], None]


def door() -> Door:
    """The way into real namespaces; each is checked when it is entered for the first time.

    What was another's namespace than ours and PID 1's once stays so: both live as long as this
    process, so no other gets their inode.
    """
    checked: set[tuple[int, int]] = set()

    def enter(path: str) -> tuple[int, int]:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            descriptor = open_namespace(path)  # says what is wrong
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) not in checked:
            try:
                check_namespace(descriptor, path)
            except OSError:
                os.close(descriptor)
                raise
            if len(checked) > _MANY:
                checked.clear()
            checked.add((found.st_dev, found.st_ino))
        return descriptor, found.st_ino

    return Door(enter, os.close)
