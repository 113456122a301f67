"""Checked reading of untrusted mappings: values, or sentences about what is wrong with them.

A reader is a function of one value; it returns what the value means, or raises Wrong with the
rest of a sentence that begins with the value's path. Whatever the value is, nothing else escapes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from cni_route.model import Problem

__all__ = [
    "MAX_ITEMS",
    "Reader",
    "Report",
    "Wrong",
    "boolean",
    "describe",
    "did_you_mean",
    "entries",
    "integer",
    "join",
    "mapping",
    "one_of",
    "quote",
    "read_mapping",
    "text",
    "unknown_key",
    "way_out",
]

MAX_ITEMS = 4096  # entries of one list; the CRD's schema has the same bound
_SHOWN = 64  # characters of a value that an error repeats
_STOPPED = " (until then no rule of this Route applies)"

Reader = Callable[[object], Any]


class Wrong(ValueError):
    """A value that cannot be used; the text says why, and the way out."""


class Report:
    """Collects the problems of one document, in the order in which they are found.

    `stopped` is set once something is wrong that decides for whom the rules are (a filter, say):
    then none of them may apply, because a Route must never reach more pods than was meant.
    """

    __slots__ = ("document", "problems", "source", "stopped")

    def __init__(self, source: str, document: int | None = None) -> None:
        self.source = source
        self.document = document
        self.problems: list[Problem] = []
        self.stopped = False

    def add(self, path: str, message: str) -> None:
        """Note what is wrong at `path`."""
        self.problems.append(Problem(self.source, path, message, self.document))

    def stop(self, path: str, message: str) -> None:
        """Note what is wrong at `path`, and that it keeps all rules from applying."""
        self.stopped = True
        self.add(path, message + _STOPPED)

    def stop_for(self, other: Report) -> None:
        """Take over the problems of a part that decides for whom the rules are."""
        for problem in other.problems:
            self.stop(problem.path, problem.message)


def join(path: str, key: str) -> str:
    """The path of `key` in the mapping at `path`; an odd key is quoted."""
    if not key.isprintable() or len(key) > _SHOWN:
        key = quote(key)
    return f"{path}.{key}" if path else key


def quote(value: str) -> str:
    """A string as errors show it: quoted, escaped where it cannot be printed, and not too long."""
    return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 3] + "...")


def describe(value: object) -> str:
    """A value in plain words: "the number 5", "a list"."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to print integers of more than some thousand digits.
        return f"the number {value}" if -(10**30) < value < 10**30 else "a huge number"
    if isinstance(value, float):
        return f"the number {value!r}"
    if isinstance(value, str):
        return f"the string {quote(value)}"
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, (list, tuple)) else f"a {type(value).__name__}"


def text(value: object) -> str:
    """A string, the blanks around it trimmed."""
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise Wrong(f"{quote(value)} holds half a character; write it as text")
        return value.strip()
    fix = "; put it in quotes" if isinstance(value, (bool, int, float)) else ""
    raise Wrong(f"must be a string, not {describe(value)}{fix}")


def boolean(value: object) -> bool:
    """True or false; nothing that only looks like it."""
    if isinstance(value, bool):
        return value
    raise Wrong(f"must be true or false, not {describe(value)}")


def integer(value: object, low: int, high: int) -> int:
    """A whole number from `low` to `high`; 1e3 is one, as for Kubernetes, true and "1" are not."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        fix = ""
        if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
            fix = "; take the quotes away"
        raise Wrong(f"must be a whole number, not {describe(value)}{fix}")
    if not low <= value <= high:
        raise Wrong(
            f"must be from {low} to {high}, not {describe(value).removeprefix('the number ')}"
        )
    return value


def mapping(value: object) -> dict[object, object]:
    """A mapping; its keys are still to be judged."""
    if isinstance(value, dict):
        return value
    raise Wrong(f"must be a mapping, not {describe(value)}")


def entries(value: object, path: str, report: Report, most: int | None = MAX_ITEMS) -> list[object]:
    """A list (null: an empty one), cut at `most`; what is wrong goes into `report`."""
    if value is None:
        return []
    if not isinstance(value, list):
        report.add(path, f"must be a list, not {describe(value)}; write it as [...]")
        return []
    if most is not None and len(value) > most:
        report.add(path, f"has {len(value)} entries; only {most} are read: split the list")
    return value[:most]


def one_of(value: object, choices: Sequence[str], what: str) -> str:
    """One of a few words, as they are written."""
    word = text(value)
    if word in choices:
        return word
    raise Wrong(f"{quote(word)} is not {what}; {way_out(word, choices)}")


def read_mapping(
    data: Mapping[object, object], path: str, readers: Mapping[str, Reader], report: Report
) -> dict[str, Any]:
    """Read each value of `data` by its key's reader, in the document's order.

    Missing, null and wrong values are not in the result; unknown keys are problems.
    """
    values: dict[str, Any] = {}
    for key, value in data.items():
        reader = readers.get(key)  # type: ignore[call-overload]  # whatever the key is
        if reader is None:
            report.add(path, unknown_key(key, readers))
        elif value is not None:
            try:
                values[key] = reader(value)  # type: ignore[index]  # in readers: a string
            except Wrong as error:
                report.add(join(path, key), str(error))  # type: ignore[arg-type]
    return values


def unknown_key(key: object, known: Iterable[str]) -> str:
    """The sentence about a key that nothing reads."""
    if not isinstance(key, str):
        return f"has {describe(key)} as a key; keys are strings"
    return f"unknown key {quote(key)}; {way_out(key, tuple(known))}"


def way_out(word: str, choices: Sequence[str]) -> str:
    """What to write in place of `word`: the choice that is near, or all of them."""
    near = did_you_mean(word, choices)
    return f"did you mean {near}?" if near else f"known: {', '.join(choices)}"


# What people call these words elsewhere: route-override, netplan, nmstate, ip route.
_ELSEWHERE = {
    "destination": "dst",
    "route": "dst",
    "to": "dst",
    "gateway": "via",
    "gw": "via",
    "nexthop": "via",
    "device": "dev",
    "interface": "dev",
    "labels": "selector",
    "nic": "dev",
    "notexists": "DoesNotExist",
    "service": "svc",
    "routes": "route",
    "services": "svc",
    "filters": "filter",
}


def did_you_mean(word: str, choices: Sequence[str]) -> str | None:
    """The choice that `word` was probably meant to be, if one is near."""
    if len(word) > _SHOWN:
        return None
    low = word.lower()
    near = [(_distance(low, choice.lower()), choice) for choice in choices]
    best = min(near, default=(_SHOWN, ""))
    if best[0] <= (2 if len(word) > 5 else 1):
        return best[1]
    usual = _ELSEWHERE.get(low)
    return usual if usual in choices else None


def _distance(a: str, b: str) -> int:
    """Edits from `a` to `b`; two letters that changed places are one (optimal alignment)."""
    if abs(len(a) - len(b)) > 2:
        return _SHOWN
    before: list[int] = []
    above: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        before, above, row = above, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
    return row[-1]
