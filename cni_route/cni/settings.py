"""The plugin's own keys in its configuration: {"type": "cni-route", "failurePolicy": "Fail", ...}.

Runtimes and Multus add keys to an entry (name, cniVersion, prevResult, runtimeConfig, args,
cni.dev/..., and whatever comes), so an unknown key is an error only where it is nearly one of
ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from cni_route.cni.protocol import CniError, Code
from cni_route.document import parse_rules
from cni_route.document_fields import (
    Report,
    Wrong,
    did_you_mean,
    integer,
    one_of,
    quote,
    read_mapping,
    text,
)
from cni_route.model import Problem, Rule

__all__ = [
    "DEFAULT_LOG",
    "DEFAULT_SOCKET",
    "DEFAULT_TIMEOUT",
    "MAX_SOCKET",
    "Settings",
    "lenient",
    "strict",
]

DEFAULT_SOCKET = "/run/cni-route/agent.sock"
DEFAULT_TIMEOUT = 2000  # milliseconds
DEFAULT_LOG = "/var/log/cni-route/plugin.log"
_MAX_TIMEOUT = 240_000  # milliseconds; runtimes give an ADD some 4 to 5 minutes
MAX_SOCKET = 107  # bytes: sun_path, less its NUL


class Settings(NamedTuple):
    """The own keys, read. `rules` are the entry's own, for the pod's life."""

    socket: str = DEFAULT_SOCKET
    fail: bool = False  # failurePolicy
    timeout_seconds: float = DEFAULT_TIMEOUT / 1000
    rules: tuple[Rule, ...] = ()
    log_file: str = DEFAULT_LOG  # '': none


def strict(config: Mapping[str, object]) -> Settings:
    """For ADD and STATUS: CniError (code 7) names every key that cannot be used, at once."""
    settings, problems = _read(config)
    if problems:
        raise CniError(
            Code.CONFIG,
            "; ".join(f"{p.path}: {p.message}" if p.path else p.message for p in problems),
        )
    return settings


def lenient(config: Mapping[str, object]) -> Settings:
    """For all other verbs: what cannot be used has its default."""
    return _read(config)[0]


def _read(config: Mapping[str, object]) -> tuple[Settings, list[Problem]]:
    report = Report("")
    own: dict[object, object] = {key: config[key] for key in _READERS if key in config}
    values = read_mapping(own, "", _READERS, report)
    rules, problems = parse_rules(config.get("routes"), "routes", "")
    report.problems += problems
    for rule in rules:
        if rule.dst is None:  # a record holds its rules without the Services of a cluster
            report.add(rule.path, "names a Service; only networks (dst) can stand here")
    for key in config:
        near = None if key in _KNOWN else did_you_mean(key, (*_READERS, "routes"))
        if near:
            report.add("", f"unknown key {quote(key)}; did you mean {near}?")
    settings = Settings(
        values.get("socket", DEFAULT_SOCKET),
        values.get("failurePolicy") == "Fail",
        values.get("timeoutMs", DEFAULT_TIMEOUT) / 1000,
        tuple(rule for rule in rules if rule.dst is not None),
        values.get("logFile", DEFAULT_LOG),
    )
    return settings, report.problems


def _socket(value: object) -> str:
    path = _path(value)
    if len(path.encode("utf-8", "surrogateescape")) > MAX_SOCKET:
        raise Wrong(f"is longer than the {MAX_SOCKET} bytes that a socket's path can have")
    return path


def _path(value: object) -> str:
    path = text(value)
    if not path.startswith("/") or "\0" in path:
        raise Wrong(f"{quote(path)} is not an absolute path")
    return path


def _log_file(value: object) -> str:
    return _path(value) if text(value) else ""


def _policy(value: object) -> str:
    return one_of(value, ("Ignore", "Fail"), "a failure policy")


def _timeout(value: object) -> int:
    return integer(value, 1, _MAX_TIMEOUT)


_READERS = {
    "socket": _socket,
    "failurePolicy": _policy,
    "timeoutMs": _timeout,
    "logFile": _log_file,
}
_KNOWN = frozenset(
    (
        *_READERS,
        "routes",
        "cniVersion",
        "name",
        "type",
        "args",
        "capabilities",
        "dns",
        "ipam",
        "prevResult",
        "runtimeConfig",
    )
)
