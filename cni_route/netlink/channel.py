"""Requests over one netlink socket: batches with few acknowledgements, dumps, one answer.

The kernel handles a request inside send(2): its replies, and the next part of a dump, are queued
before the call returns. So receiving does not wait; where an answer is missing nevertheless, it
is waited for a bounded time once.
"""

from __future__ import annotations

import os
from _socket import MSG_DONTWAIT, SO_RCVBUF, SO_RCVTIMEO, SOL_SOCKET, socket
from collections.abc import Callable, Generator
from errno import EADDRINUSE, EINTR, ENOBUFS, ENOPROTOOPT, ETIMEDOUT
from struct import Struct, pack
from typing import TypeAlias, TypeVar

from cni_route.netlink.wire import (
    ACK,
    DUMP,
    INTERRUPTED,
    NLMSG_DONE,
    NLMSG_ERROR,
    REQUEST,
    Reply,
    WireError,
    decode_reply,
    message,
    messages,
)

__all__ = [
    "OWN_PORTS",
    "OWN_PORTS_MASK",
    "Answers",
    "Channel",
    "Interrupted",
    "bind",
    "make_roomy",
    "whole",
]

T = TypeVar("T")
Answers: TypeAlias = "Generator[tuple[int, bytes], None, None]"  # type and body of each message

SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11
NETLINK_GET_STRICT_CHK = 12
SO_RCVBUFFORCE = 33

RECEIVE_BYTES = 65536  # no datagram of the kernel's is longer
RECEIVE_SECONDS = 5
BUFFER_BYTES = 4 << 20
SMALL_BATCH = 100  # messages whose refusals fit into the default receive buffer, whatever they say
DUMP_TRIES = 10

# Port ids by which a process knows its own notifications: bit 30 (process ids are below 2^22, the
# kernel's own choices above 2^31), 20 random bits for this process, 10 to tell its sockets in one
# namespace apart.
OWN_PORTS = 1 << 30 | int.from_bytes(os.urandom(3), "big") >> 4 << 10
OWN_PORTS_MASK = 0xFFFFFFFF ^ 0x3FF
PORTS = 1024

FLAGS_SEQUENCE = Struct("=HI")  # from byte 6 of a message's header on


class Interrupted(Exception):
    """The kernel's table changed while it was dumped; what came is not a whole."""


class Channel:
    """One socket, used by one thread at a time. Every call may raise OSError."""

    __slots__ = ("_capped", "_port", "_roomy", "_sequence", "_socket", "_strict", "_worded")

    def __init__(self, opened: socket) -> None:
        self._socket = opened
        # not to be guessed: an answer may have been forged before `connect`
        self._sequence = int.from_bytes(os.urandom(3), "big")
        self._capped = self._roomy = self._strict = self._worded = False
        try:
            self._port = bind(opened)
            # from here on the kernel alone can answer; else a process in the pod could, too
            opened.connect((0, 0))
        except BaseException:
            opened.close()
            raise

    def close(self) -> None:
        """Close the socket; twice is fine."""
        self._socket.close()

    def reserve(self, count: int) -> int:
        """The first of `count` sequence numbers in a row."""
        first = self._sequence + 1
        if first + count > 0xFFFFFFFF:
            first = 1
        self._sequence = first + count - 1
        return first

    def transact(self, requests: list[bytes]) -> list[tuple[int, Reply]]:
        """Send requests with ascending sequence numbers in one datagram; return the refusals.

        The last one alone asks for an acknowledgement: refusals come unasked, and before it.
        """
        self._prepare(len(requests))
        _, first = FLAGS_SEQUENCE.unpack_from(requests[0], 6)
        closing = requests[-1]
        flags, last = FLAGS_SEQUENCE.unpack_from(closing, 6)
        closing = closing[:6] + FLAGS_SEQUENCE.pack(flags | ACK, last) + closing[12:]
        self._socket.send(b"".join(requests[:-1]) + closing)
        try:
            return self._refusals(first, last)
        except (WireError, OSError):
            self._drain()
            raise

    def _prepare(self, count: int) -> None:
        """Set what a batch of that many requests needs; a single one is the commonest."""
        if not self._worded:
            self._set(NETLINK_EXT_ACK)
            self._worded = True
        if count > 1 and not self._capped:
            self._set(NETLINK_CAP_ACK)
            self._capped = True
        if count > SMALL_BATCH and not self._roomy:
            make_roomy(self._socket)
            self._roomy = True

    def _refusals(self, first: int, last: int) -> list[tuple[int, Reply]]:
        refused = []
        while True:
            data = self._receive()
            for kind, flags, sequence, _, body in messages(data):
                if kind != NLMSG_ERROR or not first <= sequence <= last:
                    continue
                reply = decode_reply(kind, flags, body)
                if reply.errno:
                    refused.append((sequence, reply))
                if sequence == last:
                    return refused

    def ask(self, kind: int, *body: bytes) -> Answers:
        """Send one request and yield what answers it.

        OSError with the kernel's errno where it refuses.
        """
        return self._answers(message(kind, REQUEST | ACK, self.reserve(1), *body), 0)

    def dump(self, kind: int, *body: bytes, watched: int = 0) -> Answers:
        """Ask for a dump and yield its messages.

        Interrupted is raised at the end, when the socket is free for the next request; whoever
        stops before that closes the generator, which frees it too. `watched` is a mask of groups
        whose events interrupt as well, for tables of which the kernel does not tell: a dump of a
        changing IPv6 table is resumed by counting, and a route can slip through.
        """
        if not self._strict:
            self._set(NETLINK_GET_STRICT_CHK)
            self._strict = True
        return self._answers(message(kind, REQUEST | DUMP, self.reserve(1), *body), watched)

    def _answers(self, request: bytes, watched: int) -> Answers:
        _, sequence = FLAGS_SEQUENCE.unpack_from(request, 6)
        interrupted = 0
        finished = False
        if watched:
            self._socket.bind((self._port, watched))
        try:
            self._socket.send(request)
            while not finished:
                data = self._receive()
                for kind, flags, number, port, body in messages(data):
                    if number != sequence or port != self._port:
                        interrupted |= watched
                        continue
                    interrupted |= flags & INTERRUPTED
                    if kind in (NLMSG_DONE, NLMSG_ERROR):
                        finished = True
                        _judge(decode_reply(kind, flags, body), interrupted)
                        break
                    yield kind, body
        except OSError as failure:
            if watched and failure.errno == ENOBUFS:
                raise Interrupted from None  # so many events that some were lost
            raise
        finally:
            if watched:
                self._socket.bind((self._port, 0))
            if not finished:  # given up half-way: a dump in progress would block the next one
                self._drain()

    def _receive(self) -> bytes:
        """The next datagram; ENOBUFS where replies were lost: then the queue must be emptied."""
        try:
            return self._socket.recv(RECEIVE_BYTES, MSG_DONTWAIT)
        except BlockingIOError:
            pass
        self._socket.setsockopt(SOL_SOCKET, SO_RCVTIMEO, pack("@ll", RECEIVE_SECONDS, 0))
        try:
            return self._socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            raise OSError(ETIMEDOUT, "the kernel does not answer") from None

    def _drain(self) -> None:
        """Empty the queue: until then the kernel adds nothing to one that has overflowed.

        To be called as a member of no group: then nobody can fill it meanwhile.
        """
        while True:
            try:
                self._socket.recv(RECEIVE_BYTES, MSG_DONTWAIT)
            except OSError as failure:
                if failure.errno != ENOBUFS:
                    return

    def _set(self, option: int) -> None:
        try:
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        except OSError as failure:
            if failure.errno != ENOPROTOOPT:  # an old kernel: filters less, says less
                raise


def make_roomy(opened: socket) -> None:
    """Let the socket queue some thousand replies; as far as may be without CAP_NET_ADMIN."""
    try:
        opened.setsockopt(SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    except OSError:
        opened.setsockopt(SOL_SOCKET, SO_RCVBUF, BUFFER_BYTES)


def whole(read: Callable[[], T]) -> T:
    """What `read` returns once no change interrupts it; OSError(EINTR) if some always does."""
    for _ in range(DUMP_TRIES):
        try:
            return read()
        except Interrupted:
            continue
    raise OSError(EINTR, f"the table changed during each of {DUMP_TRIES} dumps")


def _judge(reply: Reply, interrupted: int) -> None:
    if reply.errno:
        raise OSError(reply.errno, reply.message or os.strerror(reply.errno))
    if interrupted:
        raise Interrupted


def bind(opened: socket, groups: int = 0) -> int:
    """Take, and return, the first of our port ids that is free in the socket's namespace.

    The socket joins the groups of the mask.
    """
    for number in range(PORTS):
        try:
            opened.bind((OWN_PORTS + number, groups))
            return OWN_PORTS + number
        except OSError as failure:
            if failure.errno != EADDRINUSE:
                raise
    raise OSError(EADDRINUSE, f"{PORTS} netlink sockets are open in this namespace")
