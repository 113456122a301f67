"""How one layer of the fake kernel says no to the one above."""

from __future__ import annotations

import errno

THROW = 9  # a look-up that ends there goes on in the next table
# The error of a look-up that ends at a route of these types (fib_props in fib_semantics.c).
REJECTS = {6: errno.EINVAL, 7: errno.EHOSTUNREACH, 8: errno.EACCES, THROW: errno.EAGAIN}


class Refused(RuntimeError):
    """An operation that the kernel would not do: errno, and its extended message ('' for none)."""

    def __init__(self, errno: int, message: str = "") -> None:
        super().__init__(errno, message)
        self.errno = errno
        self.message = message
