"""What CNI lays down: versions, variables, the configuration's envelope, errors.

After the CNI specification 1.1. "K" marks what is taken from its reference code instead
(pkg/skel and pkg/utils), because runtimes are used to that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from cni_route.cni.frame import Answer
from cni_route.document_fields import describe, quote

__all__ = [
    "NEWEST",
    "VERSIONS",
    "CniError",
    "Code",
    "Request",
    "decode",
    "error_answer",
    "read_request",
    "spoken_version",
    "version_answer",
]

VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
NEWEST = VERSIONS[-1]
VERBS = ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION")

_SINCE = {"CHECK": "0.4.0", "GC": "1.1.0", "STATUS": "1.1.0"}
_NEEDED = {
    "ADD": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "CHECK": ("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"),
    "DEL": ("CNI_CONTAINERID", "CNI_IFNAME"),
}
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_WORD = _LETTERS | frozenset("_.-")
_MAX_IFNAME = 15  # bytes: IFNAMSIZ - 1


class Code:
    """Codes of errors: CNI's own (specification 1.1, section 5), and from 100 ours."""

    VERSION = 1  # the cniVersion is not one of ours, or too old for the verb
    ENVIRONMENT = 4  # a variable is missing or wrong
    IO = 5
    DECODE = 6  # standard input is not the JSON that it should be
    CONFIG = 7  # the configuration cannot be used
    NETNS = 8  # CNI_NETNS is no pod's network namespace
    LATER = 11  # try again later
    NOT_READY = 50  # STATUS: an ADD would fail now
    INTERNAL = 999  # a mistake of ours
    ROUTE = 100  # a rule failed: the kernel or a rule of ours refused its route
    PASS = 101  # the pod's routes could not be read or written at all
    RECORD = 102  # the sandbox's record could not be written
    GONE = 103  # CHECK: a route that was there is gone


class CniError(Exception):
    """An error as CNI reports it: its code, a sentence, and what may help beside it."""

    def __init__(self, code: int, message: str, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details


class Request(NamedTuple):
    """A call whose envelope is in order; what the verb does not need may be empty."""

    verb: str
    version: str  # cniVersion: one of VERSIONS
    name: str  # of the network; '' only for DEL and VERSION
    config: Mapping[str, object]
    container_id: str = ""
    netns: str = ""  # path
    ifname: str = ""
    arguments: Mapping[str, str] = {}  # CNI_ARGS


# ---------------------------------------------------------------- answers


def error_answer(error: CniError, version: str) -> Answer:
    """An error's JSON; like a result it goes to standard output."""
    body = {"cniVersion": version, "code": error.code, "msg": error.message}
    if error.details:
        body["details"] = error.details
    return Answer(1, json.dumps(body).encode())


def version_answer(stdin: bytes) -> Answer:
    """VERSION: needs no configuration, and whatever stands there instead does not matter (K)."""
    spoken = spoken_version(stdin)
    version = spoken if spoken in VERSIONS else NEWEST
    body = {"cniVersion": version, "supportedVersions": list(VERSIONS)}
    return Answer(0, json.dumps(body).encode())


def spoken_version(stdin: bytes) -> str:
    """The cniVersion to put into an error's answer, whatever standard input is."""
    try:
        return _version(decode(stdin))
    except CniError:
        return NEWEST


# ---------------------------------------------------------------- requests


def read_request(environment: Mapping[str, str], stdin: bytes) -> Request:
    """Check a call's envelope; CniError. The entry's own keys are not looked at.

    DEL accepts every configuration that is JSON: one that fails keeps the plugins before it from
    being called, and the pod terminating for ever.
    """
    verb = environment.get("CNI_COMMAND", "")
    _check_environment(verb, environment)
    if verb == "VERSION":
        return Request(verb, NEWEST, "", {})
    config = decode(stdin)
    version = NEWEST
    if verb != "DEL":
        version = _version(config)
        _check_version(verb, version)
    return Request(
        verb,
        version,
        _name(config, verb),
        config,
        environment.get("CNI_CONTAINERID", ""),
        environment.get("CNI_NETNS", ""),
        environment.get("CNI_IFNAME", ""),
        parse_arguments(environment.get("CNI_ARGS", "")),
    )


def decode(stdin: bytes) -> dict[str, object]:
    """Standard input's JSON object; CniError with code 6 for anything else."""
    if not stdin.strip():
        raise CniError(Code.DECODE, "standard input is empty; it must be the configuration's JSON")
    try:
        data = json.loads(stdin.decode(), parse_float=_finite, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise CniError(
            Code.DECODE, f"standard input is not UTF-8 (byte {error.start}), so it is not JSON"
        ) from None
    except RecursionError:
        raise CniError(Code.DECODE, "standard input is nested too deeply to be read") from None
    except json.JSONDecodeError as error:
        raise CniError(Code.DECODE, f"standard input is not JSON: {error}") from None
    except ValueError:  # int() has a bound on digits
        raise CniError(Code.DECODE, "standard input has a number that is too long") from None
    if not isinstance(data, dict):
        raise CniError(Code.DECODE, f"standard input is {describe(data)}; it must be a JSON object")
    return data


def parse_arguments(text: str) -> dict[str, str]:
    """CNI_ARGS: pairs as in "A=1;B=2". Of a key given twice the last counts; no pair, no matter."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def _finite(text: str) -> float:
    number = float(text)
    if number - number != 0:
        raise CniError(Code.DECODE, "standard input has a number that is too large")
    return number


def _no_constant(text: str) -> float:
    raise CniError(Code.DECODE, f"standard input is not JSON: {text} is no JSON value")


def _check_environment(verb: str, environment: Mapping[str, str]) -> None:
    if not verb:
        raise CniError(Code.ENVIRONMENT, "CNI_COMMAND is missing")
    if verb not in VERBS:
        raise CniError(
            Code.ENVIRONMENT, f"CNI_COMMAND: {quote(verb)} is not one of {', '.join(VERBS)}"
        )
    needed = _NEEDED.get(verb, ())
    missing = [name for name in needed if not environment.get(name)]
    if missing:
        verb_form = "is" if len(missing) == 1 else "are"
        raise CniError(Code.ENVIRONMENT, f"{verb} needs {', '.join(missing)}: {verb_form} missing")
    if "CNI_CONTAINERID" in needed and not _is_word(environment["CNI_CONTAINERID"]):
        raise CniError(
            Code.ENVIRONMENT,
            f"CNI_CONTAINERID: {quote(environment['CNI_CONTAINERID'])} is not a container id; "
            "it has letters, digits, '_', '.' and '-', a letter or digit first",
        )
    if "CNI_IFNAME" in needed:
        _check_ifname(environment["CNI_IFNAME"])


def _check_ifname(name: str) -> None:
    if len(name.encode("utf-8", "surrogateescape")) > _MAX_IFNAME:
        why = f"is longer than {_MAX_IFNAME} bytes"
    elif name in (".", ".."):
        why = "is not an interface's name"
    elif "/" in name or ":" in name or any(c.isspace() for c in name):
        why = "has a '/', a ':' or a blank in it"
    else:
        return
    raise CniError(Code.ENVIRONMENT, f"CNI_IFNAME: {quote(name)} {why}")


def _version(config: Mapping[str, object]) -> str:
    """The cniVersion; a configuration without one is of 0.1.0 (K)."""
    version = config.get("cniVersion")
    if version is None or version == "":
        return "0.1.0"
    if not isinstance(version, str):
        raise CniError(Code.DECODE, f"cniVersion: must be a string, not {describe(version)}")
    return version


def _check_version(verb: str, version: str) -> None:
    if version not in VERSIONS:
        raise CniError(
            Code.VERSION, f"cniVersion: {quote(version)} is not one of {', '.join(VERSIONS)}"
        )
    since = _SINCE.get(verb, VERSIONS[0])
    if VERSIONS.index(version) < VERSIONS.index(since):
        raise CniError(
            Code.VERSION,
            f"cniVersion: config version {version} does not allow {verb}; it needs {since}",
        )


def _name(config: Mapping[str, object], verb: str) -> str:
    name = config.get("name")
    if isinstance(name, str) and _is_word(name):
        return name
    if verb == "DEL":
        return ""
    if name is None or name == "":
        raise CniError(Code.CONFIG, "name: is missing; it must be the network's name")
    if not isinstance(name, str):
        raise CniError(Code.DECODE, f"name: must be a string, not {describe(name)}")
    raise CniError(
        Code.CONFIG,
        f"name: {quote(name)} is not a network's name; "
        "it has letters, digits, '_', '.' and '-', a letter or digit first",
    )


def _is_word(text: str) -> bool:
    """CNI's form of container ids and network names."""
    return text[:1] in _LETTERS and _WORD.issuperset(text)
