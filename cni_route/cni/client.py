"""The plugin's fast path: hands a call over to the service, or to cni-route-alone beside it.

This file's text is the executable (install.py puts the interpreter's line before it), started for
every call: so it imports only what an interpreter has built in, not even __future__, and speaks
the frames of docs/socket.md by itself.
"""

import _socket
import posix
import sys

SOCKET = "/run/cni-route/agent.sock"
TIMEOUT = 2000  # milliseconds that an ADD tries to reach the service, unless timeoutMs says else
MAX_TIMEOUT = 240_000
DEL_TIMEOUT = 100
PAUSE = 0.02  # seconds between two tries
VERSION = 1
CALL = 1
MAX_ENVIRONMENT = 64 << 10
MAX_STDIN = 4 << 20
MAX_ANSWER = 8 << 20
CHUNK = 64 << 10
FALLBACK_FOLDER = "/opt/cni-route/bin"


def main() -> int:
    """Carry one call out; the process's exit code."""
    command = posix.environ.get(b"CNI_COMMAND", b"")
    if not command:
        return alone(command, None)  # a person's try: nothing will come on standard input
    try:
        stdin = read_stdin()
    except OSError:
        return alone(command, None)
    path, timeout = own_keys(stdin)
    descriptor = open_namespace()
    request = encode(stdin)
    if not request or is_own(descriptor):
        return alone(command, stdin)
    deadline = now() + (DEL_TIMEOUT if command == b"DEL" else timeout) / 1000
    while True:
        answer = ask(path, request, descriptor, deadline)
        if answer is not None:
            write_all(1, answer[1])
            return answer[0]
        if command != b"ADD" or now() + PAUSE >= deadline:
            return alone(command, stdin)
        wait(PAUSE)


def read_stdin() -> bytes:
    """Standard input; what is over the bound is left unread, one byte of it excepted."""
    data = b""
    while len(data) <= MAX_STDIN:
        more = posix.read(0, min(CHUNK, MAX_STDIN + 1 - len(data)))
        if not more:
            break
        data += more
    return data


# ---------------------------------------------------------------- the entry's own keys


def own_keys(stdin: bytes) -> tuple[str | bytes, int]:
    """`socket` and `timeoutMs` of the configuration.

    Without backslashes every second piece between quotes is a string, whole: so the keys of the
    outermost object can be told for certain, without json, which doubles the start.
    """
    path: str | bytes = SOCKET
    timeout = TIMEOUT
    if b'"socket"' not in stdin and b'"timeoutMs"' not in stdin and b"\\u" not in stdin:
        return path, timeout
    if b"\\" in stdin:
        return parsed_keys(stdin)
    pieces = stdin.split(b'"')
    depth = 0
    for i in range(0, len(pieces) - 2, 2):
        outside, name, after = pieces[i], pieces[i + 1], pieces[i + 2].strip()
        depth += outside.count(b"{") + outside.count(b"[")
        depth -= outside.count(b"}") + outside.count(b"]")
        if depth != 1 or after[:1] != b":":
            continue
        if name == b"socket":
            path = pieces[i + 3].strip() if after == b":" and pieces[i + 3 :] else SOCKET
        elif name == b"timeoutMs":
            number = after[1:].partition(b",")[0].strip(b" \t\r\n}")
            timeout = sound(int(number)) if number.isdigit() and len(number) < 10 else TIMEOUT
    return (path if path[:1] in ("/", b"/") else SOCKET), timeout


def parsed_keys(stdin: bytes) -> tuple[str, int]:
    """The same by way of json; the defaults where the configuration is none."""
    import json  # noqa: PLC0415 - dear

    try:
        config = json.loads(stdin)
        path, timeout = config.get("socket"), config.get("timeoutMs")
    except (ValueError, AttributeError, RecursionError):
        return SOCKET, TIMEOUT
    usable = isinstance(path, str) and path.strip()[:1] == "/"
    return (
        path.strip() if usable else SOCKET,
        sound(timeout) if type(timeout) is int else TIMEOUT,
    )


def sound(timeout: int) -> int:
    """Milliseconds that settings.py accepts; the default for what is an error there."""
    return timeout if 1 <= timeout <= MAX_TIMEOUT else TIMEOUT


# ---------------------------------------------------------------- the namespace


def open_namespace() -> int:
    """A descriptor of CNI_NETNS, -1 where there is none: the service says what that means."""
    try:
        flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NONBLOCK
        return posix.open(posix.environ[b"CNI_NETNS"], flags)
    except (KeyError, OSError):
        return -1


def is_own(descriptor: int) -> bool:
    """Whether it is this process's own namespace, the host's: such pods pass unasked."""
    try:
        own = posix.stat("/proc/self/ns/net")
        return descriptor >= 0 and posix.fstat(descriptor)[1:3] == own[1:3]
    except OSError:
        return False


# ---------------------------------------------------------------- the service


def encode(stdin: bytes) -> bytes:
    """The request; nothing where it is over a bound."""
    variables = posix.environ.items()
    environment = b"".join(b"%b=%b\0" % v for v in variables if v[0].startswith(b"CNI_"))
    if len(environment) > MAX_ENVIRONMENT or len(stdin) > MAX_STDIN:
        return b""
    lengths = len(environment).to_bytes(4, "big") + len(stdin).to_bytes(4, "big")
    return bytes((VERSION, CALL, 0, 0)) + lengths + environment + stdin


def ask(
    path: str | bytes, request: bytes, descriptor: int, deadline: float
) -> tuple[int, bytes] | None:
    """The service's answer, exit code and standard output; None where none is to be had."""
    control = []
    if descriptor >= 0:
        rights = descriptor.to_bytes(4, sys.byteorder)
        control.append((_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights))
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        limit(connection, deadline)
        connection.connect(path)
        unsent = memoryview(request)
        unsent = unsent[connection.sendmsg([unsent], control) :]
        while unsent:
            limit(connection, deadline)
            unsent = unsent[connection.send(unsent) :]
        return receive(connection, deadline)
    except (OSError, ValueError):
        return None
    finally:
        connection.close()


def receive(connection: _socket.socket, deadline: float) -> tuple[int, bytes]:
    """One answer's exit code and standard output; ValueError for anything that is none."""
    header = receive_all(connection, 8, deadline)
    length = int.from_bytes(header[4:], "big")
    if header[0] != VERSION or header[2] or header[3] or length > MAX_ANSWER:
        raise ValueError
    body = receive_all(connection, length, deadline)
    if body and body[0] != 0x7B:  # "{": whatever CNI prints is an object
        raise ValueError
    return header[1], body


def receive_all(connection: _socket.socket, length: int, deadline: float) -> bytes:
    """Exactly so many bytes."""
    data = b""
    while len(data) < length:
        limit(connection, deadline)
        more = connection.recv(min(CHUNK, length - len(data)))
        if not more:
            raise ValueError
        data += more
    return data


def limit(connection: _socket.socket, deadline: float) -> None:
    """Let the next operation wait until the deadline and no longer."""
    left = deadline - now()
    if left <= 0:
        raise ValueError
    connection.settimeout(left)


def now() -> float:
    """Seconds of a clock that only goes forward, in steps of 10 ms (times(2))."""
    return posix.times()[4]


def wait(seconds: float) -> None:
    """Do nothing for a while, as a socket does that nobody can send to."""
    silent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
    silent.settimeout(seconds)
    try:
        silent.recv(1)
    except OSError:
        silent.close()


# ---------------------------------------------------------------- without it


def alone(command: bytes, stdin: bytes | None) -> int:
    """Let the archive beside this file, which could run by itself, do the work in this process."""
    folder = sys.argv[0].rpartition("/")[0] or "."
    for place in (folder, FALLBACK_FOLDER):
        sys.path.insert(0, place + "/cni-route-alone")
        try:
            from cni_route_alone import main  # type: ignore[import-not-found]  # noqa: PLC0415
        except Exception:
            del sys.path[0]
        else:
            return int(main(stdin))
    return last_resort(command, stdin or b"")


def last_resort(command: bytes, stdin: bytes) -> int:
    """Nobody is there to do the work: failurePolicy, and nothing else."""
    import json  # noqa: PLC0415 - dear

    try:
        config = json.loads(stdin)
        ignore = config.get("failurePolicy") != "Fail"
    except (ValueError, AttributeError, RecursionError):
        return fail(6, "standard input is not a JSON object")
    if command == b"DEL":
        return 0
    if command == b"ADD" and ignore:
        version = config.get("cniVersion") or "0.1.0"
        result = config.get("prevResult") or {"dns": {}}
        write_all(1, json.dumps({"cniVersion": version, **result}).encode())
        return 0
    return fail(11, "the service does not answer, and cni-route-alone cannot be used")


def fail(code: int, message: str) -> int:
    """Report an error as CNI does."""
    plain = "".join(c for c in message if c.isalnum() or c in " :.,_-/")
    write_all(1, b'{"cniVersion": "1.1.0", "code": %d, "msg": "%b"}' % (code, plain.encode()))
    return 1


def write_all(descriptor: int, data: bytes) -> None:
    """Write it all."""
    while data:
        data = data[posix.write(descriptor, data) :]


if __name__ == "__main__":
    try:
        code = main()
    except Exception as error:
        code = fail(999, f"a mistake in cni-route: {type(error).__name__}: {error}")
    posix._exit(code)  # the interpreter's own way out would cost a millisecond
