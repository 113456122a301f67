"""Holds a program and whatever comes of it until standard input closes; then all of it goes.

    keeper.py CGROUP COMMAND...

containerd's shims and containers outlive it, on purpose. This process is the subreaper of them
all: whatever loses its parent becomes its child, so that it can end them one by one, each its own
child at that moment, until none is left. However the tests end, standard input closes then. The
control groups named CGROUP, in which the containers were, go last. Exit code 0: all is gone.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 20.0  # seconds until everything must have ended
CGROUPS = Path("/sys/fs/cgroup")


def children() -> list[int]:
    """The processes whose parent this one is."""
    me = os.getpid()
    return [
        int(number)
        for task in os.listdir(f"/proc/{me}/task")
        for number in Path(f"/proc/{me}/task/{task}/children").read_text().split()
    ]


def reap() -> None:
    """Take note of the children that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def hold(command: list[str]) -> None:
    """Start the program; return when standard input closes or it ends. Who ends is reaped."""
    ended, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    no_input = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)]
    program = os.posix_spawnp(command[0], command, os.environ, file_actions=no_input)
    while program in children():
        ready, _, _ = select.select([0, ended], [], [])
        if 0 in ready and not os.read(0, 4096):
            return
        if ended in ready:
            os.read(ended, 4096)
        reap()


def end_all() -> bool:
    """Kill children until there are none; whether that was reached."""
    deadline = time.monotonic() + PATIENCE
    while alive := children():
        if time.monotonic() > deadline:
            return False
        for number in alive:
            os.kill(number, signal.SIGKILL)
        time.sleep(0.01)
        reap()
    return True


def remove_cgroups(name: str) -> list[str]:
    """Take the control groups of that name away; those that cannot be."""
    left = []
    for top in [CGROUPS / name, *CGROUPS.glob(f"*/{name}")]:
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(folder)
            except OSError as error:
                left.append(f"{folder}: {error.strerror}")
    return left


def main() -> int:
    """Hold the program, then end it and what came of it."""
    cgroup, command = sys.argv[1], sys.argv[2:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        return 1
    hold(command)
    gone = end_all()
    left = remove_cgroups(cgroup)
    for line in left:
        print(line, file=sys.stderr)
    return 0 if gone and not left else 1


if __name__ == "__main__":
    sys.exit(main())
