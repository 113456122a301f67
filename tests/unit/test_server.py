"""The socket: who may ask, what is answered, and that nobody can hold up anybody else."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.cni import frame
from cni_route.cni.frame import CALL, QUERY, Answer, Request
from sync_service.rundir import RunDir, RunDirError
from sync_service.server import Pool, Server
from sync_service.threads import Crew, Stop

DEADLINE = 10.0


class Serving:
    """A server whose CNI calls echo their standard input; a query "wait" waits for `go_on`."""

    def __init__(self, folder: Path, timeout: float = 5.0) -> None:
        self.timeout = timeout
        self.run_dir = RunDir(str(folder / "run"))
        self.go_on = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.descriptors: list[int] = []
        self.died: list[str] = []
        self.stop = Stop()
        self.crew = Crew(self.died.append)
        self.calls = Pool(self.call, lambda: self.timeout)
        self.queries = Pool(self.query, lambda: self.timeout)
        self.server = Server(self.calls, self.queries, lambda: self.timeout)
        self.run_dir.hold()
        self.listening = self.run_dir.listen()

    def call(self, request: Request, descriptor: int) -> Answer:
        if descriptor >= 0:
            self.descriptors.append(os.fstat(descriptor).st_ino)
        if request.body == b"wait":
            self.waiting.release()
            self.go_on.wait(DEADLINE)
        return Answer(3, request.environment.get("A", "").encode() + request.body)

    def query(self, request: Request, _: int) -> Answer:
        if request.body == b'"wait"':
            self.waiting.release()
            self.go_on.wait(DEADLINE)
        return Answer(0, b'{"said": %s}' % request.body)

    def start(self, workers: int = 2) -> None:
        for number in range(workers):
            self.crew.start(f"call-{number}", self.calls.work)
            self.crew.start(f"query-{number}", self.queries.work)
        self.crew.start("server", lambda: self.server.run(self.listening, self.stop.fileno()))

    def end(self) -> None:
        self.go_on.set()
        self.crew.stop()
        self.stop.set()
        self.calls.stop()
        self.queries.stop()
        assert self.crew.join(DEADLINE) == []
        self.run_dir.release()
        assert self.died == []

    @property
    def path(self) -> str:
        return self.run_dir.socket_path

    def ask(
        self, kind: int, body: bytes, seconds: float = DEADLINE, descriptor: int = -1
    ) -> Answer:
        environment = {"A": "b "} if kind == CALL else {}
        return frame.exchange(self.path, Request(kind, environment, body), seconds, descriptor)

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.settimeout(DEADLINE)
        made.connect(self.path)
        return made


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Serving]:
    made = Serving(tmp_path)
    made.start()
    yield made
    made.end()


def test_calls_and_queries_are_answered(serving: Serving) -> None:
    assert serving.ask(CALL, b"{}") == Answer(3, b"b {}")
    assert serving.ask(QUERY, b'"x"') == Answer(0, b'{"said": "x"}')
    assert serving.ask(CALL, b"x" * 1_000_000).stdout == b"b " + b"x" * 1_000_000


def test_a_descriptor_arrives_and_is_closed(serving: Serving, tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with open(tmp_path / "x", "w") as file:
        for _ in range(20):
            serving.ask(CALL, b"", descriptor=file.fileno())
        inode = os.fstat(file.fileno()).st_ino
    assert serving.descriptors == [inode] * 20
    wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)


def test_stuck_and_slow_clients_hold_up_nobody(serving: Serving) -> None:
    whole = frame.encode_request(Request(CALL, {}, b"slow"))
    stuck = [serving.connect() for _ in range(100)]
    for number, client in enumerate(stuck):
        client.send(whole[: number % len(whole)])  # from nothing at all to nearly everything
    began = time.monotonic()
    for _ in range(20):
        assert serving.ask(CALL, b"").exit_code == 3
    assert time.monotonic() - began < 3
    client = stuck[len(whole) - 1]
    client.send(whole[-1:])
    assert frame.receive_answer(client, time.monotonic() + DEADLINE).stdout == b"slow"
    for client in stuck:
        client.close()


def test_a_client_that_never_says_anything_is_given_up(tmp_path: Path) -> None:
    serving = Serving(tmp_path, timeout=0.1)
    serving.start()
    with serving.connect() as silent, serving.connect() as dripping:
        dripping.send(b"\x01")
        assert silent.recv(1) == b""
        assert dripping.recv(1) == b""
    serving.end()


def test_a_flood_of_clients_pushes_out_the_oldest_not_the_newest(serving: Serving) -> None:
    clients = [serving.connect() for _ in range(300)]
    assert serving.ask(CALL, b"").exit_code == 3
    assert clients[0].recv(1) == b""
    for client in clients:
        client.close()


def test_queries_that_take_long_do_not_hold_up_calls_nor_the_reverse(serving: Serving) -> None:
    threads = [threading.Thread(target=serving.ask, args=(QUERY, b'"wait"')) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert serving.waiting.acquire(timeout=DEADLINE)
    assert serving.ask(CALL, b"").exit_code == 3
    serving.go_on.set()
    for thread in threads:
        thread.join(DEADLINE)
    serving.go_on.clear()
    threads = [threading.Thread(target=serving.ask, args=(CALL, b"wait")) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert serving.waiting.acquire(timeout=DEADLINE)
    assert serving.ask(QUERY, b'"x"').exit_code == 0
    serving.go_on.set()
    for thread in threads:
        thread.join(DEADLINE)


def test_more_than_can_wait_is_sent_away_without_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync_service.server._WAITING", 1)
    serving = Serving(tmp_path)
    serving.start(workers=1)
    busy = threading.Thread(target=serving.ask, args=(CALL, b"wait"))
    busy.start()
    assert serving.waiting.acquire(timeout=DEADLINE)
    queued = serving.connect()
    queued.sendall(frame.encode_request(Request(CALL, {}, b"")))

    def ask_thrice() -> None:
        for _ in range(3):
            serving.ask(CALL, b"{}")

    with pytest.raises((frame.FrameError, ConnectionError)):
        ask_thrice()
    serving.go_on.set()
    busy.join(DEADLINE)
    assert frame.receive_answer(queued, time.monotonic() + DEADLINE).exit_code == 3
    queued.close()
    serving.end()


@pytest.mark.parametrize(
    "junk",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x02" + b"\0" * 20,
        b"\x01\x07" + b"\0" * 10,
        b"\x01\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x01\x01\0\0\0\0\0\x03\0\0\0\0abc",
        os.urandom(4096),
    ],
)
def test_junk_ends_its_own_connection_only(serving: Serving, junk: bytes) -> None:
    with serving.connect() as client:
        client.sendall(junk)
        try:
            assert client.recv(1) == b""
        except ConnectionResetError:
            pass  # closed before all of it was read
    assert serving.ask(CALL, b"").exit_code == 3


def test_a_client_that_leaves_early_hurts_nobody(serving: Serving) -> None:
    for size in (0, 5, None):
        with serving.connect() as client:
            client.send(frame.encode_request(Request(CALL, {}, b"x"))[:size])
    assert serving.ask(CALL, b"").exit_code == 3


def test_other_users_are_turned_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    serving = Serving(tmp_path)
    strangers = (os.geteuid() + 1,)  # to such a server we are the stranger
    serving.server = Server(serving.calls, serving.queries, lambda: 5.0, strangers)
    serving.start()
    with serving.connect() as client:
        assert client.recv(1) == b""
    assert caplog.messages == [f"a client with uid {os.geteuid()} is turned away"]
    serving.end()


# ---------------------------------------------------------------- the run directory


def test_the_directory_and_the_socket_are_ours_alone(serving: Serving) -> None:
    assert os.stat(serving.run_dir.path).st_mode & 0o777 == 0o700
    assert os.stat(serving.path).st_mode & 0o777 == 0o600
    assert sorted(os.listdir(serving.run_dir.path)) == ["agent.lock", "agent.sock"]


def test_a_directory_that_was_open_to_others_is_closed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o777)
    os.chmod(tmp_path / "run", 0o777)
    run_dir = RunDir(str(tmp_path / "run"))
    run_dir.hold()
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700
    run_dir.release()


def test_a_second_service_is_refused_until_the_first_one_is_gone(tmp_path: Path) -> None:
    first, second = RunDir(str(tmp_path)), RunDir(str(tmp_path))
    first.hold()
    with pytest.raises(RunDirError) as caught:
        second.hold()
    assert str(caught.value) == (
        f"{tmp_path}: another cni-route service (process {os.getpid()}) works on it; stop that"
        " one, or choose another run directory (--run-dir)"
    )
    first.release()
    second.hold()
    second.release()


def test_the_stale_socket_of_a_killed_predecessor_is_replaced(tmp_path: Path) -> None:
    for name in ("agent.sock", "agent.new"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left:
            left.bind(str(tmp_path / name))
    run_dir = RunDir(str(tmp_path))
    run_dir.hold()
    with run_dir.listen(), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(run_dir.socket_path)
    run_dir.withdraw()
    run_dir.withdraw()
    assert os.listdir(tmp_path) == ["agent.lock"]
    run_dir.release()


@pytest.mark.parametrize("way", ["long", "file", "foreign"])
def test_a_directory_that_cannot_be_used_is_said_in_a_sentence(tmp_path: Path, way: str) -> None:
    path = tmp_path / "run"
    if way == "long":
        path = tmp_path / ("x" * 100)
    elif way == "file":
        path.write_text("")
    elif os.geteuid() == 0:
        path.mkdir()
        os.chown(path, 65534, 65534)
    else:
        pytest.skip("giving a folder away takes root")
    with pytest.raises(RunDirError) as caught:
        RunDir(str(path)).hold()
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ")
    assert "choose another run directory (--run-dir)" in sentence
    assert "\n" not in sentence


# ---------------------------------------------------------------- threads


def test_a_thread_that_dies_tells_why() -> None:
    died: list[str] = []
    crew = Crew(died.append)

    def fail() -> None:
        raise KeyboardInterrupt("in a thread")  # any BaseException counts

    crew.start("x", fail)
    crew.start("y", lambda: None)
    assert crew.join(DEADLINE) == []
    assert sorted(died) == ["the thread x died: KeyboardInterrupt: in a thread",
                            "the thread y came to its end"]  # fmt: skip


def test_threads_may_end_after_stop_and_those_that_do_not_are_named() -> None:
    died: list[str] = []
    crew, end = Crew(died.append), threading.Event()
    crew.start("stubborn", lambda: end.wait(DEADLINE) and None)
    crew.stop()
    assert crew.join(0.01) == ["stubborn"]
    end.set()
    assert crew.join(DEADLINE) == []
    assert died == []


def wait_for(condition: object) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.001)
