"""The run directory: ours alone (0700), one service at a time, and its socket's place."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat

__all__ = ["RunDir", "RunDirError"]

SOCKET = "agent.sock"
_NEW_SOCKET = "agent.new"
_LOCK = "agent.lock"
_MAX_PATH = 107  # bytes: sun_path, less its NUL
_BACKLOG = 512  # the ADDs of a node that comes up, all at once


class RunDirError(Exception):
    """The directory cannot be used: one sentence and the way out."""


class RunDir:
    """Held from `hold` until the process ends: the kernel lets a killed one's lock go."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = -1

    @property
    def socket_path(self) -> str:
        """Where clients find the service."""
        return os.path.join(self.path, SOCKET)

    def hold(self) -> None:
        """Make the directory and be the only service that works on it; RunDirError else."""
        if len(os.fsencode(self.socket_path)) > _MAX_PATH:
            raise RunDirError(
                f"{self.path}: is too long for a socket in it ({_MAX_PATH} bytes); choose another"
                " run directory (--run-dir)"
            )
        try:
            os.makedirs(self.path, mode=0o700, exist_ok=True)
            self._own()
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._lock = os.open(os.path.join(self.path, _LOCK), flags, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunDirError(
                f"{self.path}: another cni-route service ({self._holder()}) works on it; stop that"
                " one, or choose another run directory (--run-dir)"
            ) from None
        except OSError as error:
            raise RunDirError(
                f"{error.filename or self.path}: cannot be used: {error.strerror}; choose another"
                " run directory (--run-dir), or run as root"
            ) from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def listen(self) -> socket.socket:
        """The listening socket, which appears under its name only when it answers."""
        new = os.path.join(self.path, _NEW_SOCKET)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            listening.bind(new)
            os.chmod(new, 0o600)
            listening.listen(_BACKLOG)
            os.rename(new, self.socket_path)
        except BaseException:
            listening.close()
            raise
        return listening

    def withdraw(self) -> None:
        """Take the socket's name away: from now on, nobody finds the service."""
        with contextlib.suppress(OSError):
            os.unlink(self.socket_path)

    def release(self) -> None:
        """Let another service take over; the process's end does it too."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _own(self) -> None:
        """A directory that others may write in is no place for a root's socket."""
        found = os.stat(self.path)
        if found.st_uid != os.geteuid():
            raise PermissionError(errno.EPERM, "it belongs to another user", self.path)
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.chmod(self.path, 0o700)

    def _holder(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            return f"process {int(os.pread(self._lock, 32, 0))}"
        return "its process is not known"
