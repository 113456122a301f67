"""One writer a pod: the lock of a sandbox between threads and processes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cni_route.record import Record
from cni_route.sandbox import Sandboxes
from tests.kernel.namespaces import descriptors

ROOT = Path(__file__).resolve().parents[2]
POD = "pod1"
LONG = 30.0  # seconds that are never waited for in full

HOLDER = """
import sys
from cni_route.sandbox import Sandboxes
sandboxes = Sandboxes(sys.argv[1], print)
with sandboxes.lock(sys.argv[2]):
    print("held", flush=True)
    words = sys.stdin.readline().split()
    if "remove" in words:
        sandboxes.remove(sys.argv[2])
"""


@pytest.fixture
def sandboxes(tmp_path: Path) -> Sandboxes:
    return Sandboxes(str(tmp_path), pytest.fail)


@contextmanager
def holder(sandboxes: Sandboxes) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock, until it is told a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, os.path.dirname(sandboxes.folder), POD],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def let_go(process: subprocess.Popen[str], words: str = "") -> None:
    assert process.stdin is not None
    process.stdin.write(words + "\n")
    process.stdin.flush()


class Waiter:
    """A thread that waits for the lock, and what came of it."""

    def __init__(self, sandboxes: Sandboxes, timeout_seconds: float = LONG) -> None:
        self.got = False
        self.inode = 0
        self._sandboxes = sandboxes
        self._timeout = timeout_seconds
        self._thread = threading.Thread(target=self._wait)
        self._thread.start()

    def _wait(self) -> None:
        with self._sandboxes.lock(POD, self._timeout):
            self.got = True
            self.inode = os.stat(lock_file(self._sandboxes)).st_ino

    def join(self) -> None:
        self._thread.join(LONG)
        assert not self._thread.is_alive()


def lock_file(sandboxes: Sandboxes) -> Path:
    return Path(sandboxes.folder, f"{POD}.lock")


def is_free(sandboxes: Sandboxes) -> bool:
    try:
        with sandboxes.lock(POD, 0.0):
            return True
    except TimeoutError:
        return False


def test_a_lock_is_held_until_the_end_of_its_block(sandboxes: Sandboxes) -> None:
    with sandboxes.lock(POD):
        assert not is_free(sandboxes)
    assert is_free(sandboxes)
    with pytest.raises(KeyError), sandboxes.lock(POD):
        raise KeyError
    assert is_free(sandboxes)


def test_each_sandbox_has_its_own(sandboxes: Sandboxes) -> None:
    with sandboxes.lock(POD), sandboxes.lock("pod2", 0.0):
        assert not is_free(sandboxes)


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_who_waits_too_long_is_told(sandboxes: Sandboxes, seconds: float) -> None:
    with sandboxes.lock(POD):
        before, began = descriptors(), time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            sandboxes.lock(POD, seconds)
        assert time.monotonic() - began >= seconds
        assert descriptors() == before
    assert caught.value.errno == errno.ETIMEDOUT
    assert caught.value.strerror == f"another writer keeps {lock_file(sandboxes)} locked"


def test_threads_exclude_each_other(sandboxes: Sandboxes) -> None:
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with sandboxes.lock(POD, LONG):
                inside += 1
                most = max(most, inside)
                sandboxes.save(Record(POD, inode=most))  # lets go of the interpreter
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert most == 1


def test_processes_exclude_each_other(sandboxes: Sandboxes) -> None:
    with holder(sandboxes) as other:
        assert not is_free(sandboxes)
        waiter = Waiter(sandboxes)
        let_go(other)
        waiter.join()
        assert waiter.got


def test_a_killed_holder_lets_go(sandboxes: Sandboxes) -> None:
    with holder(sandboxes) as other:
        waiter = Waiter(sandboxes)
        assert not is_free(sandboxes)
        os.kill(other.pid, signal.SIGKILL)
        waiter.join()
        assert waiter.got
        assert other.wait(LONG) == -signal.SIGKILL
    assert is_free(sandboxes)


def test_a_lock_that_was_removed_under_a_waiter_guards_nothing(sandboxes: Sandboxes) -> None:
    """The waiter goes on to the new file: else it and the next comer would both hold 'the' lock."""
    with holder(sandboxes) as other:
        removed = lock_file(sandboxes).stat().st_ino
        # keeps the inode from being given to the new file
        kept = os.open(lock_file(sandboxes), os.O_RDONLY)
        waiter = Waiter(sandboxes)
        let_go(other, "remove")
        waiter.join()
        os.close(kept)
    assert waiter.got
    assert waiter.inode not in (0, removed)


def test_a_lock_taken_just_before_its_file_was_removed_is_not_kept(
    sandboxes: Sandboxes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between open and flock the last holder may remove the file."""
    import fcntl  # noqa: PLC0415 - this test only

    real = fcntl.flock
    calls: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        if not calls:
            sandboxes.remove(POD)
        calls.append(os.fstat(descriptor).st_nlink)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    before = descriptors()
    with sandboxes.lock(POD, 0.0):
        monkeypatch.setattr(fcntl, "flock", real)
        assert calls == [0, 1]
        assert not is_free(sandboxes)
    assert descriptors() == before


def test_a_lock_needs_no_folder(sandboxes: Sandboxes) -> None:
    assert not os.path.exists(sandboxes.folder)
    with sandboxes.lock(POD):
        assert not is_free(sandboxes)


def test_a_lock_is_not_handed_down_to_programs(sandboxes: Sandboxes) -> None:
    """A CNI plugin's or `exec`'s child would keep it for as long as it runs."""
    with sandboxes.lock(POD):
        child = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        assert is_free(sandboxes)
    finally:
        child.kill()
        child.wait()
