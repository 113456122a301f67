"""Our command as a child of a process that has imported it already: started in milliseconds.

Some hundred services are started by the crash tests. Run as a program, this waits for orders on
standard input, one JSON object a line, and answers with the id of the process that carries it out:
a fork in which `cni-route ARGUMENTS` runs as it does from the shell.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.node.node import Node, until


class Forked:
    """A process of the nursery's, with what tests.node.service asks of one."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """None while it runs. How it ended is not known."""
        return 0 if select.select([self._descriptor], [], [], 0)[0] else None

    def wait(self, seconds: float | None = None) -> int:
        """Until it has ended; subprocess.TimeoutExpired after so many seconds."""
        if not select.select([self._descriptor], [], [], seconds)[0]:
            raise subprocess.TimeoutExpired(str(self.pid), seconds or 0)
        return 0

    def send_signal(self, number: int) -> None:
        """A signal; to one that has ended, too."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def is_stopped(self) -> bool:
        """Whether a signal has stopped it."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def __del__(self) -> None:
        os.close(self._descriptor)


class Nursery:
    """Starts our command in a node."""

    def __init__(self, node: Node) -> None:
        self._process = node.popen(
            sys.executable,
            __file__,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *arguments: str, log: str, held: bool = False) -> Forked:
        """`cni-route ARGUMENTS`; `held`: stopped before it does anything, until SIGCONT."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"arguments": arguments, "log": log, "held": held}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        child = Forked(int(self._process.stdout.readline()))
        if held:
            until(child.is_stopped, "the command is held")
        return child

    def close(self) -> None:
        """No more orders; what was started goes on."""
        self._process.communicate()


def live(order: dict[str, object]) -> int:
    """In the child: be the command; its exit code."""
    from sync_service.cli.main import main  # noqa: PLC0415

    log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, place)
    os.closerange(3, 64)
    arguments = order["arguments"]
    assert isinstance(arguments, list)
    if order["held"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    try:
        main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


def reap() -> None:
    """Let those go that have ended; not at once, so that whoever started one can still find it."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve() -> None:
    """Carry out orders until there are no more."""
    import sync_service.cli.alone  # noqa: PLC0415
    import sync_service.cli.cleanup  # noqa: PLC0415
    import sync_service.cli.sync  # noqa: PLC0415
    import sync_service.service  # noqa: F401, PLC0415

    for line in sys.stdin:
        reap()
        child = os.fork()
        if not child:
            code = 1
            try:
                code = live(json.loads(line))
                sys.stdout.flush()
            finally:
                os._exit(code)
        print(child, flush=True)


if __name__ == "__main__":
    serve()
