"""Whatever bytes come by the socket, on either side of it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.cni import settings, verbs
from cni_route.cni.frame import CALL, QUERY, Answer, Request, encode_answer, encode_request
from tests.cni.site import ARGUMENTS, GOOD, RESULT, Site
from tests.hostile import conversation
from tests.hostile.guard import survive
from tests.hostile.mutate import Mutator, Trees
from tests.kernel.namespaces import bare, needs_root

pytestmark = needs_root

VERBS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")
ENVIRONMENT = {
    "CNI_CONTAINERID": "pod1",
    "CNI_NETNS": "/netns",
    "CNI_IFNAME": "eth0",
    "CNI_ARGS": ARGUMENTS,
}
ROUTE = {"dst": "10.0.0.0/8", "dev": "eth1", "via": "10.124.2.1"}
VALID = [{"containerID": "pod1", "ifname": "eth0"}]
CONFIG = {**GOOD, "prevResult": RESULT, "routes": [ROUTE], "cni.dev/valid-attachments": VALID}
QUERIES = ({"query": "pods"}, {"query": "routes"}, {"query": "show", "pod": "web"})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A pod; whatever log file a request names, nothing is written there."""
    monkeypatch.setattr(settings, "DEFAULT_LOG", "")
    monkeypatch.setattr(verbs, "append", lambda _path, _line: None)
    with bare() as namespace:
        yield Site(tmp_path, namespace)


@pytest.fixture
def count(soak: bool) -> int:
    """How many inputs each side gets."""
    return 200_000 if soak else 20_000


def test_no_request_stops_the_service(site: Site, rng: random.Random, count: int) -> None:
    calls = [call(verb, json.dumps(CONFIG).encode()) for verb in VERBS]
    asked = [encode_request(Request(QUERY, {}, json.dumps(query).encode())) for query in QUERIES]
    whole = Mutator(rng, calls + asked, [b"CNI_COMMAND=ADD\0", b"\x01\x01\0\0", b"\x01\x02\0\0"])
    bodies = Trees(rng, [json.dumps(CONFIG).encode()])
    text = Mutator(rng, [json.dumps(CONFIG).encode(), *(json.dumps(q).encode() for q in QUERIES)])
    variables = Mutator(rng, [value.encode() for value in ENVIRONMENT.values()], [b"=", b";"])

    def next_input() -> bytes:
        """Damaged as a whole, or sound outside and damaged within."""
        dice = rng.randrange(5)
        if dice < 2:
            return whole.next()
        if dice == 2:
            return encode_request(Request(QUERY, {}, text.next()))
        if dice == 3:
            return call(rng.choice(VERBS), rng.choice((bodies, text)).next())
        odd = variables.next().replace(b"\0", b"")[:5000].decode("utf-8", "surrogateescape")
        changed = {rng.choice((*ENVIRONMENT, "CNI_COMMAND")): odd}
        return call(rng.choice(VERBS), json.dumps(CONFIG).encode(), **changed)

    tally = survive(lambda: conversation.requests(site, rng), next_input, count)
    assert tally.taken > count // 20
    assert tally.refused > count // 20


def call(verb: str, stdin: bytes, **changed: str) -> bytes:
    """A CNI call's request."""
    environment = {"CNI_COMMAND": verb, **ENVIRONMENT, **changed}
    return encode_request(Request(CALL, environment, stdin))


def test_no_answer_stops_the_plugin_or_the_command(rng: random.Random, count: int) -> None:
    said = [b"", b'{"dns": {}}', json.dumps(RESULT).encode(), b'{"items": []}']
    corpus = [encode_answer(Answer(code, stdout)) for code in (0, 1) for stdout in said]
    tally = survive(conversation.answers, Mutator(rng, corpus, [b"\x01\0\0\0"]).next, count)
    assert tally.taken > count // 20
    assert tally.refused > count // 20
