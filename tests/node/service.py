"""The node service in a node: started, killed, asked."""

from __future__ import annotations

import signal
import socket
import subprocess
import time

from tests.node.node import COMMAND, ROUTES_DIR, RUN_DIR, STATE_DIR, Node, until

LOG = "/var/log/cni-route-service.log"
PATIENCE = 15.0  # seconds that a start or a stop may take on a busy machine


class Service:
    """`cni-route sync` over a folder; `extra` are further arguments."""

    def __init__(self, node: Node, *extra: str, source: str = f"dir:{ROUTES_DIR}") -> None:
        self.node = node
        folders = ("--run-dir", RUN_DIR, "--state-dir", STATE_DIR)
        self.arguments = ("sync", "--source", source, *folders, *extra)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until the socket answers; the seconds that took."""
        assert self.process is None, "it runs already"
        began = time.perf_counter()
        with self.node.path(LOG).open("ab") as log:
            self.process = self.node.popen(
                COMMAND, *self.arguments, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            until(self._answers_or_died, "the service's socket answers", PATIENCE)
            if self.process.poll() is not None:
                raise AssertionError(f"the service ended with {self.process.returncode}")
        except AssertionError as error:
            self.kill()
            raise AssertionError(f"{error}\n{self.log()}") from None
        return time.perf_counter() - began

    def _answers_or_died(self) -> bool:
        assert self.process is not None
        return self.process.poll() is not None or self.answers()

    def answers(self) -> bool:
        """Whether somebody accepts connections on the socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            try:
                sock.connect(str(self.node.path(RUN_DIR, "agent.sock")))
            except OSError:
                return False
            return True

    @property
    def pid(self) -> int:
        """The service's process."""
        assert self.process is not None
        return self.process.pid

    def reload(self) -> None:
        """SIGHUP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def stop(self) -> int:
        """SIGTERM, and wait; its exit code."""
        assert self.process is not None
        process, self.process = self.process, None
        process.terminate()
        try:
            return process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(
                f"SIGTERM did not end it in {PATIENCE:g} s\n{self.log()}"
            ) from None

    def kill(self) -> None:
        """SIGKILL: it has no chance to tidy up."""
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            process.wait()

    def log(self) -> str:
        """What it has written so far."""
        path = self.node.path(LOG)
        return path.read_text() if path.exists() else ""

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
