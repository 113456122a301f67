"""Events mark the sandbox that they come from, and nothing else."""

from __future__ import annotations

import os
import socket
import threading
from collections import deque
from collections.abc import Iterator

import pytest

from cni_route.netlink.events import Event
from sync_service.watch import Watch

DEADLINE = 10.0


class FakeEars:
    """A listener that hears what the test says."""

    def __init__(self) -> None:
        self.said: deque[tuple[Event, ...]] = deque()
        self._read, self._write = socket.socketpair()
        self.closed = False

    def say(self, *events: Event) -> None:
        self.said.append(events)
        self._write.send(b".")

    def fileno(self) -> int:
        return self._read.fileno()

    def read(self) -> tuple[Event, ...]:
        self._read.recv(1)
        return self.said.popleft()

    def close(self) -> None:
        self.closed = True
        self._read.close()
        self._write.close()


class Desk:
    """A watch, and what it marked."""

    def __init__(self) -> None:
        self.ears = FakeEars()
        self.marked: list[str] = []
        self.links_changed: list[bool] = []
        self.happened = threading.Condition()
        self.watch = Watch(
            self.ears,
            event=self._hear,
            lost=lambda: self._mark("all"),
            nsid_of=lambda descriptor: self.nsids[descriptor],
        )
        self.nsids: dict[int, int] = {}

    def _hear(self, container_id: str, link_changed: bool) -> None:
        self.links_changed.append(link_changed)
        self._mark(container_id)

    def _mark(self, what: str) -> None:
        with self.happened:
            self.marked.append(what)
            self.happened.notify_all()

    def wait(self, *marked: str) -> None:
        with self.happened:
            assert self.happened.wait_for(lambda: self.marked == list(marked), DEADLINE), (
                self.marked
            )


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    stop, end = os.pipe()
    thread = threading.Thread(target=made.watch.run, args=(stop,), daemon=True)
    thread.start()
    yield made
    os.close(end)
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert made.ears.closed
    os.close(stop)


def test_an_event_marks_its_sandbox_once_however_many_came(desk: Desk) -> None:
    desk.nsids = {7: 0, 8: 1}
    assert desk.watch.learn("a", 7)
    assert desk.watch.learn("b", 8)
    desk.ears.say(Event(0, "link"), Event(0, "route"), Event(0, "address"))
    desk.wait("a")
    desk.ears.say(Event(1, "rule"))
    desk.wait("a", "b")
    assert desk.links_changed == [True, False]


def test_events_of_nobody_we_know_are_let_be(desk: Desk) -> None:
    desk.nsids = {7: 0}
    desk.watch.learn("a", 7)
    desk.ears.say(Event(5, "route"), Event(None, "link"))
    desk.ears.say(Event(0, "route"))
    desk.wait("a")


def test_lost_events_make_all_doubtful_and_one_namespaces_only_that_one(desk: Desk) -> None:
    desk.nsids = {7: 0}
    desk.watch.learn("a", 7)
    desk.ears.say(Event(0, "overrun"))
    desk.wait("a")
    desk.ears.say(Event(0, "route"), Event(None, "overrun"))
    desk.wait("a", "all")


def test_an_id_that_is_used_again_is_the_newest_sandboxs(desk: Desk) -> None:
    desk.nsids = {7: 3, 8: 3}
    desk.watch.learn("old", 7)
    desk.watch.learn("new", 8)
    desk.watch.forget("old")
    desk.watch.forget("never-known")
    desk.ears.say(Event(3, "link"))
    desk.wait("new")
    desk.watch.forget("new")
    desk.ears.say(Event(3, "link"))
    desk.nsids = {9: 4}
    desk.watch.learn("next", 9)
    desk.ears.say(Event(4, "link"))
    desk.wait("new", "next")


def test_a_namespace_without_an_id_is_said(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_: int) -> int:
        raise OSError(22, "Invalid argument")

    desk.watch._nsid_of = refuse
    assert not desk.watch.learn("a", 7)
    assert caplog.messages == ["a: its events cannot be heard, sweeps must do: Invalid argument"]
