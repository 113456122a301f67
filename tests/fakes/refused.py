"""How one layer of the fake kernel says no to the one above."""

from __future__ import annotations


class Refused(RuntimeError):
    """An operation that the kernel would not do: errno, and its extended message ('' for none)."""

    def __init__(self, errno: int, message: str = "") -> None:
        super().__init__(errno, message)
        self.errno = errno
        self.message = message
