"""strace(1) as a test's hand: it notes a process's system calls, or kills it right before one.

A call is named as strace counts it for `when=`: by thread, name, and number among the calls of
that name in that thread. Threads are numbered in the order in which they were started.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

# All that changes something outside of the process: the kernel's tables, files, sockets, locks.
NAMES = (
    *("sendto", "sendmsg", "bind", "listen", "connect", "setns", "flock"),
    *("openat", "mkdir", "mkdirat", "write", "writev", "pwrite64", "ftruncate", "fsync"),
    *("fdatasync", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"),
    *("chmod", "fchmod", "fchmodat", "link", "linkat", "symlink", "symlinkat"),
)
_LINE = re.compile(r"^(?:(\d+) +)?(\w+)\((.*)")


class Call(NamedTuple):
    """One call in a process's life; `text` are its arguments as strace shows them."""

    thread: int
    name: str
    number: int
    text: str = ""

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= 100 else f"{self.text[:100]}..."
        return f"{self.name} number {self.number} of thread {self.thread}: {self.name}({shown}"

    @property
    def changes(self) -> bool:
        """Whether it changes anything: an open does where it may create."""
        return self.name != "openat" or "O_CREAT" in self.text


@lru_cache(maxsize=1)
def why_not() -> str:
    """Why strace cannot be used here; empty where it can."""
    command = ["strace", "-f", "-o", "/dev/null", "--inject=exit_group:signal=KILL:when=1", "true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"strace cannot be run ({error.strerror}); it is a Debian package"
    if done.returncode == -9:
        return ""
    return f"strace cannot trace here: {done.stderr.strip() or f'code {done.returncode}'}"


def threads_of(pid: int) -> list[int]:
    """A process's threads, the first to be started first."""
    return sorted(map(int, os.listdir(f"/proc/{pid}/task")))


class _Attached:
    """A running strace; when the block ends, it has let go of the process."""

    def __init__(self, output: Path, *arguments: str) -> None:
        self.output = output
        self._command = ("strace", "-s", "64", "-o", str(output), *arguments)

    def __enter__(self) -> _Attached:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        said = self._process.stderr.readline()
        if "attached" not in said:
            self._process.kill()
            raise AssertionError(f"strace does not attach: {said}{self._process.communicate()[1]}")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()


class Recorder(_Attached):
    """Notes all calls of a process and of the threads that it starts meanwhile."""

    def __init__(self, pid: int, output: Path) -> None:
        super().__init__(output, "-f", "-e", f"trace={','.join(NAMES)}", "-p", str(pid))
        self._threads = threads_of(pid)

    def calls(self) -> list[Call]:
        """What was noted, once the block has ended."""
        return read(self.output, self._threads)


class Killer(_Attached):
    """Kills a process when it is about to make the call; what only the name says, by any thread.

    `process` is where the call's thread belongs to; a call of thread -1 is the first to come of
    that name and number in any of the threads, new ones included.
    """

    def __init__(self, pid: int, call: Call, output: Path) -> None:
        thread = str(threads_of(pid)[call.thread]) if call.thread >= 0 else str(pid)
        follow = ("-f",) if call.thread < 0 else ()
        super().__init__(output, *follow, *inject(call), "-p", thread)

    def text(self) -> str:
        """The call that was not made, as strace shows it."""
        return self.output.read_text().strip()


def inject(call: Call) -> tuple[str, ...]:
    """strace's arguments that kill at a call."""
    return ("-e", f"trace={call.name}", f"--inject={call.name}:signal=KILL:when={call.number}")


def read(output: Path, threads: Sequence[int] = ()) -> list[Call]:
    """The calls in strace's output; threads that are not named come in the order of their ids."""
    lines = [found for line in output.read_text().splitlines() if (found := _LINE.match(line))]
    known = [*threads, *sorted({int(line[1] or 0) for line in lines}.difference(threads))]
    counts: Counter[tuple[int, str]] = Counter()
    calls = []
    for thread, name, text in (line.groups() for line in lines):
        place = (known.index(int(thread or 0)), name)
        counts[place] += 1
        calls.append(Call(*place, counts[place], text))
    return calls


def sample(calls: Iterable[Call], rng: random.Random, count: int = 3) -> list[list[Call]]:
    """Rounds of calls, one of each name in a round; a name's are spread evenly over its calls.

    So many rounds; names that are called less often are missing in the last.
    """
    found = list(calls)
    rounds: list[list[Call]] = [[] for _ in range(count)]
    for name in dict.fromkeys(call.name for call in found):
        same = [call for call in found if call.name == name]
        most = min(count, len(same))
        first = rng.random()
        for place in range(most):
            rounds[place].append(same[int((first + place) * len(same) / most)])
    return rounds


__all__ = ["Call", "Killer", "Recorder", "inject", "read", "sample", "threads_of", "why_not"]
