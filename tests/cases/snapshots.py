"""Snapshots that the plugin alone cannot use, and the sentence for each.

NOW is the time at which they are read; PATH stands for the file's.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from cni_route import view

NOW = 1_800_000_000.0
EMPTY: dict[str, Any] = {"version": 1, "written": NOW, "view": view.to_json(view.EMPTY)}


class WrongSnapshot(NamedTuple):
    """One case: the file's bytes, or what differs from EMPTY."""

    content: bytes | dict[str, Any]
    sentence: str

    @property
    def data(self) -> bytes:
        """The file."""
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps({**EMPTY, **self.content}).encode()


def without(key: str) -> bytes:
    """EMPTY but for one key."""
    return json.dumps({k: v for k, v in EMPTY.items() if k != key}).encode()


def body(**changes: object) -> dict[str, Any]:
    """A view that differs from the empty one."""
    return {"view": {**EMPTY["view"], **changes}}


WRONG_SNAPSHOTS = [
    WrongSnapshot(
        b"", "its snapshot PATH cannot be used: Expecting value: line 1 column 1 (char 0)"
    ),
    WrongSnapshot(
        b'{"version": 1, "wri',
        "its snapshot PATH cannot be used: "
        "Unterminated string starting at: line 1 column 16 (char 15)",
    ),
    WrongSnapshot(
        b"\xff\xfe\xfd",
        "its snapshot PATH cannot be used: 'utf-8' codec can't decode byte 0xff in position 0: "
        "invalid start byte",
    ),
    WrongSnapshot(b"[" * 100_000, "its snapshot PATH cannot be used: it is nested too deeply"),
    WrongSnapshot(b"[]", "its snapshot PATH cannot be used: version: is missing"),
    WrongSnapshot(b"null", "its snapshot PATH cannot be used: version: is missing"),
    WrongSnapshot(without("version"), "its snapshot PATH cannot be used: version: is missing"),
    WrongSnapshot({"version": 2}, "its snapshot PATH cannot be used: version: 2 is not 1"),
    WrongSnapshot({"version": "1"}, "its snapshot PATH cannot be used: version: '1' is not 1"),
    WrongSnapshot(without("written"), "its snapshot PATH cannot be used: written: is missing"),
    WrongSnapshot(
        {"written": "now"}, "its snapshot PATH cannot be used: written: 'now' is not a time"
    ),
    WrongSnapshot(
        {"written": True}, "its snapshot PATH cannot be used: written: True is not a time"
    ),
    WrongSnapshot(
        b'{"version": 1, "written": NaN}',
        "its snapshot PATH cannot be used: written: nan is not a time",
    ),
    WrongSnapshot(
        b'{"version": 1, "written": -Infinity}',
        "its snapshot PATH cannot be used: written: -inf is not a time",
    ),
    WrongSnapshot(
        {"written": 10**400},
        f"its snapshot PATH cannot be used: written: 1{'0' * 56}... is not a time",
    ),
    WrongSnapshot({"written": NOW - 86_401}, "its snapshot PATH is 24 hours old"),
    WrongSnapshot({"written": NOW - 40 * 3600}, "its snapshot PATH is 40 hours old"),
    WrongSnapshot({"written": 0}, "its snapshot PATH is 500000 hours old"),
    WrongSnapshot(without("view"), "its snapshot PATH cannot be used: view: is missing"),
    WrongSnapshot({"view": []}, "its snapshot PATH cannot be used: version: is missing"),
    WrongSnapshot(
        body(version=9),
        "its snapshot PATH cannot be used: version: 9 is not one that is read here (1)",
    ),
    WrongSnapshot(body(services=5), "its snapshot PATH cannot be used: services: 5 is not a list"),
    WrongSnapshot(
        body(services=[["default", "web", ["10.0.0.300"], ""]]),
        "its snapshot PATH cannot be used: services[0][2][0]: '10.0.0.300' is not an IP address",
    ),
    WrongSnapshot(
        {"protocol": 0},
        "its snapshot PATH cannot be used: protocol: 0 is not a number from 1 to 255",
    ),
    WrongSnapshot(
        {"backupProtocol": "115"},
        "its snapshot PATH cannot be used: backupProtocol: '115' is not a number from 1 to 255",
    ),
]
