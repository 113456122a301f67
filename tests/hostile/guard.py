"""Runs a reader over hostile inputs and holds it to its promise.

The promise: an input is read or refused as the reader says, within two seconds, and afterwards no
memory, no descriptor and no thread is left over.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NamedTuple

__all__ = ["Tally", "survive"]

SECONDS = 2.0  # for one input
PATIENCE = 5  # times as long where something else than the reader takes the time
STUCK = 60.0  # seconds without the interpreter coming by: every thread's stack, and the end
SLICES = 10  # the first two are the warm-up
BLOCKS = 1000  # objects that may be there more in the end; a leak has one or more an input
MEGABYTES = 2.0  # by which the process may have grown since the warm-up
PEAK = 96.0  # MB above the beginning that no input may take

_libc = ctypes.CDLL(None)
Reader = Callable[[bytes], bool]


class Tally(NamedTuple):
    """What became of the inputs."""

    taken: int
    refused: int


class Hung(BaseException):
    """An input takes too long. No Exception: no reader's own handler may eat it."""


def survive(make: Callable[[], Reader], next_input: Callable[[], bytes], count: int) -> Tally:
    """Read `count` inputs; AssertionError names the first that breaks the promise.

    `make` gives the reader: it returns whether it took an input, and raises nothing. It is made
    anew for each tenth of the inputs, so that what it may remember while it lives is no leak.
    """
    taken = done = 0
    before = _Held.now()
    baseline = before
    _reset_peak()
    with _watched() as alarm:
        for part in range(SLICES):
            if part == 2:
                baseline = _Held.now()
            read = make()
            for _ in range(count * (part + 1) // SLICES - count * part // SLICES):
                taken += _one(read, next_input(), done, alarm)
                done += 1
            del read
    _Held.now().compare(baseline, before)
    return Tally(taken, count - taken)


def _one(read: Reader, data: bytes, number: int, alarm: _Alarm) -> bool:
    alarm.set()
    try:
        return read(data)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        alarm.end()
        hung = isinstance(error, Hung)
        what = f"took more than {SECONDS:g} s" if hung else f"raised {type(error).__name__}"
        story = _shortened("".join(traceback.format_exception(error)))
        raise AssertionError(
            f"input {number} {what}; it is kept in {_keep(data)}\n{data[:400]!r}\n{story}"
        ) from None
    finally:
        alarm.end()


class _Alarm:
    """Raises Hung in the main thread when an input takes too long.

    On a busy machine it is not the reader that takes long: then it gets more rounds, but not for
    ever, as it may be waiting for something that never comes.
    """

    def __init__(self) -> None:
        self._rounds = 0
        self._began = 0.0

    def set(self) -> None:
        self._rounds = 0
        self._began = time.process_time()
        signal.setitimer(signal.ITIMER_REAL, SECONDS)

    def end(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)

    def ring(self, _number: int, _frame: FrameType | None) -> None:
        self._rounds += 1
        if self._rounds == PATIENCE or time.process_time() - self._began > SECONDS / 2:
            raise Hung
        signal.setitimer(signal.ITIMER_REAL, SECONDS)


def _keep(data: bytes) -> str:
    descriptor, path = tempfile.mkstemp(prefix="hostile-")
    with open(descriptor, "wb") as file:
        file.write(data)
    return path


def _shortened(text: str) -> str:
    return text if len(text) < 6000 else f"{text[:3000]}\n...\n{text[-3000:]}"


@contextlib.contextmanager
def _watched() -> Iterator[_Alarm]:
    """Python code that hangs gets Hung; code below Python that hangs ends the process."""
    alarm = _Alarm()
    before = signal.signal(signal.SIGALRM, alarm.ring)
    with tempfile.NamedTemporaryFile(prefix="hostile-stuck-") as story:
        stop = threading.Event()
        watcher = threading.Thread(target=_rearm, args=(stop, story.fileno()), daemon=True)
        watcher.start()
        try:
            yield alarm
        finally:
            stop.set()
            watcher.join()
            faulthandler.cancel_dump_traceback_later()
            alarm.end()
            signal.signal(signal.SIGALRM, before)


def _rearm(stop: threading.Event, story: int) -> None:
    """Put the end off as long as the interpreter lets this thread run.

    After an end the file is there still: pytest's capture would take what goes to stderr along.
    """
    while not stop.is_set():
        faulthandler.dump_traceback_later(STUCK, exit=True, file=story)
        stop.wait(STUCK / 10)


class _Held(NamedTuple):
    """What this process holds."""

    blocks: int
    megabytes: float
    peak: float  # MB, the most since _reset_peak
    descriptors: int
    threads: int

    @classmethod
    def now(cls) -> _Held:
        gc.collect()
        _libc.malloc_trim(0)  # what is free already, but scattered, is no leak
        status = _status()
        return cls(
            sys.getallocatedblocks(),
            status["VmRSS"] / 1024,
            status["VmHWM"] / 1024,
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
        )

    def compare(self, baseline: _Held, before: _Held) -> None:
        """AssertionError where more is held than after the warm-up."""
        assert self.descriptors == before.descriptors, "descriptors are left open"
        assert self.threads == before.threads, "threads are left over"
        blocks = self.blocks - baseline.blocks
        grown = self.megabytes - baseline.megabytes
        peak = self.peak - before.megabytes
        print(f"held more in the end: {blocks} objects, {grown:.1f} MB; peak {peak:.0f} MB more")
        assert blocks < BLOCKS, f"{blocks} objects are left over"
        assert grown < MEGABYTES, f"{grown:.1f} MB are left over"
        assert peak < PEAK, f"{peak:.0f} MB were taken at a time"


def _status() -> dict[str, int]:
    """The kilobytes of /proc/self/status by name."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        fields = (line.split() for line in file)
        return {f[0].rstrip(":"): int(f[1]) for f in fields if len(f) == 3 and f[2] == "kB"}


def _reset_peak() -> None:
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
