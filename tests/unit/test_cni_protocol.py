"""The envelope of a call: variables, versions, the configuration, and how errors are told."""

from __future__ import annotations

import json

import pytest

from cni_route.cni.protocol import (
    NEWEST,
    VERSIONS,
    CniError,
    Request,
    error_answer,
    parse_arguments,
    read_request,
    version_answer,
)
from cni_route.cni.settings import Settings, lenient, strict
from tests.cases.conflists import ENVELOPE, FOREIGN, GOOD, NOT_JSON, OWN_KEYS, Wrong

ALL = ("ADD", "DEL", "CHECK", "GC", "STATUS")
ENVIRONMENT = {
    "CNI_CONTAINERID": "c1",
    "CNI_NETNS": "/run/netns/c1",
    "CNI_IFNAME": "eth0",
}
SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}


def read(verb: str, stdin: bytes = json.dumps(GOOD).encode(), /, **variables: str) -> Request:
    """Read a call; a variable '-' is one that is not there."""
    environment = {"CNI_COMMAND": verb, **ENVIRONMENT, **variables}
    return read_request({n: v for n, v in environment.items() if v != "-"}, stdin)


def refused(verb: str, stdin: bytes = json.dumps(GOOD).encode(), /, **variables: str) -> CniError:
    """The error that a call gets."""
    with pytest.raises(CniError) as raised:
        read(verb, stdin, **variables)
    return raised.value


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("verb", ALL)
def test_every_verb_in_every_version(verb: str, version: str) -> None:
    stdin = json.dumps({**GOOD, "cniVersion": version}).encode()
    since = SINCE.get(verb, "0.1.0")
    if VERSIONS.index(version) >= VERSIONS.index(since):
        request = read(verb, stdin, CNI_ARGS="K8S_POD_NAME=web")
        assert (request.verb, request.name, request.ifname) == (verb, "net", "eth0")
        assert request.version == version or verb == "DEL"
        assert request.arguments == {"K8S_POD_NAME": "web"}
        return
    error = refused(verb, stdin)
    assert error.code == 1
    assert error.message == (
        f"cniVersion: config version {version} does not allow {verb}; it needs {since}"
    )


@pytest.mark.parametrize("verb", ALL)
@pytest.mark.parametrize("wrong", NOT_JSON, ids=lambda wrong: wrong.sentence[:60])
def test_standard_input_that_is_no_object(verb: str, wrong: Wrong) -> None:
    error = refused(verb, wrong.text)
    assert (error.code, error.message) == (wrong.code, wrong.sentence)


@pytest.mark.parametrize("wrong", ENVELOPE, ids=lambda wrong: wrong.sentence[:60])
def test_a_wrong_envelope(wrong: Wrong) -> None:
    for verb in ("ADD", "CHECK", "GC", "STATUS"):
        error = refused(verb, wrong.text)
        assert (error.code, error.message) == (wrong.code, wrong.sentence)
    assert read("DEL", wrong.text).container_id == "c1"


@pytest.mark.parametrize("wrong", OWN_KEYS, ids=lambda wrong: wrong.sentence[:60])
def test_wrong_own_keys(wrong: Wrong) -> None:
    config = json.loads(wrong.text)
    with pytest.raises(CniError) as raised:
        strict(config)
    assert (raised.value.code, raised.value.message) == (wrong.code, wrong.sentence)
    assert isinstance(lenient(config), Settings)


def test_the_tables_are_long_enough() -> None:
    assert len(NOT_JSON + ENVELOPE + OWN_KEYS) > 40


def test_own_keys_and_their_defaults() -> None:
    plain = strict({**GOOD, **FOREIGN})
    assert plain == Settings(
        "/run/cni-route/agent.sock", False, 2.0, (), "/var/log/cni-route/plugin.log"
    )
    given = strict(
        {
            "socket": " /run/x ",
            "failurePolicy": "Fail",
            "timeoutMs": 1e3,
            "logFile": "",
            "routes": [{"dst": "default", "dev": "eth1", "via": "auto"}],
        }
    )
    assert given._replace(rules=()) == Settings("/run/x", True, 1.0, (), "")
    assert [(str(r.dst), r.dev, r.via) for r in given.rules] == [("0.0.0.0/0", "eth1", "auto")]


@pytest.mark.parametrize("key", ["socket", "failurePolicy", "timeoutMs", "routes", "logFile"])
def test_null_is_as_good_as_absent(key: str) -> None:
    assert strict({key: None}) == Settings()


@pytest.mark.parametrize(
    ("verb", "missing", "sentence"),
    [
        ("ADD", ("CNI_NETNS",), "ADD needs CNI_NETNS: is missing"),
        (
            "ADD",
            ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
            "ADD needs CNI_CONTAINERID, CNI_NETNS, CNI_IFNAME: are missing",
        ),
        ("CHECK", ("CNI_NETNS", "CNI_IFNAME"), "CHECK needs CNI_NETNS, CNI_IFNAME: are missing"),
        (
            "DEL",
            ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
            "DEL needs CNI_CONTAINERID, CNI_IFNAME: are missing",
        ),
    ],
)
def test_all_missing_variables_are_named_at_once(
    verb: str, missing: tuple[str, ...], sentence: str
) -> None:
    for nothing in ("-", ""):
        error = refused(verb, **dict.fromkeys(missing, nothing))
        assert (error.code, error.message) == (4, sentence)


@pytest.mark.parametrize("verb", ["GC", "STATUS", "VERSION"])
def test_verbs_without_a_container(verb: str) -> None:
    read(verb, **dict.fromkeys(ENVIRONMENT, "-"))


def test_del_needs_no_namespace() -> None:
    assert read("DEL", CNI_NETNS="").netns == ""
    assert read("DEL", CNI_NETNS="-").netns == ""


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        ("", "CNI_COMMAND is missing"),
        ("UPDATE", "CNI_COMMAND: 'UPDATE' is not one of ADD, DEL, CHECK, GC, STATUS, VERSION"),
        ("add", "CNI_COMMAND: 'add' is not one of ADD, DEL, CHECK, GC, STATUS, VERSION"),
    ],
)
def test_no_verb(verb: str, sentence: str) -> None:
    error = refused(verb)
    assert (error.code, error.message) == (4, sentence)


@pytest.mark.parametrize("value", ["a/b", "../c", "-a", ".a", "a b", "a\n", "ä", "a;b"])
@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK"])
def test_no_container_id(verb: str, value: str) -> None:
    error = refused(verb, CNI_CONTAINERID=value)
    assert error.code == 4
    assert error.message == (
        f"CNI_CONTAINERID: {value!r} is not a container id; "
        "it has letters, digits, '_', '.' and '-', a letter or digit first"
    )


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("a" * 16, "is longer than 15 bytes"),
        ("ä" * 8, "is longer than 15 bytes"),
        (".", "is not an interface's name"),
        ("..", "is not an interface's name"),
        ("a/b", "has a '/', a ':' or a blank in it"),
        ("a:1", "has a '/', a ':' or a blank in it"),
        ("a b", "has a '/', a ':' or a blank in it"),
        ("a\t", "has a '/', a ':' or a blank in it"),
    ],
)
@pytest.mark.parametrize("verb", ["ADD", "DEL", "CHECK"])
def test_no_interface_name(verb: str, value: str, why: str) -> None:
    error = refused(verb, CNI_IFNAME=value)
    assert (error.code, error.message) == (4, f"CNI_IFNAME: {value!r} {why}")


def test_variables_are_judged_before_standard_input() -> None:
    assert refused("ADD", b"{", CNI_IFNAME="").code == 4


def test_a_configuration_without_a_version_is_of_the_first() -> None:
    for config in ({"name": "net"}, {"name": "net", "cniVersion": ""}):
        assert read("ADD", json.dumps(config).encode()).version == "0.1.0"


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ("A=1;B=2;", {"A": "1", "B": "2"}),
        ("IgnoreUnknown=true;A=x;IgnoreUnknown=1;A=y", {"IgnoreUnknown": "1", "A": "y"}),
        ("A=1=2; B = 3 ;C;;=", {"A": "1=2", "B": "3", "": ""}),
    ],
)
def test_arguments(text: str, arguments: dict[str, str]) -> None:
    assert parse_arguments(text) == arguments


@pytest.mark.parametrize("stdin", [b"", b"null", b"{", b"[1]", b"{}", b'{"cniVersion": "9"}'])
def test_version_whatever_stands_there(stdin: bytes) -> None:
    answer = version_answer(stdin)
    spoken = NEWEST if stdin != b"{}" else "0.1.0"
    body = {"cniVersion": spoken, "supportedVersions": list(VERSIONS)}
    assert (answer.exit_code, json.loads(answer.stdout)) == (0, body)


@pytest.mark.parametrize("version", VERSIONS)
def test_version_in_the_version_of_the_request(version: str) -> None:
    answer = version_answer(json.dumps({"cniVersion": version}).encode())
    assert json.loads(answer.stdout)["cniVersion"] == version


def test_an_error_is_a_json_object() -> None:
    answer = error_answer(CniError(7, "routes: 'ä' is wrong", "why"), "0.4.0")
    assert answer.exit_code == 1
    assert json.loads(answer.stdout) == {
        "cniVersion": "0.4.0",
        "code": 7,
        "msg": "routes: 'ä' is wrong",
        "details": "why",
    }
    assert "details" not in json.loads(error_answer(CniError(7, "x"), "0.4.0").stdout)
