"""What the fast path reads of a configuration without json: never anything else than json would."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cni_route.cni import client
from cni_route.cni.settings import DEFAULT_SOCKET, DEFAULT_TIMEOUT, strict

DEFAULTS = (DEFAULT_SOCKET, DEFAULT_TIMEOUT)


def own(stdin: bytes) -> tuple[str, int]:
    """`own_keys`, its path as text."""
    path, timeout = client.own_keys(stdin)
    return path.decode() if isinstance(path, bytes) else path, timeout


def test_the_defaults_are_the_settings() -> None:
    assert (client.SOCKET, client.TIMEOUT) == DEFAULTS


@pytest.mark.parametrize(
    ("stdin", "found"),
    [
        (b"", DEFAULTS),
        (b"{", DEFAULTS),
        (b'"socket"', DEFAULTS),
        (b'{"socket"', DEFAULTS),
        (b'{"socket":', DEFAULTS),
        (b'{"socket":"', ("/run/cni-route/agent.sock", 2000)),
        (b'{"socket": "/s"}', ("/s", 2000)),
        (b'{"socket":"/s","timeoutMs":5}', ("/s", 5)),
        (b'{ "timeoutMs" : 5 , "socket"\n:\t" /s " }', ("/s", 5)),
        (b'{"timeoutMs": 0, "a": 1}', DEFAULTS),
        (b'{"timeoutMs": 240000}', (DEFAULT_SOCKET, 240_000)),
        (b'{"timeoutMs": 240001}', DEFAULTS),
        (b'{"timeoutMs": 99999999999}', DEFAULTS),
        (b'{"timeoutMs": -5}', DEFAULTS),
        (b'{"timeoutMs": "5"}', DEFAULTS),
        (b'{"timeoutMs": 5.5}', DEFAULTS),
        (b'{"timeoutMs": null}', DEFAULTS),
        (b'{"timeoutMs": true}', DEFAULTS),
        (b'{"timeoutMs": [5]}', DEFAULTS),
        (b'{"socket": 5}', DEFAULTS),
        (b'{"socket": null, "x": "/s"}', DEFAULTS),
        (b'{"socket": {"x": "/s"}}', DEFAULTS),
        (b'{"socket": ["/s"]}', DEFAULTS),
        (b'{"socket": "s"}', DEFAULTS),
        (b'{"socket": ""}', DEFAULTS),
        (b'{"socketPath": "/s"}', DEFAULTS),
        (b'{"type": "socket", "x": "/s"}', DEFAULTS),
        (b'{"a": {"socket": "/s", "timeoutMs": 1}}', DEFAULTS),
        (b'{"a": [{"socket": "/s"}], "socket": "/t"}', ("/t", 2000)),
        (b'{"a": "}{[", "socket": "/t", "b": "]}"}', ("/t", 2000)),
        (b'[{"socket": "/s"}]', DEFAULTS),
        (b'{"socket": "/s", "socket": "/t"}', ("/t", 2000)),
        (b'{"timeoutMs": 5, "timeoutMs": 6}', (DEFAULT_SOCKET, 6)),
        (b'{"a": "x\\"", "socket": "/t"}', ("/t", 2000)),
        (b'{"\\u0073ocket": "/t", "timeout\\u004ds": 6}', ("/t", 6)),
        (b'{"a": "\\\\", "socket": "/t"}', ("/t", 2000)),
        (b'["\\u0041"]', DEFAULTS),
        (b'{"a": "\\u0041"', DEFAULTS),
        ("{'socket': \"/ä\"}".replace("'", '"').encode(), ("/ä", 2000)),
    ],
)
def test_own_keys(stdin: bytes, found: tuple[str, int]) -> None:
    assert own(stdin) == found


def document(rng: random.Random, escapes: bool, depth: int = 0) -> Any:
    """Random JSON in which our keys and what could be mistaken for them abound."""
    names: tuple[str, ...] = ("socket", "timeoutMs", "a", "x{", "socketPath", "", "ä")
    values: tuple[str, ...] = ("/run/s", "socket", "timeoutMs", "}", "{", "[", ":", "5", "ä")
    if escapes:
        names += ('"', "\\", "\n")
        values += ('q"', "\\u0073ocket")
    kind = rng.randrange(9 if depth < 3 else 6)
    if depth == 0 or kind >= 7:
        return {
            rng.choice(names): document(rng, escapes, depth + 1) for _ in range(rng.randrange(6))
        }
    if kind == 6:
        return [document(rng, escapes, depth + 1) for _ in range(rng.randrange(4))]
    if kind < 3:
        return rng.choice(values)
    return rng.choice((5, 250_000, 0, -1, 1.5, 10**12, None, True))


def test_random_documents_are_read_as_json_reads_them(rng: random.Random) -> None:
    fast = 0
    for _ in range(5000):
        text = json.dumps(
            document(rng, escapes=rng.random() < 0.5),
            ensure_ascii=rng.random() < 0.5,
            indent=rng.choice((None, None, 2)),
            separators=rng.choice((None, (",", ":"), (" , ", " : "))),
        ).encode()
        fast += b"\\" not in text and (b'"socket"' in text or b'"timeoutMs"' in text)
        assert own(text) == by_json(text), text
    assert fast > 500


def by_json(text: bytes) -> tuple[str, int]:
    """The same by the obvious way."""
    config = json.loads(text)
    path, timeout = config.get("socket"), config.get("timeoutMs")
    usable = isinstance(timeout, int) and not isinstance(timeout, bool) and 0 < timeout <= 240_000
    return (
        path.strip() if isinstance(path, str) and path.strip().startswith("/") else DEFAULT_SOCKET,
        timeout if usable else DEFAULT_TIMEOUT,
    )


def test_what_the_settings_accept_is_what_the_client_uses() -> None:
    for keys in ({}, {"socket": "/s"}, {"timeoutMs": 1}, {"timeoutMs": 240_000, "socket": " /t "}):
        settings = strict(keys)
        assert own(json.dumps(keys).encode()) == (settings.socket, settings.timeout_seconds * 1000)
