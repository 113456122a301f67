"""Every setting of the service, in one table.

Flags, environment, file, the sample in conf/ and `--print-config` all follow SETTINGS; how the
values are put together is configuration.py's part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

__all__ = ["ENVIRONMENT", "SETTINGS", "Kind", "Setting", "Settings"]

ENVIRONMENT = "CNI_ROUTE_"


class Settings(NamedTuple):
    """The service's settings, all checked; times in seconds. SETTINGS says what each means."""

    source: str
    node: str
    run_dir: str
    state_dir: str
    cni_cache: tuple[str, ...]
    netns_dir: tuple[str, ...]
    log_format: str
    paused: bool
    protocol: int
    backup_protocol: int
    agent: str
    workers: int
    query_workers: int
    read_timeout: float
    settle: float
    rescan: float
    discover: float
    backoff_base: float
    backoff_cap: float
    sweep: float
    chain_settle: float
    chain_wait: float
    snapshot_interval: float


class Kind(NamedTuple):
    """A type of value: how text becomes data, and which data is accepted."""

    expects: str  # completes "is not ..."
    decode: Callable[[str], object]  # of a flag or variable; ValueError where it is not one
    check: Callable[[object], object]  # of data from a file; ValueError where it is not one
    form: Literal["word", "switch", "list"] = "word"  # of its flag


class Setting(NamedTuple):
    """One row: a setting's name in code, its type, default and meaning."""

    name: str
    kind: Kind
    default: object
    help: str
    live: bool = False  # SIGHUP changes it; else a restart is needed

    @property
    def key(self) -> str:
        """Its name in the file: runDir."""
        head, *tail = self.name.split("_")
        return head + "".join(word.capitalize() for word in tail)

    @property
    def flag(self) -> str:
        """Its name on the command line: --run-dir."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """Its name in the environment: CNI_ROUTE_RUN_DIR."""
        return ENVIRONMENT + self.name.upper()


# ---------------------------------------------------------------- kinds of values


def _refuse(value: object) -> object:
    raise ValueError(value)


def _text(accepts: Callable[[str], bool], expects: str) -> Kind:
    def check(value: object) -> object:
        return value if isinstance(value, str) and accepts(value) else _refuse(value)

    return Kind(expects, str, check)


def _choice(*words: str) -> Kind:
    return _text(words.__contains__, " or ".join(words))


def _number(low: float, high: float, unit: str, whole: bool = False) -> Kind:
    def check(value: object) -> object:
        known = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        return value if known and low <= value <= high else _refuse(value)  # type: ignore[operator]

    return Kind(f"a {unit} from {low:g} to {high:g}", int if whole else float, check)


def _seconds(low: float, high: float) -> Kind:
    return _number(low, high, "number of seconds")


def _switch() -> Kind:
    words = {"true": True, "false": False}

    def decode(text: str) -> object:
        return words[text.lower()] if text.lower() in words else _refuse(text)

    def check(value: object) -> object:
        return value if isinstance(value, bool) else _refuse(value)

    return Kind("true or false", decode, check, "switch")


def _folders() -> Kind:
    def check(value: object) -> object:
        many = [value] if isinstance(value, str) else value
        if not isinstance(many, list | tuple) or not all(map(_absolute, many)):
            _refuse(value)
        return tuple(many)  # type: ignore[arg-type]

    def decode(text: str) -> object:
        return [part for part in text.split(",") if part]

    expects = "a list of absolute paths (in a flag or variable with commas)"
    return Kind(expects, decode, check, "list")


def _absolute(path: object) -> bool:
    return isinstance(path, str) and path.startswith("/") and "\0" not in path


def _source(text: str) -> bool:
    return text.startswith("dir:") and _absolute(text[4:])


def _node(text: str) -> bool:
    return text == text.strip() and len(text) <= 253  # a DNS name, RFC 1123; empty: the host's


def _agent(text: str) -> bool:
    return not text or (text.count("/") == 1 and all(text.split("/")))


_FOLDER = _text(_absolute, "an absolute path")
_PROTOCOL = _number(20, 255, "route protocol", whole=True)
_THREADS = _number(1, 64, "number of threads", whole=True)

SETTINGS = (
    Setting(
        "source",
        _text(_source, "dir:FOLDER with an absolute path"),
        "dir:/etc/cni-route/routes.d",
        "Where Routes, Services and pods come from: dir:FOLDER, a folder of manifests.",
    ),
    Setting(
        "node",
        _text(_node, "a node's name"),
        "",
        "This node's name; pods of other nodes are left out. Empty: the host's name.",
    ),
    Setting("run_dir", _FOLDER, "/run/cni-route", "The socket and the record of each sandbox."),
    Setting("state_dir", _FOLDER, "/var/lib/cni-route", "The snapshot of what the source told."),
    Setting(
        "cni_cache",
        _folders(),
        ("/var/lib/cni/results", "/var/lib/cni/multus/results"),
        "Where CNI runtimes and Multus keep results: pods found there need no new ADD.",
    ),
    Setting(
        "netns_dir",
        _folders(),
        ("/run/netns", "/var/run/netns"),
        "Where network namespaces are mounted.",
    ),
    Setting("log_format", _choice("text", "json"), "text", "One line an event: text or json."),
    Setting(
        "paused",
        _switch(),
        False,
        "Write nothing into any pod, report everything as if.",
        live=True,
    ),
    Setting(
        "protocol",
        _PROTOCOL,
        114,
        "The rtm_protocol of our routes. Change it only after `cni-route cleanup`.",
    ),
    Setting(
        "backup_protocol",
        _PROTOCOL,
        115,
        "The rtm_protocol of the copies of displaced routes; the same holds.",
    ),
    Setting(
        "agent",
        _text(_agent, "NAMESPACE/NAME of a DaemonSet, or empty"),
        "",
        "In a cluster the DaemonSet of the service itself; its pods pass the plugin unasked.",
    ),
    Setting("workers", _THREADS, 16, "Threads that answer the CNI plugin."),
    Setting("query_workers", _THREADS, 2, "Threads that answer the command line."),
    Setting(
        "read_timeout",
        _seconds(0.1, 60),
        2.0,
        "How long a client of the socket may take to say or to hear something.",
        live=True,
    ),
    Setting(
        "settle",
        _seconds(0, 10),
        0.005,
        "How long a changed folder must be quiet before it is read.",
        live=True,
    ),
    Setting(
        "rescan",
        _seconds(0.1, 3600),
        10.0,
        "How often the folder is looked at anyway, for changes that inotify does not tell.",
        live=True,
    ),
    Setting(
        "discover",
        _seconds(0.1, 3600),
        10.0,
        "How often sandboxes are looked for that ADD did not see.",
        live=True,
    ),
    Setting(
        "backoff_base",
        _seconds(0.01, 60),
        0.25,
        "The first pause after a failure in a pod; it doubles, with jitter.",
        live=True,
    ),
    Setting("backoff_cap", _seconds(0.01, 3600), 30.0, "The longest such pause.", live=True),
    Setting(
        "sweep",
        _seconds(1, 86400),
        90.0,
        "How often each pod is read anew from the kernel, with jitter.",
        live=True,
    ),
    Setting(
        "chain_settle",
        _seconds(0, 60),
        0.05,
        "How long a new NIC must be quiet before its routes are written, as whoever makes it may"
        " still be at work (20 times as long the first time a name is seen on the node).",
        live=True,
    ),
    Setting(
        "chain_wait",
        _seconds(0, 600),
        5.0,
        "How long a new NIC waits for its own ADD, where NICs of its name had one in other pods.",
        live=True,
    ),
    Setting(
        "snapshot_interval",
        _seconds(0.05, 3600),
        1.0,
        "How long a change may wait for the snapshot, where others came right before it.",
        live=True,
    ),
)
