"""The installed executables, run as a runtime runs them; and a service for them to find."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cni_route.cni.frame import Answer, Request, encode_answer, receive_request, send

SOON = 30.0  # seconds that no sound run comes near
GOOD: dict[str, Any] = {
    "cniVersion": "1.1.0",
    "name": "net",
    "type": "cni-route",
    "logFile": "",
}
ARGUMENTS = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=uid-1"

Done = subprocess.CompletedProcess[bytes]
Reply = Callable[[Request, int], Answer | bytes | None]


class Programs:
    """The plugin in a folder of its own, with a run and a state directory beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.run_dir = folder / "run"
        self.state_dir = folder / "state"
        for path in (self.folder, self.run_dir, self.state_dir):
            path.mkdir()
        self.socket = self.run_dir / "agent.sock"

    def install(self, *more: str) -> Done:
        """`cni-route install-plugin`."""
        places = ("--run-dir", str(self.run_dir), "--state-dir", str(self.state_dir))
        code = "from sync_service.cli.main import main; main()"
        words = ("install-plugin", str(self.folder), *places, *more)
        return subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, check=False
        )

    def run(
        self,
        verb: str,
        stdin: dict[str, Any] | bytes | None = None,
        program: str = "cni-route",
        /,
        **variables: str,
    ) -> Done:
        """One call; `stdin` is laid over GOOD; a variable '-' is one that is not there.

        An ADD tries for long where there is somebody to answer, and hardly where there is not.
        """
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": "pod1",
            "CNI_NETNS": "/run/netns/none-such",
            "CNI_IFNAME": "eth0",
            "CNI_ARGS": ARGUMENTS,
            "CNI_PATH": str(self.folder),
            **variables,
        }
        if not isinstance(stdin, bytes):
            timeout = 20_000 if self.socket.exists() else 1
            stdin = json.dumps({**GOOD, "timeoutMs": timeout, **(stdin or {})}).encode()
        return subprocess.run(
            [str(self.folder / program)],
            input=stdin,
            env={n: v for n, v in environment.items() if v != "-"},
            capture_output=True,
            timeout=SOON,
            check=False,
        )

    def result(self, *arguments: Any, **variables: str) -> Any:
        """As `run`, for a call that must succeed: its JSON, or nothing."""
        done = self.run(*arguments, **variables)
        assert (done.returncode, done.stderr) == (0, b""), done.stdout
        return json.loads(done.stdout) if done.stdout else None

    def error(self, *arguments: Any, **variables: str) -> tuple[int, str]:
        """As `run`, for a call that must fail: its code and sentence."""
        done = self.run(*arguments, **variables)
        assert (done.returncode, done.stderr) == (1, b""), done.stdout
        body = json.loads(done.stdout)
        return body["code"], body["msg"]

    def record(self, container_id: str = "pod1") -> Any:
        """A sandbox's record as it stands on disk, None without one."""
        try:
            return json.loads((self.run_dir / "sandboxes" / f"{container_id}.json").read_text())
        except FileNotFoundError:
            return None

    @contextmanager
    def service(self, reply: Reply) -> Iterator[list[Request]]:
        """Have somebody listen on the socket; yields the requests that came so far.

        `reply` makes an answer, or bytes to be sent as they are, or None: then the connection
        stays open unanswered until the end.
        """
        service = _Service(str(self.socket), reply)
        try:
            yield service.requests
        finally:
            service.end()
            self.socket.unlink()
        assert not service.failures, service.failures


class _Service:
    """A thread that takes one connection after another."""

    def __init__(self, path: str, reply: Reply) -> None:
        self.requests: list[Request] = []
        self.failures: list[BaseException] = []
        self._path = path
        self._reply = reply
        self._unanswered: list[socket.socket] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def end(self) -> None:
        """A connection that asks for nothing ends it."""
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self._path)
        self._thread.join()
        for each in (self._listener, *self._unanswered):
            each.close()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            try:
                request, descriptor = receive_request(connection, time.monotonic() + SOON)
            except ValueError:
                connection.close()
                return
            self.requests.append(request)
            made = self._made(request, descriptor)
            if made is None:
                self._unanswered.append(connection)
                continue
            with connection, suppress(OSError):  # the caller may not want to hear it all
                send(connection, made, time.monotonic() + SOON)

    def _made(self, request: Request, descriptor: int) -> bytes | None:
        try:
            made = self._reply(request, descriptor)
        except BaseException as failure:
            self.failures.append(failure)
            made = b""
        if descriptor >= 0:
            os.close(descriptor)
        return encode_answer(made) if isinstance(made, Answer) else made
