"""Callers of the running service that mean no good: what they send, hand over, or are."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from cni_route.cni.frame import QUERY, Answer, Request, encode_request, send
from tests.hostile.crowd import Crowd, Held, later
from tests.hostile.mutate import Mutator
from tests.node.node import COMMAND, RUN_DIR, until
from tests.node.service import PATIENCE, Service

NETWORK = "172.16.0.0/16"  # of the fixture's Route
PATH = "/run/hostile"
SLOW = 40  # callers that drip at a time


# ---------------------------------------------------------------- what is sent


class Bag:
    """Descriptors that are no pod's namespace. This process's own is not among them.

    The service could not tell that one from a pod's: it would write there.
    """

    def __init__(self, crowd: Crowd, service: Service) -> None:
        self._pipe = os.pipe()
        self._socket = socket.socketpair()
        own = f"/proc/{service.pid}/ns/net"
        paths = ("/dev/null", "/proc/self/ns/uts", "/proc/self/status", "/", own)
        self._files = [os.open(path, os.O_RDONLY) for path in paths]
        self._files.append(os.open(crowd.node.path("/run/netns/h1"), os.O_PATH))
        self._files.append(os.memfd_create("hostile"))
        self.descriptors = (*self._pipe, *(s.fileno() for s in self._socket), *self._files)

    def close(self) -> None:
        for descriptor in (*self._pipe, *self._files):
            os.close(descriptor)
        for end in self._socket:
            end.close()


class Callers:
    """Connects again and again, each time in another bad way; `done` counts them."""

    def __init__(self, crowd: Crowd, rng: random.Random, bag: Bag) -> None:
        self._crowd = crowd
        self._rng = rng
        self._bag = bag
        self._slow: list[tuple[socket.socket, bytes]] = []
        # sound but for the namespace: whichever way it comes, no pod must come of it
        self.good = crowd.request("ADD", crowd.make(0), "/run/netns/none-such")
        asked = encode_request(Request(QUERY, {}, b'{"query": "pods"}'))
        self._mutator = Mutator(rng, [self.good, asked], [b"\x01\x01\0\0"])
        self._ways: tuple[Callable[[socket.socket], None], ...] = (
            self._noise,
            self._damaged,
            self._half,
            self._silent,
            self._wrong,
            self._many,
            self._deaf,
        )

    def one(self) -> None:
        """One more; some of them stay for a while."""
        connection = self._crowd.connect()
        if self._rng.random() < 0.1:
            self._drip(connection)
            return
        with connection:
            try:
                self._rng.choice(self._ways)(connection)
            except (BrokenPipeError, ConnectionResetError):
                pass  # sent away before all was said

    def end(self) -> None:
        """Those that drip give up."""
        for connection, _ in self._slow:
            connection.close()

    def _noise(self, connection: socket.socket) -> None:
        connection.sendall(self._rng.randbytes(self._rng.choice((1, 12, 100, 5000))))

    def _damaged(self, connection: socket.socket) -> None:
        connection.sendall(self._mutator.next())

    def _half(self, connection: socket.socket) -> None:
        connection.sendall(self.good[: self._rng.randrange(len(self.good))])

    def _silent(self, connection: socket.socket) -> None:
        """It only connects."""

    def _wrong(self, connection: socket.socket) -> None:
        """A sound request with a descriptor that is no pod's namespace."""
        send(connection, self.good, later(), (self._rng.choice(self._bag.descriptors),))

    def _many(self, connection: socket.socket) -> None:
        """More descriptors than a request may bring, now and then one in each piece."""
        cut = self._rng.randrange(len(self.good))
        for piece in filter(None, (self.good[:cut], self.good[cut:])):
            count = self._rng.choice((0, 1, 2, 30, 200))
            chosen = self._rng.choices(self._bag.descriptors, k=count)
            send(connection, piece, later(), chosen)

    def _deaf(self, connection: socket.socket) -> None:
        """A question whose answer nobody reads."""
        connection.sendall(encode_request(Request(QUERY, {}, b'{"query": "routes"}')))

    def _drip(self, connection: socket.socket) -> None:
        """A byte each time that another caller has come."""
        self._slow.append((connection, self.good))
        if len(self._slow) > SLOW:
            self._slow.pop(0)[0].close()
        going = []
        for each, rest in self._slow:
            try:
                each.send(rest[:1])
                going.append((each, rest[1:]))
            except OSError:
                each.close()
        self._slow = going


def test_callers_of_every_bad_kind_hold_up_nobody_and_leave_nothing(
    crowd: Crowd, service: Service, rng: random.Random, soak: bool
) -> None:
    """2,000 connections; meanwhile, and afterwards, a pod comes up as if nobody was there."""
    before, host = Held.by(service), host_routes(crowd)
    bag = Bag(crowd, service)
    callers = Callers(crowd, rng, bag)
    try:
        for number in range(20_000 if soak else 2000):
            callers.one()
            if number % 250 == 0:
                is_well(crowd, number // 250 % crowd.count)
    finally:
        callers.end()
        bag.close()
    is_well(crowd, 0)
    before.wait(service)
    assert host_routes(crowd) == host
    assert "Traceback" not in service.log()


def is_well(crowd: Crowd, number: int) -> None:
    """A good ADD, a query and a DEL have their answers."""
    crowd.flush(number)
    sandbox = crowd.make(number)
    assert crowd.call("ADD", sandbox).exit_code == 0
    assert crowd.own(number) == {NETWORK}
    assert sandbox.container_id in [item["containerID"] for item in crowd.ask("pods")["items"]]
    assert crowd.call("DEL", sandbox) == (0, b"")


def host_routes(crowd: Crowd) -> str:
    """All routes and rules of the node's own namespace."""
    shown = [crowd.node.ip("-4 route show table all"), crowd.node.ip("-6 route show table all")]
    return "\n".join([*shown, crowd.node.ip("rule")])


# ---------------------------------------------------------------- namespaces that are none


class Trap(NamedTuple):
    """What CNI_NETNS names; made at PATH, or a path that is there."""

    make: str  # a shell command in the node
    says: str  # of the error; '': it passes, as pods on the host's network do
    path: str = PATH


NONE = "is not a network namespace"
TRAPS = {
    "nothing": Trap("true", "is gone"),
    "a file": Trap(f"echo > {PATH}", NONE),
    "a folder": Trap(f"mkdir {PATH}", NONE),
    "a FIFO": Trap(f"mkfifo {PATH}", NONE),
    "a socket": Trap("true", "cannot be opened", f"{RUN_DIR}/agent.sock"),
    "a device": Trap("true", NONE, "/dev/zero"),
    "another kind of namespace": Trap("true", NONE, "/proc/self/ns/uts"),
    "a file below another": Trap(f"echo > {PATH}", "is gone", f"{PATH}/x"),
    "a link to nothing": Trap(f"ln -s /run/none-such {PATH}", "is gone"),
    "a link to itself": Trap(f"ln -s {PATH} {PATH}", "cannot be opened"),
    "a link to a file": Trap(f"ln -s /etc/passwd {PATH}", NONE),
    "the service's own": Trap("true", "", "/proc/self/ns/net"),
    "a link to its own": Trap(f"ln -s /proc/self/ns/net {PATH}", ""),
    "a mount of its own": Trap(f"touch {PATH}; mount --bind /proc/self/ns/net {PATH}", ""),
}


@contextmanager
def set_up(crowd: Crowd, trap: Trap) -> Iterator[None]:
    crowd.node.run("sh", "-c", trap.make)
    try:
        yield
    finally:
        crowd.node.run("sh", "-c", f"umount {PATH} 2> /dev/null; rm -rf {PATH}")


@pytest.fixture(scope="module")
def shared(whole_crowd: Crowd) -> Iterator[Service]:
    """One service for all traps: none of them may do anything to it."""
    whole_crowd.clear()
    whole_crowd.want(NETWORK)
    with Service(whole_crowd.node) as service:
        yield service


@pytest.mark.parametrize("policy", ["Ignore", "Fail"])
@pytest.mark.parametrize("name", TRAPS)
def test_what_is_no_pods_namespace_is_refused_before_anything_is_written(
    whole_crowd: Crowd, shared: Service, name: str, policy: str
) -> None:
    """By its path, and by an open descriptor of it; ADD and CHECK alike."""
    crowd, trap = whole_crowd, TRAPS[name]
    before, host = Held.by(shared), host_routes(crowd)
    with set_up(crowd, trap):
        there = str(crowd.node.path(trap.path))
        opened = descriptor_of(there if trap.says else f"/proc/{shared.pid}/ns/net")
        try:
            for verb in ("ADD", "CHECK", "ADD"):
                for descriptor in {-1, opened}:
                    answer = crowd.call_with(
                        verb, crowd.make(0), trap.path, descriptor, failurePolicy=policy
                    )
                    check_refused(answer, trap.says)
        finally:
            if opened >= 0:
                os.close(opened)
    before.wait(shared)
    assert host_routes(crowd) == host


def descriptor_of(path: str) -> int:
    """-1 for what cannot be opened, and so cannot be handed over."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return -1


def check_refused(answer: Answer, sentence: str) -> None:
    """Code 8 and the sentence; where there is none, the pod passes and nothing else happens."""
    printed = json.loads(answer.stdout or b"{}")
    if not sentence:
        assert answer.exit_code == 0, printed
        assert "code" not in printed
    else:
        assert answer.exit_code == 1, printed
        assert printed["code"] == 8, printed
        assert sentence in printed["msg"], printed


def test_the_namespace_of_pid_1_is_left_alone(crowd: Crowd) -> None:
    """By its path, by a link, and by a descriptor; h2 is that of the service's PID 1 here."""
    crowd.want(NETWORK)
    crowd.node.run("touch", "/run/home")
    crowd.node.run("mount", "--bind", "/proc/self/ns/net", "/run/home")
    crowd.node.run("ln", "-sf", "/run/netns/h2", PATH)
    service = Service(crowd.node)
    command = f"nsenter --net=/run/home {COMMAND} {' '.join(service.arguments)}; exit $?"
    words = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    inside = ("ip", "netns", "exec", "h2", "sh", "-c", command)
    process = crowd.node.popen(*words, *inside, stderr=subprocess.DEVNULL)
    descriptor = crowd.open(2)
    try:
        until(service.answers, "the service answers", PATIENCE)
        for path, passed in (("/run/netns/h2", -1), (PATH, -1), ("/run/netns/h2", descriptor)):
            sandbox = crowd.make(2)
            check_refused(crowd.call_with("ADD", sandbox, path, passed, failurePolicy="Fail"), "")
        assert crowd.own(2) == set()
        assert crowd.ask("pods")["items"] == []
        is_well(crowd, 3)
    finally:
        os.close(descriptor)
        process.kill()
        process.wait()
        crowd.node.run("sh", "-c", f"umount /run/home; rm -f /run/home {PATH}")


# ---------------------------------------------------------------- who it is


STRANGER = """
import os, socket, sys
path, data = sys.argv[1], bytes.fromhex(sys.argv[2])
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
caller = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
try:
    caller.connect(path)
    caller.sendall(data)
    print("answer", caller.recv(100))
except OSError as error:
    print(type(error).__name__)
"""


def test_another_user_is_refused(crowd: Crowd, service: Service) -> None:
    """By the directory; and were that open to everybody, by the service itself."""
    before = Held.by(service)
    sandbox = crowd.make(0)
    data = crowd.request("ADD", sandbox)

    def stranger() -> str:
        words = (sys.executable, "-c", STRANGER, f"{RUN_DIR}/agent.sock", data.hex())
        return crowd.node.run(*words).stdout.strip()

    assert stranger() == "PermissionError"
    crowd.node.path(RUN_DIR).chmod(0o755)
    assert stranger() == "PermissionError"
    crowd.node.path(RUN_DIR, "agent.sock").chmod(0o666)
    for _ in range(3):
        assert stranger() in ("answer b''", "ConnectionResetError", "BrokenPipeError")
    assert service.log().count("a client with uid 65534 is turned away") == 3
    before.wait(service)
    assert crowd.own(0) == set()
    is_well(crowd, 0)
