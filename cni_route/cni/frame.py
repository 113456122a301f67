"""The socket's frames: one request and one answer a connection (docs/socket.md, byte by byte).

Encoding and decoding are pure functions of a buffer; the helpers below them move buffers over a
unix stream socket. Every length is checked before what it announces is read, and every wait ends
at a deadline (seconds of time.monotonic()). The fast path and the C relay speak the same bytes
without this module.
"""

from __future__ import annotations

from _socket import (
    AF_UNIX,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    SCM_RIGHTS,
    SO_PEERCRED,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
)
from collections.abc import Iterable, Mapping
from posix import close
from sys import byteorder
from time import monotonic
from typing import NamedTuple

__all__ = [
    "CALL",
    "QUERY",
    "Answer",
    "FrameError",
    "Request",
    "RequestReader",
    "answer_missing",
    "ask",
    "decode_answer",
    "decode_request",
    "encode_answer",
    "encode_request",
    "exchange",
    "peer_uid",
    "receive_answer",
    "receive_request",
    "request_missing",
    "send",
]

VERSION = 1
CALL = 1  # a CNI call: environment, standard input, the namespace's descriptor
QUERY = 2  # a JSON object each way
REQUEST_HEADER = 12  # bytes: version, kind, two zeros, environment's length, body's length
ANSWER_HEADER = 8  # bytes: version, exit code, two zeros, standard output's length
MAX_ENVIRONMENT = 64 << 10  # bytes
MAX_BODY = 4 << 20  # bytes
MAX_ANSWER = 8 << 20  # bytes
_CHUNK = 64 << 10
_ONE_DESCRIPTOR = 20  # CMSG_LEN(4); CMSG_SPACE(4) would leave room for two


class FrameError(ValueError):
    """The peer does not keep to the protocol; a sentence. The connection is of no more use."""


class Request(NamedTuple):
    """What is asked: `environment` only for a CALL; `body` is its standard input, or JSON."""

    kind: int
    environment: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    """What the plugin is to do: print `stdout`, end with `exit_code` (0 to 255).

    For a QUERY `stdout` is the JSON answer, and `exit_code` 0, or 1 where it is an error.
    """

    exit_code: int
    stdout: bytes = b""


# ---------------------------------------------------------------- bytes


def encode_request(request: Request) -> bytes:
    """The request's bytes; FrameError where it is over a bound or a name cannot be sent."""
    environment = b"".join(_entry(name, value) for name, value in request.environment.items())
    header = bytes((VERSION, request.kind, 0, 0))
    data = (
        header + _length(len(environment)) + _length(len(request.body)) + environment + request.body
    )
    request_missing(data)
    return data


def request_missing(data: bytes | bytearray) -> int:
    """How many bytes must follow this beginning of a request, at the least; 0: it is whole.

    FrameError as soon as the beginning shows that the request cannot be accepted.
    """
    if data and data[0] != VERSION:
        raise FrameError(f"this speaks version {VERSION} of the protocol, the peer {data[0]}")
    if len(data) < REQUEST_HEADER:
        return REQUEST_HEADER - len(data)
    kind, environment, body = data[1], _number(data, 4), _number(data, 8)
    if kind not in (CALL, QUERY):
        raise FrameError(f"there is no request of kind {kind}")
    if data[2] or data[3]:
        raise FrameError("bytes 2 and 3 of a request must be 0")
    if environment > (MAX_ENVIRONMENT if kind == CALL else 0):
        raise FrameError(f"an environment of {environment} bytes is over the bound")
    if body > MAX_BODY:
        raise FrameError(f"a body of {body} bytes is over the bound of {MAX_BODY}")
    missing = REQUEST_HEADER + environment + body - len(data)
    if missing < 0:
        raise FrameError(f"{-missing} bytes follow the request")
    return missing


def decode_request(data: bytes) -> Request:
    """Read a whole request; FrameError for anything else."""
    if request_missing(data):
        raise FrameError("the request is cut short")
    end = REQUEST_HEADER + _number(data, 4)
    return Request(data[1], _environment(data[REQUEST_HEADER:end]), data[end:])


def encode_answer(answer: Answer) -> bytes:
    """The answer's bytes; FrameError where it is over the bound."""
    if len(answer.stdout) > MAX_ANSWER:
        raise FrameError(f"an answer of {len(answer.stdout)} bytes is over {MAX_ANSWER}")
    header = bytes((VERSION, answer.exit_code, 0, 0))
    return header + _length(len(answer.stdout)) + answer.stdout


def answer_missing(data: bytes | bytearray) -> int:
    """As request_missing, for an answer."""
    if data and data[0] != VERSION:
        raise FrameError(f"this speaks version {VERSION} of the protocol, the peer {data[0]}")
    if len(data) < ANSWER_HEADER:
        return ANSWER_HEADER - len(data)
    length = _number(data, 4)
    if data[2] or data[3]:
        raise FrameError("bytes 2 and 3 of an answer must be 0")
    if length > MAX_ANSWER:
        raise FrameError(f"an answer of {length} bytes is over the bound of {MAX_ANSWER}")
    missing = ANSWER_HEADER + length - len(data)
    if missing < 0:
        raise FrameError(f"{-missing} bytes follow the answer")
    return missing


def decode_answer(data: bytes) -> Answer:
    """Read a whole answer; FrameError for anything else."""
    if answer_missing(data):
        raise FrameError("the answer is cut short")
    return Answer(data[1], data[ANSWER_HEADER:])


def _length(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _number(data: bytes | bytearray, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 4], "big")


def _entry(name: str, value: str) -> bytes:
    text = f"{name}={value}"
    if not name or "=" in name or "\0" in text:
        raise FrameError(f"the variable {name!r} cannot be sent")
    return text.encode("utf-8", "surrogateescape") + b"\0"


def _environment(data: bytes) -> dict[str, str]:
    """Variables by name, each ended by a NUL; of a name given twice the first counts (getenv)."""
    if not data:
        return {}
    if data[-1]:
        raise FrameError("the environment does not end with a NUL")
    found: dict[str, str] = {}
    for entry in data[:-1].decode("utf-8", "surrogateescape").split("\0"):
        name, equals, value = entry.partition("=")
        if not name or not equals:
            raise FrameError("a variable is not NAME=VALUE")
        found.setdefault(name, value)
    return found


# ---------------------------------------------------------------- sockets


class RequestReader:
    """Takes in one request as it comes, and the descriptor with it; never waits by itself.

    With a non-blocking socket one thread can read from many; `close` after an error and when the
    peer is given up, so that no descriptor stays open.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._descriptors: list[int] = []

    def read(self, connection: socket) -> bool:
        """Receive once; whether the request is whole. FrameError, or an OSError of recvmsg."""
        _receive(connection, self._data, request_missing(self._data), self._descriptors)
        return request_missing(self._data) == 0

    def take(self) -> tuple[Request, int]:
        """The whole request and its descriptor (-1: none), which the caller closes."""
        request = decode_request(bytes(self._data))
        if self._descriptors and request.kind != CALL:
            raise FrameError("a descriptor came with a query")
        return request, self._descriptors.pop() if self._descriptors else -1

    def close(self) -> None:
        """Close a descriptor that nobody took; twice is fine."""
        while self._descriptors:
            close(self._descriptors.pop())


def receive_request(connection: socket, deadline: float) -> tuple[Request, int]:
    """A request and the descriptor that came with it (-1: none); the caller closes that one.

    FrameError, TimeoutError or another OSError: nothing is left open.
    """
    reader = RequestReader()
    try:
        _until(connection, deadline)
        while not reader.read(connection):
            _until(connection, deadline)
        return reader.take()
    finally:
        reader.close()


def receive_answer(connection: socket, deadline: float) -> Answer:
    """An answer; FrameError, TimeoutError or another OSError where none comes."""
    data = bytearray()
    descriptors: list[int] = []
    try:
        while missing := answer_missing(data):
            _until(connection, deadline)
            _receive(connection, data, missing, descriptors)
        if descriptors:
            raise FrameError("a descriptor came with an answer")
        return decode_answer(bytes(data))
    finally:
        for descriptor in descriptors:
            close(descriptor)


def send(connection: socket, data: bytes, deadline: float, descriptors: Iterable[int] = ()) -> None:
    """Send all of `data`, descriptors with the first of it; TimeoutError at the deadline."""
    view = memoryview(data)
    passed = b"".join(number.to_bytes(4, byteorder) for number in descriptors)
    if passed:
        _until(connection, deadline)
        view = view[connection.sendmsg([view], [(SOL_SOCKET, SCM_RIGHTS, passed)]) :]
    while view:
        _until(connection, deadline)
        view = view[connection.send(view) :]


def exchange(path: str, request: Request, timeout_seconds: float, descriptor: int = -1) -> Answer:
    """Ask the service behind the socket at `path`; FrameError or OSError where none answers."""
    deadline = monotonic() + timeout_seconds
    data = encode_request(request)
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        _until(connection, deadline)
        connection.connect(path)
        send(connection, data, deadline, (descriptor,) if descriptor >= 0 else ())
        return receive_answer(connection, deadline)
    finally:
        connection.close()


def ask(path: str, query: Mapping[str, object], timeout_seconds: float) -> object:
    """Put a QUERY to the service and return its JSON answer.

    FrameError or OSError (FileNotFoundError, ConnectionRefusedError: no service) where no answer
    comes.
    """
    import json  # noqa: PLC0415 - dear; only queries need it

    answer = exchange(path, Request(QUERY, {}, json.dumps(query).encode()), timeout_seconds)
    try:
        return json.loads(answer.stdout)
    except (ValueError, RecursionError):
        raise FrameError("the answer is not JSON") from None


def peer_uid(connection: socket) -> int:
    """The user id of the process at the other end of a unix socket, as it was at connect."""
    credentials = connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)  # struct ucred: pid, uid, gid
    return int.from_bytes(credentials[4:8], byteorder)


def _receive(connection: socket, data: bytearray, missing: int, descriptors: list[int]) -> None:
    """Append what comes, at most `missing` bytes; a second descriptor is a FrameError."""
    received, control, flags, _ = connection.recvmsg(
        min(missing, _CHUNK), _ONE_DESCRIPTOR, MSG_CMSG_CLOEXEC
    )
    for level, kind, passed in control:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            descriptors += (
                int.from_bytes(passed[i : i + 4], byteorder) for i in range(0, len(passed) - 3, 4)
            )
    if flags & MSG_CTRUNC or len(descriptors) > 1:
        raise FrameError("more than one descriptor came")
    if not received:
        raise FrameError("the peer closed the connection too early")
    data += received


def _until(connection: socket, deadline: float) -> None:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    connection.settimeout(left)
