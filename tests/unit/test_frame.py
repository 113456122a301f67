"""The frames as bytes: what goes in comes out, and nothing else gets through."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cni_route.cni import client
from cni_route.cni.frame import (
    CALL,
    MAX_ANSWER,
    MAX_BODY,
    MAX_ENVIRONMENT,
    QUERY,
    VERSION,
    Answer,
    FrameError,
    Request,
    answer_missing,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
    request_missing,
)

DOCUMENT = Path(__file__).parents[2] / "docs" / "socket.md"
ENVIRONMENT = {
    "CNI_COMMAND": "CHECK",
    "CNI_CONTAINERID": "c1",
    "CNI_IFNAME": "eth0",
    "CNI_NETNS": "/run/netns/a",
}
REQUESTS = [
    Request(CALL, {}, b""),
    Request(CALL, {"CNI_COMMAND": "VERSION"}, b""),
    Request(CALL, {"CNI_ARGS": "A=1;B=2=3", "CNI_PATH": ""}, b'{"name": "a"}\0\xff'),
    Request(CALL, {"CNI_NETNS": "/run/n\udcff"}, b"x" * MAX_BODY),
    Request(CALL, {"CNI_ARGS": "x" * (MAX_ENVIRONMENT - 10)}, b""),
    Request(QUERY, {}, b'{"query": "pods"}'),
]
ANSWERS = [Answer(0), Answer(1, b"{}"), Answer(255, b"x" * MAX_ANSWER)]


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
def test_a_request_comes_through(request_: Request) -> None:
    data = encode_request(request_)
    assert decode_request(data) == request_
    assert request_missing(data) == 0


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_an_answer_comes_through(answer: Answer) -> None:
    data = encode_answer(answer)
    assert decode_answer(data) == answer
    assert answer_missing(data) == 0


def test_every_beginning_says_how_much_is_missing() -> None:
    """Never more than there is to come: a reader that asks for it cannot wait for ever."""
    request = encode_request(Request(CALL, ENVIRONMENT, b"{}"))
    answer = encode_answer(Answer(1, b'{"code": 7}'))
    for data, missing in ((request, request_missing), (answer, answer_missing)):
        for end in range(len(data)):
            assert 0 < missing(data[:end]) <= len(data) - end
    for end in range(len(request)):
        with pytest.raises(FrameError, match="cut short"):
            decode_request(request[:end])
    for end in range(len(answer)):
        with pytest.raises(FrameError, match="cut short"):
            decode_answer(answer[:end])


def header(version: int, kind: int, zeros: int, environment: int, body: int) -> bytes:
    """The first bytes of a request."""
    numbers = ((version, 1), (kind, 1), (zeros, 2), (environment, 4), (body, 4))
    return b"".join(number.to_bytes(size, "big") for number, size in numbers)


BAD_REQUESTS = [
    (header(2, CALL, 0, 0, 0), "this speaks version 1 of the protocol, the peer 2"),
    (b"\x00", "this speaks version 1 of the protocol, the peer 0"),
    (b"GET / HTTP/1.1\r\n\r\n", "this speaks version 1 of the protocol, the peer 71"),
    (header(1, 0, 0, 0, 0), "there is no request of kind 0"),
    (header(1, 3, 0, 0, 0), "there is no request of kind 3"),
    (header(1, CALL, 1, 0, 0), "bytes 2 and 3 of a request must be 0"),
    (header(1, CALL, 0, MAX_ENVIRONMENT + 1, 0), "an environment of 65537 bytes is over the bound"),
    (header(1, QUERY, 0, 1, 0), "an environment of 1 bytes is over the bound"),
    (header(1, CALL, 0, 0, MAX_BODY + 1), "a body of 4194305 bytes is over the bound of 4194304"),
    (
        header(1, QUERY, 0, 0, 0xFFFFFFFF),
        "a body of 4294967295 bytes is over the bound of 4194304",
    ),
    (header(1, CALL, 0, 0, 0) + b"x", "1 bytes follow the request"),
    (header(1, CALL, 0, 3, 0) + b"A=1", "the environment does not end with a NUL"),
    (header(1, CALL, 0, 2, 0) + b"A\0", "a variable is not NAME=VALUE"),
    (header(1, CALL, 0, 3, 0) + b"=1\0", "a variable is not NAME=VALUE"),
    (header(1, CALL, 0, 5, 0) + b"A=1\0\0", "a variable is not NAME=VALUE"),
    (header(1, CALL, 0, 1, 0) + b"\0", "a variable is not NAME=VALUE"),
]


@pytest.mark.parametrize(("data", "sentence"), BAD_REQUESTS)
def test_a_bad_request_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(FrameError) as raised:
        decode_request(data)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\x02\0\0\0\0\0\0\0", "this speaks version 1 of the protocol, the peer 2"),
        (b"\x01\0\0\1\0\0\0\0", "bytes 2 and 3 of an answer must be 0"),
        (b"\x01\0\0\0\0\x80\0\1", "an answer of 8388609 bytes is over the bound of 8388608"),
        (b"\x01\0\0\0\0\0\0\0{}", "2 bytes follow the answer"),
    ],
)
def test_a_bad_answer_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(FrameError) as raised:
        decode_answer(data)
    assert str(raised.value) == sentence


@pytest.mark.parametrize(
    "request_",
    [
        Request(CALL, {"A": "x" * MAX_ENVIRONMENT}, b""),
        Request(CALL, {}, b"x" * (MAX_BODY + 1)),
        Request(CALL, {"A=B": "1"}, b""),
        Request(CALL, {"": "1"}, b""),
        Request(CALL, {"A": "1\0B=2"}, b""),
        Request(QUERY, {"A": "1"}, b""),
        Request(7, {}, b""),
    ],
    ids=range(7),
)
def test_what_cannot_be_sent_is_not_encoded(request_: Request) -> None:
    with pytest.raises(FrameError):
        encode_request(request_)


def test_an_answer_over_the_bound_is_not_encoded() -> None:
    with pytest.raises(FrameError, match="8388609"):
        encode_answer(Answer(0, b"x" * (MAX_ANSWER + 1)))


def test_of_a_name_given_twice_the_first_counts() -> None:
    data = header(1, CALL, 0, 8, 0) + b"A=1\0A=2\0"
    assert decode_request(data).environment == {"A": "1"}


def test_hostile_bytes_are_read_or_refused(rng: random.Random) -> None:
    """Whole frames with bytes changed, cut, doubled; and noise. What is read reads back."""
    seeds = [encode_request(r) for r in (*REQUESTS[:3], REQUESTS[5])]
    seeds += [encode_answer(a) for a in ANSWERS[:2]]
    read = refused = 0
    both: list[tuple[Callable[[bytes], Any], Callable[[Any], bytes]]] = [
        (decode_request, encode_request),
        (decode_answer, encode_answer),
    ]
    for _ in range(4000):
        data = mutated(bytearray(rng.choice(seeds)), rng)
        for decode, encode in both:
            try:
                found = decode(data)
            except FrameError:
                refused += 1
                continue
            read += 1
            assert decode(encode(found)) == found
    assert read > 100
    assert refused > 1000


def mutated(data: bytearray, rng: random.Random) -> bytes:
    """The data after a few accidents."""
    for _ in range(rng.randrange(4)):
        place = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[place:]
            case 2:
                data[place:place] = rng.randbytes(rng.randrange(9))
            case 3:
                data[place:place] = data
            case _:
                data = bytearray(rng.randbytes(rng.randrange(40)))
    return bytes(data)


def test_the_document_shows_the_bytes() -> None:
    """docs/socket.md is the protocol for whoever writes another peer: its dumps are true."""
    request, answer, query, reply = dumps(DOCUMENT.read_text())
    assert request == encode_request(
        Request(CALL, ENVIRONMENT, b'{"cniVersion":"0.3.1","name":"net"}')
    )
    assert decode_answer(answer).exit_code == 1
    assert decode_answer(answer).stdout.startswith(b'{"cniVersion": "0.3.1", "code": 1, "msg": "')
    assert query == encode_request(Request(QUERY, {}, b'{"query": "pods"}'))
    assert reply == encode_answer(Answer(0, b'{"items": []}'))


def dumps(text: str) -> list[bytes]:
    """The hex dumps of a document, each begun anew at offset 0."""
    found: list[bytearray] = []
    for offset, digits, shown in re.findall(
        r"^ {4}([0-9a-f]{4}) {2}((?:[0-9a-f]{2} ?)+) *(.*)$", text, re.MULTILINE
    ):
        if offset == "0000":
            found.append(bytearray())
        data = bytes.fromhex(digits)
        assert int(offset, 16) == len(found[-1])
        written = "".join(chr(b) if 32 <= b < 127 else "." for b in data)
        assert shown.rstrip() == written.rstrip()
        found[-1] += data
    return [bytes(data) for data in found]


def test_the_fast_path_has_the_same_numbers() -> None:
    assert (client.VERSION, client.CALL) == (VERSION, CALL)
    bounds = (client.MAX_ENVIRONMENT, client.MAX_STDIN, client.MAX_ANSWER)
    assert bounds == (MAX_ENVIRONMENT, MAX_BODY, MAX_ANSWER)
