"""The unix socket: requests are read by one thread, and answered by bounded pools of others.

The reading thread never waits for a client: each is read as its bytes come, and given up when its
time is over. So a client that is stuck, slow or hostile holds up nobody else, and workers only
ever get whole requests.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import select
import socket
import time
from collections.abc import Callable, Collection
from typing import NamedTuple

from cni_route.cni import frame
from cni_route.cni.frame import CALL, Answer, FrameError, Request, RequestReader

__all__ = ["Pool", "Server"]

_CLIENTS = 128  # that are being read; the one that is oldest then makes room
_WAITING = 1024  # requests in a pool's queue
_BREATH = 0.05  # seconds before the next try, where no client can be taken
_ACCEPTS = 32  # connections taken before those that are there are read on
_log = logging.getLogger(__name__)


class _Client(NamedTuple):
    connection: socket.socket
    reader: RequestReader
    deadline: float

    def close(self) -> None:
        self.reader.close()
        self.connection.close()


class _Job(NamedTuple):
    connection: socket.socket
    request: Request
    descriptor: int


class Pool:
    """Threads that answer requests of one kind; `work` is one of them's whole life."""

    def __init__(
        self, answer: Callable[[Request, int], Answer], timeout: Callable[[], float]
    ) -> None:
        self._answer = answer
        self._timeout = timeout
        self._jobs: queue.Queue[_Job | None] = queue.Queue(_WAITING)

    def offer(self, job: _Job) -> bool:
        """Queue a request; False where the queue is full."""
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            return False
        return True

    def work(self) -> None:
        """Answer one request after another until `stop`."""
        while (job := self._jobs.get()) is not None:
            try:
                answer = self._answer(job.request, job.descriptor)
                _reply(job.connection, answer, self._timeout())
            finally:
                job.connection.close()
                if job.descriptor >= 0:
                    os.close(job.descriptor)
        self.stop()  # for the next thread

    def stop(self) -> None:
        """Let every thread end behind the requests that are queued."""
        with contextlib.suppress(queue.Full):
            self._jobs.put_nowait(None)


class Server:
    """Reads requests and hands them to `calls` or `queries`; `timeout` in seconds a client.

    Only processes of the users in `uids` are listened to: root, and who runs this.
    """

    def __init__(
        self,
        calls: Pool,
        queries: Pool,
        timeout: Callable[[], float],
        uids: Collection[int] = (0, os.geteuid()),
    ) -> None:
        self._calls = calls
        self._queries = queries
        self._timeout = timeout
        self._uids = uids
        self._poll = select.poll()
        self._clients: dict[int, _Client] = {}  # by descriptor, the oldest first

    def run(self, listening: socket.socket, stop: int) -> None:
        """Serve until the descriptor `stop` is readable; closes the socket at its end."""
        self._poll.register(stop, select.POLLIN)
        self._poll.register(listening, select.POLLIN)
        try:
            while True:
                ready = [descriptor for descriptor, _ in self._poll.poll(self._patience())]
                if stop in ready:
                    return
                for descriptor in ready:
                    if descriptor == listening.fileno():
                        self._accept(listening)
                    elif descriptor in self._clients:
                        self._read(descriptor)
                self._give_up(time.monotonic())
        finally:
            listening.close()
            for descriptor in list(self._clients):
                self._drop(descriptor).close()

    def _patience(self) -> float | None:
        """Milliseconds until the oldest client's time is over."""
        for client in self._clients.values():
            return max(0.0, client.deadline - time.monotonic()) * 1000 + 1
        return None

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _ = listening.accept()
            except BlockingIOError:
                return
            except OSError as error:  # out of descriptors, say: those who wait are not lost
                _log.warning("a client cannot be taken: %s", error.strerror)
                time.sleep(_BREATH)
                return
            uid = frame.peer_uid(connection)
            if uid not in self._uids:
                _log.warning("a client with uid %d is turned away", uid)
                connection.close()
                continue
            if len(self._clients) >= _CLIENTS:
                self._drop(next(iter(self._clients))).close()
            connection.setblocking(False)
            deadline = time.monotonic() + self._timeout()
            self._clients[connection.fileno()] = _Client(connection, RequestReader(), deadline)
            self._poll.register(connection, select.POLLIN)
            self._read(connection.fileno())  # mostly, it is all there already

    def _read(self, descriptor: int) -> None:
        client = self._clients[descriptor]
        try:
            if not client.connection.recv(1, socket.MSG_PEEK):
                self._drop(descriptor).close()  # it only wanted to know whether we are there
                return
            if not client.reader.read(client.connection):
                return
            request, namespace = client.reader.take()
        except BlockingIOError:
            return
        except (FrameError, OSError) as error:
            _log.info("a client is dropped: %s", error)
            self._drop(descriptor).close()
            return
        self._drop(descriptor)
        pool = self._calls if request.kind == CALL else self._queries
        if not pool.offer(_Job(client.connection, request, namespace)):
            # to the plugin that is nobody there: it tries again, and keeps to its failurePolicy
            _log.warning("a client is sent away: too many requests wait for an answer")
            client.connection.close()
            if namespace >= 0:
                os.close(namespace)

    def _give_up(self, now: float) -> None:
        for descriptor, client in list(self._clients.items()):
            if client.deadline > now:
                return
            _log.info("a client is dropped: it did not say what it wants in time")
            self._drop(descriptor).close()

    def _drop(self, descriptor: int) -> _Client:
        self._poll.unregister(descriptor)
        return self._clients.pop(descriptor)


def _reply(connection: socket.socket, answer: Answer, seconds: float) -> None:
    """Send what the client still wants to hear."""
    try:
        frame.send(connection, frame.encode_answer(answer), time.monotonic() + seconds)
    except (FrameError, OSError) as error:
        _log.info("a client did not hear its answer: %s", error)
