"""Random calls: whatever comes, an answer by CNI's rules, and nothing raised."""

from __future__ import annotations

import json
import random
from typing import Any

from cni_route.cni.protocol import VERSIONS, CniError, Code, decode
from tests.cni.site import RESULT, Site
from tests.kernel.namespaces import needs_root

pytestmark = needs_root

CODES = {value for name, value in vars(Code).items() if name.isupper()}
VERBS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "UPDATE", "")
KEYS = (
    "cniVersion",
    "name",
    "prevResult",
    "socket",
    "failurePolicy",
    "timeoutMs",
    "routes",
    "logFile",
    "cni.dev/valid-attachments",
    "cni.dev/attachments",
    "runtimeConfig",
    "route",
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**20,
    "",
    "net",
    "../net",
    "Fail",
    "Ignore",
    "fail",
    "/run/x",
    "1.0.0",
    "1.1.0",
    "\ud800",
    [],
    {},
    [None, 5, {}],
    [{"containerID": "pod1", "ifname": "eth0"}],
    [{"dst": "10.0.0.0/8", "dev": "eth1"}],
    [{"dst": "10.0.0.1/8", "dev": ["eth1"]}],
    RESULT,
    {"ips": [{"gateway": 5}], "routes": 5, "interfaces": [None], "ip4": []},
)


def config(rng: random.Random) -> dict[str, Any]:
    """A configuration with a few values out of place."""
    made: dict[str, Any] = {"cniVersion": rng.choice(VERSIONS), "name": "net", "prevResult": RESULT}
    for _ in range(rng.randrange(4)):
        made[rng.choice(KEYS)] = rng.choice(VALUES)
    return {**made, "logFile": ""}


def stdin(rng: random.Random) -> bytes:
    """A configuration as text, now and then damaged."""
    text = bytearray(json.dumps(config(rng)).encode())
    if rng.random() < 0.2:
        place = rng.randrange(len(text))
        text[place : place + rng.randrange(9)] = rng.randbytes(rng.randrange(4))
    return bytes(text)


def environment(rng: random.Random) -> dict[str, str]:
    """Variables, now and then damaged or missing."""
    made = {"CNI_ARGS": rng.choice(("", ";;=", "K8S_POD_NAME=a;K8S_POD_NAME", "\udcff=\udcff"))}
    if rng.random() < 0.3:
        names = ("CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS")
        made[rng.choice(names)] = rng.choice(
            ("-", "", "..", "a/b", "x" * 300, "ä", "\udcff", "a\n")
        )
    return made


def test_every_call_has_an_answer(site: Site, rng: random.Random) -> None:
    succeeded = failed = 0
    for _ in range(3000):
        verb, text, variables = rng.choice(VERBS), stdin(rng), environment(rng)
        answer = site.call(verb, text, rng.choice((-1, None, None)), **variables)
        what = (verb, text, variables, answer)
        if answer.exit_code:
            failed += 1
            error = json.loads(answer.stdout)
            assert set(error) == {"cniVersion", "code", "msg"}, what
            assert error["code"] in CODES - {Code.INTERNAL}, what
            assert error["msg"], what
            continue
        succeeded += 1
        if verb == "ADD":
            given = json.loads(text).get("prevResult")
            printed = json.loads(answer.stdout)
            assert printed.pop("cniVersion"), what
            assert printed == {"dns": {}} if given is None else printed.items() <= given.items(), (
                what
            )
        else:
            assert (answer.stdout != b"") == (verb == "VERSION"), what
        assert verb in ("DEL", "VERSION") or is_object(text), what
    assert succeeded > 300
    assert failed > 300


def test_del_fails_only_for_what_it_cannot_read(site: Site, rng: random.Random) -> None:
    for _ in range(1000):
        text, variables = stdin(rng), environment(rng)
        answer = site.call("DEL", text, **variables)
        if is_object(text) and not {"CNI_CONTAINERID", "CNI_IFNAME"} & set(variables):
            assert answer == (0, b""), (text, variables)


def is_object(text: bytes) -> bool:
    """Whether standard input is a JSON object."""
    try:
        decode(text)
    except CniError:
        return False
    return True
