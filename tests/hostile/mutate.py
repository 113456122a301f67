"""Hostile inputs by the million: good ones, damaged in every way that readers get wrong.

The same seed gives the same inputs, so a failure can be had again.
"""

from __future__ import annotations

import copy
import json
import marshal
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

__all__ = ["Mutator", "Trees", "mixed"]

LONGEST = 1 << 16  # bytes of an input; longer ones cost time and find nothing more
EDGES = (0, 1, 2, 3, 4, 7, 8, 15, 16, 17, 31, 32, 33, 64, 127, 128, 129, 255)
INTEGERS = (*EDGES, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NUMBERS = (
    *(str(number).encode() for number in (*INTEGERS, -1, 1 << 64, -(1 << 63))),
    *(b"1e999", b"-1e999", b"NaN", b"-Infinity", b"0.5", b"1.0", b"01", b"-0", b"1e9"),
    *(b"9" * 400, b"9" * 5000, b"0x7f", b"true", b"null"),
)
DIGITS = re.compile(rb"-?\d+")
STRINGS = re.compile(rb'"[^"\\]*"')
BRACKETS = ((b"[", b"]"), (b'{"a":', b"}"), (b"- ", b""), (b"(", b")"))
WORDS = (
    *(b"\0", b"\xff", b"\xef\xbb\xbf", b"\\", b'"', b"'", b"\n", b"\r\n", b"\t", b",", b":"),
    *(b"{}", b"[]", b'""', b"\\u0000", b"\\ud800", b"\xed\xa0\x80", b"\xc0\xaf", b"../", b"/"),
    *(b"%s", b"$(x)", b"&a", b"*a", b"<<: ", b"!!x ", b"---\n", b"x" * 300, "\u202e".encode()),
)


VALUES: tuple[object, ...] = (
    *(None, True, False, 0, 1, -1, 2, 0.5, 1e300, float("inf"), float("nan")),
    *(255, 256, 65535, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, 1 << 64, 10**400),
    *("", " ", "\0", "/a\0b", "\ud800", "\udcff", "\u202e", "x" * 5000, "..", "/", "a/b", "é"),
    *(
        "eth1",
        "lo",
        "default",
        "auto",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.1/8",
        "fe80::1",
        "::",
        "1.2.3.4",
    ),
    *("00", "0", "ff" * 40, [], {}, [[]], [None], {"": None}, [1, 2, 3], "/proc/1/ns/net"),
)


class Trees:
    """Makes JSON that is whole but not as it should be; deeper than bytes get."""

    def __init__(self, rng: random.Random, corpus: Sequence[bytes]) -> None:
        self._rng = rng
        self._corpus = tuple(marshal.dumps({"": json.loads(text)}) for text in corpus)

    def next(self) -> bytes:
        """Another one."""
        rng = self._rng
        tree = marshal.loads(rng.choice(self._corpus))  # the quickest way to a deep copy
        for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
            places = list(_places(tree))
            holder, key = rng.choice(places)
            self._damage(holder, key, *rng.choice(places))
        return json.dumps(tree[""]).encode()

    def _damage(self, holder: Any, key: Any, other: Any, other_key: Any) -> None:
        """Change one place, perhaps to what stands in another one."""
        rng = self._rng
        match rng.randrange(6):
            case 0 | 1:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
            case 2:
                holder[key] = copy.deepcopy(other[other_key])
            case 3 if key != "":
                del holder[key]
            case 4 if isinstance(holder, list):
                holder[key:key] = [holder[key]] * rng.choice((1, 1, 2, 40))
            case _ if type(holder[key]) is int:
                holder[key] += rng.choice((-1, 1, 256, 1 << 32))
            case _:
                holder[key] = copy.deepcopy(rng.choice(VALUES))


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every value as the container that it is in, and its key there."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree))
    for key in list(keys):
        yield tree, key
        if isinstance(tree[key], (dict, list)):
            yield from _places(tree[key])


def mixed(
    rng: random.Random, corpus: Sequence[bytes], words: Sequence[bytes] = ()
) -> Callable[[], bytes]:
    """Inputs of both kinds in turn, for formats that are JSON."""
    damaged, wrong = Mutator(rng, corpus, words), Trees(rng, corpus)
    return lambda: rng.choice((damaged, wrong)).next()


class Mutator:
    """Makes inputs from `corpus`; `words` are pieces that the format gives a meaning to."""

    def __init__(
        self, rng: random.Random, corpus: Sequence[bytes], words: Sequence[bytes] = ()
    ) -> None:
        self._rng = rng
        self._corpus = tuple(corpus)
        self._words = (*WORDS, *words)
        self._ways: tuple[Callable[[bytearray], None], ...] = (
            self._flip,
            self._flip,
            self._edge,
            self._length,
            self._length,
            self._cut,
            self._remove,
            self._noise,
            self._word,
            self._word,
            self._repeat,
            self._splice,
            self._number,
            self._number,
            self._string,
            self._nest,
        )

    def next(self) -> bytes:
        """Another input; one in thirty is noise from end to end, one in thirty is as it was."""
        rng = self._rng
        dice = rng.randrange(60)
        if dice < 2:
            return rng.randbytes(rng.choice((0, 1, 3, 12, 16, 40, 300)))
        data = bytearray(rng.choice(self._corpus))
        if dice < 4:
            return bytes(data)
        for _ in range(rng.choice((1, 1, 1, 1, 2, 2, 3, 5, 12))):
            rng.choice(self._ways)(data)
        del data[LONGEST:]
        return bytes(data)

    # ------------------------------------------------------------ the ways

    def _place(self, data: bytearray) -> int:
        return self._rng.randrange(len(data) + 1)

    def _flip(self, data: bytearray) -> None:
        """A bit."""
        if data:
            data[self._rng.randrange(len(data))] ^= 1 << self._rng.randrange(8)

    def _edge(self, data: bytearray) -> None:
        """A byte that is at the edge of something."""
        if data:
            data[self._rng.randrange(len(data))] = self._rng.choice(EDGES)

    def _length(self, data: bytearray) -> None:
        """A binary number that may be a length and lies: 2 or 4 bytes, of either order."""
        size = self._rng.choice((2, 4))
        if len(data) < size:
            return
        place = self._rng.randrange(len(data) - size + 1)
        if self._rng.random() < 0.7:
            place &= ~3
        order: Literal["little", "big"] = self._rng.choice(("little", "big"))
        number = int.from_bytes(data[place : place + size], order)
        near = number + self._rng.choice((-8, -4, -1, 1, 4, 8, 64))
        number = self._rng.choice((near, near, len(data), *INTEGERS))
        data[place : place + size] = (number % (1 << size * 8)).to_bytes(size, order)

    def _cut(self, data: bytearray) -> None:
        """The end is missing, as after a crash; a header that is right again reaches deeper."""
        del data[self._place(data) :]
        if self._rng.random() < 0.5 and len(data) >= 4:
            data[:4] = len(data).to_bytes(4, "little")

    def _remove(self, data: bytearray) -> None:
        place = self._place(data)
        del data[place : place + self._rng.choice((1, 1, 2, 4, 8, 40))]

    def _noise(self, data: bytearray) -> None:
        place = self._place(data)
        data[place:place] = self._rng.randbytes(self._rng.choice((1, 2, 4, 8, 40)))

    def _word(self, data: bytearray) -> None:
        """A word of the format, put in or over what is there."""
        place, word = self._place(data), self._rng.choice(self._words)
        data[place : place + self._rng.choice((0, len(word)))] = word

    def _repeat(self, data: bytearray) -> None:
        """A piece again, and perhaps again and again."""
        place = self._place(data)
        piece = data[place : place + self._rng.choice((1, 4, 8, 24, 80, 400))]
        times = self._rng.choice((1, 1, 1, 2, 3, 10, 200))
        data[place:place] = (piece * times)[:LONGEST]

    def _splice(self, data: bytearray) -> None:
        """The beginning of one good input, the end of another."""
        other = self._rng.choice(self._corpus)
        data[self._place(data) :] = other[self._rng.randrange(len(other) + 1) :]

    def _number(self, data: bytearray) -> None:
        """Another number where one is written in digits."""
        self._replace(data, DIGITS, self._rng.choice(NUMBERS))

    def _string(self, data: bytearray) -> None:
        """Another value, or another of the input's strings, where a string stands."""
        strings = STRINGS.findall(data) or [b'""']
        values = (b"null", b"7", b"[]", b"{}", b"true", b'"\\u0000"', b'"\\ud800"', b'"/"', b'""')
        self._replace(data, STRINGS, self._rng.choice((*values, *strings)))

    def _replace(self, data: bytearray, what: re.Pattern[bytes], by: bytes) -> None:
        found = list(what.finditer(data))
        if found:
            start, end = self._rng.choice(found).span()
            data[start:end] = by

    def _nest(self, data: bytearray) -> None:
        """Levels, more than anybody reads."""
        opened, closed = self._rng.choice(BRACKETS)
        depth = self._rng.choice((2, 60, 300, 900, 1100, 5000))
        start = self._place(data)
        end = min(len(data), start + self._rng.choice((0, 0, 1, 40)))
        if self._rng.random() < 0.5:
            found = list(STRINGS.finditer(data)) + list(DIGITS.finditer(data))
            if found:
                start, end = self._rng.choice(found).span()
        data[start:end] = opened * depth + bytes(data[start:end]) + closed * depth
