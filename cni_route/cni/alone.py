"""The plugin without the service: the same verbs, from the last snapshot and the own rules.

Alone it only adds: what a snapshot lacks may exist by now, and nothing would put it back.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

from cni_route.cni import protocol
from cni_route.cni.frame import MAX_BODY, Answer
from cni_route.cni.journal import append
from cni_route.cni.protocol import CniError, Code
from cni_route.cni.settings import Settings, lenient
from cni_route.cni.verbs import Call, Context, handle
from cni_route.model import BACKUP_PROTOCOL, OWN_PROTOCOL, Pod
from cni_route.sandbox import Sandboxes
from cni_route.untrusted import BadValue, Reader, short

if TYPE_CHECKING:
    from cni_route.reconcile import Outcome
    from cni_route.record import Record
    from cni_route.view import View

__all__ = ["MAX_AGE", "Snapshot", "answer", "main", "read_snapshot"]

MAX_AGE = 24 * 3600  # seconds
_VERSION = 1  # of the snapshot's envelope
_END_OF_TIME = 1e12  # unix seconds; some 30,000 years
_MAX_SNAPSHOT = 256 << 20  # bytes


class Snapshot(NamedTuple):
    """What the service last knew; `trouble` is a sentence where that cannot be used."""

    view: View | None = None  # None: empty
    protocol: int = OWN_PROTOCOL
    backup_protocol: int = BACKUP_PROTOCOL
    agent: tuple[str, str] = ("", "")  # namespace and name of its DaemonSet
    trouble: str = ""


def main(stdin: bytes | None, socket: str, state_dir: str) -> int:
    """Carry out the call that environment and standard input make; the process's exit code.

    `stdin` is what was read of standard input already; None: nothing was. `socket` is the
    service's where the configuration names none.
    """
    environment = {n: v for n, v in os.environ.items() if n.startswith("CNI_")}
    if not environment.get("CNI_COMMAND"):
        about = f"cni-route: a CNI plugin; CNI versions {', '.join(protocol.VERSIONS)}"
        print(f"{about}; CNI_COMMAND says what to do", file=sys.stderr, flush=True)
        return 0
    try:
        given = _read(0, MAX_BODY) if stdin is None else stdin
        done = answer(environment, given, socket, state_dir)
    except OSError as error:
        fault = CniError(Code.IO, f"standard input cannot be read: {error.strerror}")
        done = protocol.error_answer(fault, protocol.NEWEST)
    view = memoryview(done.stdout)
    while view:
        view = view[os.write(1, view) :]
    return done.exit_code


def answer(environment: dict[str, str], stdin: bytes, socket: str, state_dir: str) -> Answer:
    """What the plugin answers to one call without the service."""
    if len(stdin) > MAX_BODY:
        fault = CniError(Code.DECODE, f"standard input is over the bound of {MAX_BODY} bytes")
        return protocol.error_answer(fault, protocol.NEWEST)
    own = _own_keys(stdin, socket)
    verb = environment["CNI_COMMAND"]
    needed = verb in ("ADD", "CHECK") or (verb == "STATUS" and own.fail)
    path = os.path.join(state_dir, "snapshot.json")
    snapshot = read_snapshot(path, time.time()) if needed else Snapshot()
    sandboxes = Sandboxes(os.path.dirname(own.socket), lambda said: append(own.log_file, said))

    def pass_over(record: Record, namespace: int, dry: bool) -> Outcome:
        # a third of the start, and most verbs make no pass
        from cni_route.netlink.table import NetlinkKernel  # noqa: PLC0415
        from cni_route.reconcile import Options, reconcile  # noqa: PLC0415
        from cni_route.view import EMPTY  # noqa: PLC0415

        options = Options(snapshot.protocol, snapshot.backup_protocol, dry, only_add=True)
        view = snapshot.view or EMPTY
        kernel = NetlinkKernel()
        return reconcile(record, view, kernel, sandboxes, namespace=namespace, options=options)

    def find_pod(namespace: str, name: str, uid: str) -> Pod | None:
        view = snapshot.view
        return None if view is None else view.find_pod(namespace, name, uid)

    context = Context(
        sandboxes,
        pass_over,
        find_pod,
        log=lambda _sentence: None,
        not_ready=snapshot.trouble and f"the service does not answer, and {snapshot.trouble}",
        agent=snapshot.agent,
        alone=True,
        protocol=snapshot.protocol,
    )
    return handle(Call(environment, stdin), context)


def read_snapshot(path: str, now: float) -> Snapshot:
    """The snapshot at `path`, unless it is missing, unreadable, or older than MAX_AGE."""
    from cni_route.view import from_json  # noqa: PLC0415

    try:
        with open(path, "rb", opener=_at_once) as file:
            top = Reader(json.loads(file.read(_MAX_SNAPSHOT).decode()), "")
        version = top.get("version")
        if version != _VERSION or isinstance(version, bool):
            raise BadValue(f"version: {short(version)} is not {_VERSION}")
        written = top.get("written")
        if (
            isinstance(written, bool)
            or not isinstance(written, (int, float))
            or not abs(written) < _END_OF_TIME  # nor if it is no number
        ):
            raise BadValue(f"written: {short(written)} is not a time")
        fields = top.data if isinstance(top.data, dict) else {}
        namespace, _, name = str(fields.get("agent", "")).partition("/")
        # of what it says of the service itself, its age takes nothing away
        told = Snapshot(
            None,
            top.number("protocol", 1, 256) if "protocol" in fields else OWN_PROTOCOL,
            top.number("backupProtocol", 1, 256) if "backupProtocol" in fields else BACKUP_PROTOCOL,
            (namespace, name),
        )
        if now - written > MAX_AGE:  # after a clock that was set back it has no age: then it counts
            hours = int((now - written) // 3600)
            return told._replace(trouble=f"its snapshot {path} is {hours} hours old")
        return told._replace(view=from_json(top.get("view")))
    except FileNotFoundError:
        return Snapshot(trouble=f"there is no snapshot {path}")
    except OSError as error:
        return Snapshot(trouble=f"its snapshot {path} cannot be read: {error.strerror}")
    except RecursionError:
        return Snapshot(trouble=f"its snapshot {path} cannot be used: it is nested too deeply")
    except ValueError as error:
        return Snapshot(trouble=f"its snapshot {path} cannot be used: {error}")


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a FIFO must not hold a pod up


def _own_keys(stdin: bytes, socket: str) -> Settings:
    """The entry's own keys as far as they can be read; where it names no socket, `socket`."""
    try:
        config = protocol.decode(stdin)
    except CniError:
        return Settings(socket, log_file="")
    own, named = lenient(config), config.get("socket")
    usable = isinstance(named, str) and named.strip() == own.socket
    return own if usable else own._replace(socket=socket)


def _read(descriptor: int, most: int) -> bytes:
    """What can be read, up to one byte more than `most`."""
    data = bytearray()
    while len(data) <= most:
        more = os.read(descriptor, min(1 << 16, most + 1 - len(data)))
        if not more:
            break
        data += more
    return bytes(data)
