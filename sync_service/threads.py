"""Named threads, none of which can die unnoticed; and the word to stop, as a descriptor."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

__all__ = ["Crew", "Stop"]

_log = logging.getLogger(__name__)


class Stop:
    """Readable (for poll) from `set` on, for everybody and for ever."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._set = False

    def fileno(self) -> int:
        """The descriptor to poll."""
        return self._read

    @property
    def is_set(self) -> bool:
        """Whether it was said."""
        return self._set

    def set(self) -> None:
        """Say it; twice is fine."""
        self._set = True
        os.write(self._write, b".")


class Crew:
    """The service's threads. One that ends before `stop` is told to `died`, with its reason.

    A service with a part missing would look healthy and do half of its work: it has to end, and
    whoever runs it starts it again.
    """

    def __init__(self, died: Callable[[str], None]) -> None:
        self._died = died
        self._threads: list[threading.Thread] = []
        self._stopping = False

    def start(self, name: str, run: Callable[[], None]) -> None:
        """Start a thread whose whole life is `run`."""
        thread = threading.Thread(target=self._live, args=(name, run), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """From now on threads may end."""
        self._stopping = True

    def join(self, seconds: float) -> list[str]:
        """Wait for all of them, so long at most; the names of those that still run."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return [thread.name for thread in self._threads if thread.is_alive()]

    def _live(self, name: str, run: Callable[[], None]) -> None:
        try:
            run()
        except BaseException as error:
            # BaseException: a thread that is stranded in a pod's namespace must end the process
            _log.exception("the thread %s died", name)
            self._died(f"the thread {name} died: {type(error).__name__}: {error}")
        else:
            if not self._stopping:
                self._died(f"the thread {name} came to its end")
