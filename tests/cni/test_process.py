"""The executables as processes, with a service that answers, or answers badly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from cni_route.cni import client
from cni_route.cni.frame import CALL, MAX_ANSWER, MAX_BODY, MAX_ENVIRONMENT, Answer, Request
from cni_route.cni.protocol import VERSIONS
from tests.cni.programs import ARGUMENTS, GOOD, Programs
from tests.cni.site import RESULT, Site
from tests.kernel.namespaces import bare, needs_root
from tests.unit.pods import rule, view_of

pytestmark = needs_root

SAID = {"cniVersion": "1.1.0", "said": "by the service"}
VERBS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def says(_request: Request, _descriptor: int) -> Answer:
    """A service that answers anything with SAID."""
    return Answer(0, json.dumps(SAID).encode())


def test_the_request_is_handed_over_as_it_came(programs: Programs) -> None:
    stdin = b'{"cniVersion": "1.1.0",\n "x": "\xff\x00 not even JSON'
    with bare() as namespace:
        seen: list[int] = []

        def reply(_request: Request, descriptor: int) -> Answer:
            seen.append(os.fstat(descriptor).st_ino)
            return Answer(3, b'{"a": 1}')

        path = f"/proc/{os.getpid()}/fd/{namespace.descriptor}"
        with programs.service(reply) as requests:
            done = programs.run(
                "CHECK", stdin, CNI_NETNS=path, CNI_ODD="a=b\udcff", TRACEPARENT="x"
            )
        assert (done.returncode, done.stdout, done.stderr) == (3, b'{"a": 1}', b"")
        assert seen == [namespace.inode]
    environment = {
        "CNI_COMMAND": "CHECK",
        "CNI_CONTAINERID": "pod1",
        "CNI_NETNS": path,
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": ARGUMENTS,
        "CNI_PATH": str(programs.folder),
        "CNI_ODD": "a=b\udcff",
    }
    assert requests == [Request(CALL, environment, stdin)]


@pytest.mark.parametrize("path", ["-", "", "/run/netns/none-such"])
def test_a_namespace_that_cannot_be_opened_is_left_to_the_service(
    programs: Programs, path: str
) -> None:
    seen: list[int] = []
    with programs.service(lambda _, descriptor: seen.append(descriptor) or Answer(0)):  # type: ignore[func-returns-value]
        assert programs.result("ADD", CNI_NETNS=path) is None
    assert seen == [-1]


def test_the_hosts_network_passes_before_the_service_is_asked(programs: Programs) -> None:
    with programs.service(says) as requests:
        result = programs.result("ADD", {"prevResult": RESULT}, CNI_NETNS="/proc/self/ns/net")
    assert (result, requests) == (RESULT, [])


def test_large_input_and_a_large_answer(programs: Programs) -> None:
    """As large as the bounds allow, and a byte more."""
    body = b"{" + b" " * (MAX_ANSWER - 2) + b"}"
    stdin = b'{"a": "%b"}'
    with programs.service(lambda *_: Answer(0, body)) as requests:
        done = programs.run("STATUS", stdin % (b"x" * (MAX_BODY - 9)))
        assert (done.returncode, done.stdout == body) == (0, True)
        assert len(requests[0].body) == MAX_BODY
        found = programs.error("STATUS", stdin % (b"x" * (MAX_BODY - 8)))
        assert found == (6, "standard input is over the bound of 4194304 bytes")
        assert len(requests) == 1
        many = {f"CNI_X{n}": "x" * 8000 for n in range(MAX_ENVIRONMENT // 8000 + 1)}
        assert programs.result("STATUS", **many) is None
        assert len(requests) == 1


@pytest.mark.parametrize("key", ["socket", "\\u0073ocket"])
def test_another_socket(programs: Programs, tmp_path: Path, key: str) -> None:
    text = json.dumps(
        {**GOOD, "KEY": f" {programs.socket} ", "timeoutMs": 20_000, "x": {"socket": "/else"}}
    )
    elsewhere = Programs(tmp_path)
    shutil.copytree(programs.folder, elsewhere.folder, dirs_exist_ok=True)
    shutil.rmtree(programs.run_dir)
    programs.run_dir.mkdir()
    with programs.service(says):
        assert elsewhere.result("ADD", text.replace("KEY", key).encode()) == SAID


# ---------------------------------------------------------------- the service's verbs


@pytest.mark.parametrize("version", VERSIONS)
def test_every_verb_through_a_service(programs: Programs, site: Site, version: str) -> None:
    """The whole way: process, socket, descriptor, verbs; the routes in the fake kernel."""
    site.view = view_of(rule("172.16.0.0/16"))
    path = f"/proc/{os.getpid()}/fd/{site.namespace.descriptor}"

    def reply(request: Request, descriptor: int) -> Answer:
        environment = request.environment
        return site.call(environment["CNI_COMMAND"], request.body, descriptor, **environment)

    stdin = {"cniVersion": version, "prevResult": {**RESULT, "cniVersion": version}}
    with programs.service(reply):
        for verb in VERBS:
            since = SINCE.get(verb, VERSIONS[0])
            if VERSIONS.index(version) < VERSIONS.index(since):
                code, _ = programs.error(verb, stdin, CNI_NETNS=path)
                assert code == 1
                continue
            answer = programs.result(verb, stdin, CNI_NETNS=path)
            if verb == "ADD":
                assert answer == stdin["prevResult"]
                assert site.pod.routes(114) == ["172.16.0.0/16 dev eth1 proto 114"]
                assert site.sandboxes.ids() == ["pod1"]
            elif verb == "VERSION":
                assert answer["cniVersion"] == version
            else:
                assert answer is None
            if verb == "DEL":
                assert site.sandboxes.ids() == []


# ---------------------------------------------------------------- a service that fails

BAD_ANSWERS = {
    "nothing": b"",
    "half a header": b"\x01\0\0",
    "another version": b"\x02\0\0\0\0\0\0\0",
    "not zero": b"\x01\0\1\0\0\0\0\0",
    "over the bound": b"\x01\0\0\0" + (MAX_ANSWER + 1).to_bytes(4, "big") + b"{",
    "a huge length": b"\x01\0\0\0\xff\xff\xff\xff",
    "half a body": b"\x01\0\0\0\0\0\0\x09{}",
    "no object": b"\x01\0\0\0\0\0\0\x04oops",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
def test_a_bad_answer_is_none(programs: Programs, data: bytes) -> None:
    """DEL tries once; ADD until the answer is good."""
    answers = [data, data]

    def reply(*_: object) -> Answer | bytes:
        return answers.pop() if answers else says(*_)  # type: ignore[arg-type]

    with programs.service(reply) as requests:
        assert programs.result("DEL") is None
        assert len(requests) == 1
        assert programs.result("ADD") == SAID
        assert len(requests) == 3


@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK", "GC", "STATUS"])
def test_a_service_that_never_answers(programs: Programs, verb: str) -> None:
    with bare() as namespace, programs.service(lambda *_: None) as requests:
        path = f"/proc/{os.getpid()}/fd/{namespace.descriptor}"
        began = time.monotonic()
        result = programs.result(verb, {"timeoutMs": 150, "prevResult": RESULT}, CNI_NETNS=path)
        assert time.monotonic() - began < 5
        assert result == (RESULT if verb == "ADD" else None)
        assert len(requests) == 1


def test_del_waits_no_longer_than_100_ms(programs: Programs) -> None:
    """Whatever timeoutMs says: it would run into this test's time limit."""
    with programs.service(lambda *_: None):
        began = time.monotonic()
        assert programs.result("DEL", {"timeoutMs": 240_000}) is None
        assert time.monotonic() - began < 5
    assert client.DEL_TIMEOUT == 100


def test_del_and_the_others_do_not_wait_for_a_service(programs: Programs) -> None:
    began = time.monotonic()
    for verb in ("DEL", "GC", "STATUS", "VERSION"):
        programs.result(verb, {"timeoutMs": 240_000})
    assert time.monotonic() - began < 10


def test_add_waits_for_a_service_to_come(programs: Programs) -> None:
    """The socket appears while the plugin is trying."""
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c",
        "CNI_IFNAME": "e",
        "CNI_NETNS": "/x",
    }
    process = subprocess.Popen(
        [programs.folder / "cni-route"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps({**GOOD, "timeoutMs": 20_000}).encode())
    process.stdin.close()
    wait_until_it_sleeps(process.pid)
    with programs.service(says), process:
        assert process.stdout is not None
        assert json.loads(process.stdout.read()) == SAID
    assert process.returncode == 0


def wait_until_it_sleeps(pid: int) -> None:
    """Until the process has read its input and waits in a receive (wait in client.py)."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        sockets = [n for n in os.listdir(f"/proc/{pid}/fd") if "socket:" in link(pid, n)]
        if sockets:
            return
    raise AssertionError("the plugin never tried")


def link(pid: int, number: str) -> str:
    """What a descriptor of a process stands for; nothing once it is closed."""
    try:
        return os.readlink(f"/proc/{pid}/fd/{number}")
    except FileNotFoundError:
        return ""


def test_add_gives_up_after_its_time(programs: Programs) -> None:
    with bare() as namespace:
        path = f"/proc/{os.getpid()}/fd/{namespace.descriptor}"
        began = time.monotonic()
        stdin = {"timeoutMs": 300, "prevResult": RESULT}
        assert programs.result("ADD", stdin, CNI_NETNS=path) == RESULT
        assert 0.25 < time.monotonic() - began < 10


# ---------------------------------------------------------------- nobody left


@pytest.fixture
def broken(programs: Programs, tmp_path: Path) -> Programs:
    """An installation whose cni-route-alone is half written."""
    made = Programs(tmp_path)
    shutil.copytree(programs.folder, made.folder, dirs_exist_ok=True)
    alone = made.folder / "cni-route-alone"
    alone.write_bytes(alone.read_bytes()[:-1000])
    return made


@pytest.mark.parametrize("missing", [False, True])
def test_without_cni_route_alone_failure_policy_decides(broken: Programs, missing: bool) -> None:
    if missing:
        (broken.folder / "cni-route-alone").unlink()
    nobody = (11, "the service does not answer, and cni-route-alone cannot be used")
    assert broken.result("ADD", {"prevResult": RESULT}) == RESULT
    assert broken.result("ADD") == {"cniVersion": "1.1.0", "dns": {}}
    assert broken.result("ADD", {"cniVersion": "", "prevResult": {}}) == {
        "cniVersion": "0.1.0",
        "dns": {},
    }
    assert broken.error("ADD", {"failurePolicy": "Fail"}) == nobody
    assert broken.error("CHECK") == nobody
    assert broken.result("DEL") is None
    assert broken.result("DEL", {"failurePolicy": "Fail"}) is None
    for text in (b"", b"{", b"[]", b"\xff", b"[" * 100_000):
        assert broken.error("DEL", text) == (6, "standard input is not a JSON object")
    # a key of ours counts in a text that is no JSON, too; else this would take two seconds
    found = broken.error("ADD", b'{"timeoutMs": 1')
    assert found == (6, "standard input is not a JSON object")


def test_a_mistake_is_told_as_an_error(programs: Programs, tmp_path: Path) -> None:
    text = (programs.folder / "cni-route").read_text()
    wrong = tmp_path / "cni-route"
    start = text.index("CODE = ")
    wrong.write_text(
        text[:start].replace('data = b""\n', "data = int('\"x')\n", 1) + "exec(TEXT)\n"
    )
    wrong.chmod(0o755)
    done = subprocess.run(
        [wrong], env={"CNI_COMMAND": "ADD"}, input=b"{}", capture_output=True, check=False
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["code"] == 999
    assert "ValueError" in json.loads(done.stdout)["msg"]
