"""Frames over sockets: descriptors, deadlines, peers that do as they like."""

from __future__ import annotations

import os
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from cni_route.cni.frame import (
    CALL,
    QUERY,
    Answer,
    FrameError,
    Request,
    RequestReader,
    ask,
    decode_request,
    encode_answer,
    encode_request,
    exchange,
    peer_uid,
    receive_answer,
    receive_request,
    send,
)

SOON = 10.0  # seconds: a deadline that no sound run reaches
CALLED = Request(CALL, {"CNI_COMMAND": "ADD"}, b"{}")
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def pipes() -> Iterator[list[int]]:
    """Four descriptors to give away."""
    found = [*os.pipe(), *os.pipe()]
    yield found
    for descriptor in found:
        os.close(descriptor)


def later(seconds: float = SOON) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def count_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd"))


def test_a_request_brings_its_descriptor(pair: Pair, pipes: list[int]) -> None:
    ours, theirs = pair
    send(ours, encode_request(CALLED), later(), pipes[:1])
    request, descriptor = receive_request(theirs, later())
    try:
        assert request == CALLED
        assert os.path.sameopenfile(descriptor, pipes[0])
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_a_request_needs_no_descriptor(pair: Pair) -> None:
    send(pair[0], encode_request(CALLED), later())
    assert receive_request(pair[1], later()) == (CALLED, -1)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_more_than_one_descriptor_is_refused_and_closed(
    pair: Pair, pipes: list[int], count: int
) -> None:
    before = count_descriptors()
    send(pair[0], encode_request(CALLED), later(), pipes[:count])
    with pytest.raises(FrameError, match="more than one descriptor"):
        receive_request(pair[1], later())
    assert count_descriptors() == before


def test_a_second_descriptor_later_is_refused_and_both_are_closed(
    pair: Pair, pipes: list[int]
) -> None:
    ours, theirs = pair
    before = count_descriptors()
    data = encode_request(CALLED)
    send(ours, data[:5], later(), pipes[:1])
    send(ours, data[5:], later(), pipes[1:2])
    with pytest.raises(FrameError, match="more than one descriptor"):
        receive_request(theirs, later())
    assert count_descriptors() == before


def test_a_descriptor_with_a_query_or_an_answer_is_refused_and_closed(
    pair: Pair, pipes: list[int]
) -> None:
    ours, theirs = pair
    before = count_descriptors()
    send(ours, encode_request(Request(QUERY, {}, b"{}")), later(), pipes[:1])
    with pytest.raises(FrameError, match="a descriptor came with a query"):
        receive_request(theirs, later())
    send(theirs, encode_answer(Answer(0)), later(), pipes[:1])
    with pytest.raises(FrameError, match="a descriptor came with an answer"):
        receive_answer(ours, later())
    assert count_descriptors() == before


def test_a_descriptor_of_a_broken_request_is_closed(pair: Pair, pipes: list[int]) -> None:
    ours, theirs = pair
    before = count_descriptors()
    send(ours, encode_request(CALLED)[:-1], later(), pipes[:1])
    ours.shutdown(socket.SHUT_WR)
    with pytest.raises(FrameError, match="closed the connection too early"):
        receive_request(theirs, later())
    assert count_descriptors() == before


def test_pieces_of_any_size_are_put_together(pair: Pair) -> None:
    """One byte at a time, by a reader that never waits."""
    ours, theirs = pair
    theirs.setblocking(False)
    reader = RequestReader()
    data = encode_request(CALLED)
    for byte in data[:-1]:
        ours.send(bytes([byte]))
        assert not reader.read(theirs)
        with pytest.raises(BlockingIOError):
            reader.read(theirs)
    ours.send(data[-1:])
    assert reader.read(theirs)
    assert reader.take() == (CALLED, -1)


def test_the_reader_takes_no_more_than_the_request(pair: Pair) -> None:
    ours, theirs = pair
    send(ours, encode_request(CALLED) + b"more", later())
    assert receive_request(theirs, later())[0] == CALLED
    assert theirs.recv(9) == b"more"


@pytest.mark.parametrize("sent", [0, 1, 11, 12, 20])
def test_a_silent_peer_is_waited_for_until_the_deadline(pair: Pair, sent: int) -> None:
    ours, theirs = pair
    send(ours, encode_request(CALLED)[:sent], later())
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        receive_request(theirs, later(0.05))
    assert 0.04 < time.monotonic() - began < SOON


def test_a_peer_that_drips_does_not_move_the_deadline(pair: Pair) -> None:
    ours, theirs = pair
    stop = threading.Event()

    def drip() -> None:
        for byte in encode_request(Request(CALL, {}, b"x" * 5000)):
            if stop.wait(0.01):
                return
            ours.send(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(TimeoutError):
            receive_request(theirs, later(0.2))
    finally:
        stop.set()
        thread.join()


def test_a_peer_that_does_not_read_is_given_up(pair: Pair) -> None:
    with pytest.raises(TimeoutError):
        send(pair[0], b"x" * (8 << 20), later(0.05))


def test_the_peer_is_known(pair: Pair) -> None:
    assert peer_uid(pair[0]) == os.getuid()


def test_asking_a_service(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "s")
    with pytest.raises(FileNotFoundError):
        ask(path, {"query": "pods"}, SOON)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        with pytest.raises(ConnectionRefusedError):
            ask(path, {"query": "pods"}, SOON)
        listener.listen()
        answers = [Answer(0, b'{"items": [1]}'), Answer(0, b"{"), None]

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    request, _ = receive_request(connection, later())
                    assert request == Request(QUERY, {}, b'{"query": "pods"}')
                    if answer is not None:
                        send(connection, encode_answer(answer), later())

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask(path, {"query": "pods"}, SOON) == {"items": [1]}
        with pytest.raises(FrameError, match="not JSON"):
            ask(path, {"query": "pods"}, SOON)
        with pytest.raises(FrameError, match="too early"):
            ask(path, {"query": "pods"}, SOON)
        thread.join()
        with pytest.raises(TimeoutError):
            exchange(path, CALLED, 0.05)


def test_hostile_peers_leave_nothing_open(rng: random.Random, pipes: list[int]) -> None:
    """2,000 connections of noise, with any number of descriptors at any place."""
    data = encode_request(CALLED)
    before = count_descriptors()
    whole = 0
    for _ in range(2000):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            bad = bytearray(data)
            if rng.random() < 0.7:
                bad[rng.randrange(len(bad))] = rng.randrange(256)
            cut = rng.randrange(len(bad))
            for piece in filter(None, (bytes(bad[:cut]), bytes(bad[cut:]))):
                send(ours, piece, later(), pipes[: rng.choice((0, 0, 1, 2, 4))])
            ours.shutdown(socket.SHUT_WR)
            try:
                request, descriptor = receive_request(theirs, later())
            except FrameError:
                continue
            whole += 1
            assert decode_request(encode_request(request)) == request
            if descriptor >= 0:
                os.close(descriptor)
    assert count_descriptors() == before
    assert 50 < whole < 1950
