"""What comes in by the socket: from bytes to the answer, with every part of the service but the
process itself. Requests are read as the server reads them, in pieces and with descriptors.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Mapping
from time import monotonic

from cni_route.cni import client, frame
from cni_route.cni.frame import CALL, Answer, FrameError, Request, RequestReader
from cni_route.cni.protocol import Code
from sync_service import queries
from sync_service.house import House
from tests.cni.site import Site
from tests.hostile.guard import Reader
from tests.unit.cli_house import sample_house

__all__ = ["answers", "requests"]

SOON = 1.0  # seconds; whoever waits that long here waits for nothing


def requests(site: Site, rng: random.Random) -> Reader:
    """The service's side: FrameError, or a whole request that gets an answer."""
    house = sample_house()

    def read(data: bytes) -> bool:
        try:
            request, descriptor = received(data, rng)
        except FrameError:
            return False
        try:
            assert frame.decode_request(frame.encode_request(request)) == request
            if request.kind == CALL:
                check_call(called(site, request))
            else:
                check_query(request.body, house)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        return True

    return read


def received(data: bytes, rng: random.Random) -> tuple[Request, int]:
    """The request as the server's reader takes it; FrameError where it refuses."""
    ours, theirs = socket.socketpair()
    reader = RequestReader()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        cut = rng.randrange(len(data) + 1)
        try:
            for piece in (data[:cut], data[cut:]):
                send(ours, piece, rng.choice((0, 0, 0, 1, 2)))
                while True:
                    try:
                        if reader.read(theirs):
                            return reader.take()
                    except BlockingIOError:
                        break
            raise FrameError("it is not whole")
        finally:
            reader.close()


def send(to: socket.socket, piece: bytes, descriptors: int) -> None:
    """A piece and so many descriptors, which need a byte to come with."""
    if piece:
        fds = (to.fileno(),) * descriptors
        passed = b"".join(fd.to_bytes(4, "little") for fd in fds)
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)] if fds else []
        assert to.sendmsg([piece], control) == len(piece)


def called(site: Site, request: Request) -> Answer:
    """What the verbs say; what the site notes, and records by hostile ids, do not pile up."""
    variables = dict(request.environment)
    verb = variables.pop("CNI_COMMAND", "")
    for name in ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"):
        variables.setdefault(name, "-")
    answer = site.call(verb, request.body, **variables)
    for notes in (site.log, site.asked, site.passes, site.forgotten):
        notes.clear()
    for container_id in site.sandboxes.ids():
        site.sandboxes.remove(container_id)
    return answer


def check_call(answer: Answer) -> None:
    """CNI's forms: nothing, a result, or an error that is not a mistake of ours."""
    frame.encode_answer(answer)
    if answer.exit_code:
        error = json.loads(answer.stdout)
        assert error["code"] != Code.INTERNAL, error
        assert error["msg"], error
    elif answer.stdout:
        assert isinstance(json.loads(answer.stdout), dict)


def check_query(body: bytes, house: House) -> None:
    """An object, whatever is asked."""
    try:
        query = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(query, Mapping):
        answered = json.dumps(queries.answer(query, house)).encode()
        frame.encode_answer(Answer(0, answered))


def answers() -> Reader:
    """The other side: the command line's reader, and the plugin's own that knows no module."""

    def read(data: bytes) -> bool:
        taken = False
        for way in (by_command, by_plugin):
            ours, theirs = socket.socketpair()
            with ours, theirs:
                ours.setblocking(False)
                ours.sendall(data)
                ours.shutdown(socket.SHUT_WR)
                taken |= way(theirs)
        return taken

    return read


def by_command(connection: socket.socket) -> bool:
    """FrameError, or an answer."""
    try:
        answer = frame.receive_answer(connection, monotonic() + SOON)
    except FrameError:
        return False
    return frame.decode_answer(frame.encode_answer(answer)) == answer


def by_plugin(connection: socket.socket) -> bool:
    """ValueError, or an exit code and what is to be printed."""
    try:
        code, printed = client.receive(connection, client.now() + SOON)
    except ValueError:
        return False
    return 0 <= code <= 255 and printed[:1] in (b"", b"{")
