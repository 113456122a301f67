"""The plugin's log file: a line a sentence, 1 MiB and one older; failing is never an error."""

from __future__ import annotations

import contextlib
import os
import time

__all__ = ["append"]

_MOST = 1 << 20  # bytes, then the file is renamed to NAME.1


def append(path: str, sentence: str) -> None:
    """Write one line with the time and this process's id; no path: nothing."""
    if not path:
        return
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # one line whatever the sentence quotes; what a terminal would act on is escaped
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in sentence)
    line = f"{stamp} [{os.getpid()}] {shown}\n".encode("utf-8", "backslashreplace")
    with contextlib.suppress(OSError, ValueError):
        descriptor = _open(path)
        try:
            if os.fstat(descriptor).st_size + len(line) > _MOST:
                _turn_over(path, descriptor)
                fresh = _open(path)
                os.close(descriptor)
                descriptor = fresh
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def _open(path: str) -> int:
    # O_NONBLOCK: a FIFO under that name must not hold a pod up
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        return os.open(path, flags, 0o600)


def _turn_over(path: str, descriptor: int) -> None:
    """Rename the full file, unless another process is at it or has done it."""
    import fcntl  # noqa: PLC0415 - needed once in some thousand calls

    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), os.stat(path)):
            os.rename(path, f"{path}.1")
