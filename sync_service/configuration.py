"""The service's settings put together: flag > CNI_ROUTE_* > file > default.

A value that cannot be used is a sentence that names the place, the value and the way out; all of
them are given at once.
"""

from __future__ import annotations

import difflib
import json
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sync_service.settings import ENVIRONMENT, SETTINGS, Setting, Settings

__all__ = [
    "CONFIG_VARIABLE",
    "Loaded",
    "SettingsError",
    "changed",
    "load",
    "read_documents",
    "sample",
    "show",
]

CONFIG_VARIABLE = ENVIRONMENT + "CONFIG"
_BY_KEY = {setting.key: setting for setting in SETTINGS}
_BARE = re.compile(r"[A-Za-z/][A-Za-z0-9_./:-]*")  # YAML reads these as the strings they are ...
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}  # ... but for these


class SettingsError(ValueError):
    """Settings that cannot be used: one sentence a line."""


class Loaded(NamedTuple):
    """Settings and, by name, where each value came from; `notes` are sentences to log."""

    settings: Settings
    origins: Mapping[str, str]
    notes: tuple[str, ...] = ()


def load(
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    read: Callable[[str], list[object]],
    config: str = "",
) -> Loaded:
    """Put the settings together from all places.

    `flags`: text by Setting.name, only those given. `read` turns a file into its documents; it
    raises OSError, or ValueError with a sentence. `config` is the file of --config; the variable
    CNI_ROUTE_CONFIG names it otherwise. SettingsError has every complaint, one a line.
    """
    complaints: list[str] = []
    path = config or environment.get(CONFIG_VARIABLE, "")
    entries = _file(path, read, complaints) if path else {}
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for setting in SETTINGS:
        places = (
            (setting.flag, flags.get(setting.name), True),
            (setting.variable, environment.get(setting.variable), True),
            (f"{path}: {setting.key}", entries.get(setting.key), False),
        )
        place, value, text = next(
            (p for p in places if p[1] is not None), ("default", setting.default, False)
        )
        try:
            values[setting.name] = _value(setting, value, text)
        except ValueError:
            complaints.append(_complaint(setting, place, value))
        origins[setting.name] = place
    _check_together(values, complaints)
    if complaints:
        raise SettingsError("\n".join(complaints))
    if not values["node"]:
        values["node"] = socket.gethostname()
        origins["node"] += " (the host's name)"
    return Loaded(Settings(**values), origins, tuple(_strays(environment)))


def read_documents(path: str) -> list[object]:
    """The documents of a configuration file, for `load`."""
    from sync_service.manifest import ManifestError, load_text  # noqa: PLC0415 - seldom needed

    try:
        with open(path, encoding="utf-8") as file:
            return load_text(file.read(), path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: is not UTF-8 (byte {error.start})") from None
    except ManifestError as error:
        raise ValueError(str(error)) from None


def _value(setting: Setting, value: object, text: bool) -> object:
    data = setting.kind.decode(str(value)) if text else value
    return setting.kind.check(data)


def _complaint(setting: Setting, place: str, value: object) -> str:
    shown = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    default = json.dumps(setting.default)
    return f"{place}: {shown} is not {setting.kind.expects}; the default is {default}"


def _file(
    path: str, read: Callable[[str], list[object]], complaints: list[str]
) -> Mapping[str, object]:
    try:
        documents = [d for d in read(path) if d is not None]
    except OSError as error:
        complaints.append(f"{path}: cannot be read: {error.strerror}")
        return {}
    except ValueError as error:
        complaints.append(str(error))
        return {}
    if not documents:
        return {}
    entries = documents[0]
    if len(documents) > 1 or not isinstance(entries, dict):
        complaints.append(f"{path}: is not one document of settings (key: value lines)")
        return {}
    complaints += [f"{path}: {_unknown(str(key))}" for key in entries if key not in _BY_KEY]
    return {str(key): value for key, value in entries.items() if value is not None}


def _unknown(key: str) -> str:
    folded = {s.replace("-", "").replace("_", "").lower(): s for s in _BY_KEY}
    bare = key.replace("-", "").replace("_", "").lower()
    near = difflib.get_close_matches(bare, folded, n=1)
    hint = f"; did you mean {folded[near[0]]}?" if near else f"; there are {', '.join(_BY_KEY)}"
    return f"{key}: is not a setting{hint}"


def _strays(environment: Mapping[str, str]) -> list[str]:
    """Variables that look like a misspelt setting.

    Not an error: in a cluster, a Service named cni-route puts variables of this prefix into
    every pod of its namespace.
    """
    known = {s.variable for s in SETTINGS} | {CONFIG_VARIABLE}
    strays = []
    for name in sorted(environment):
        if name.startswith(ENVIRONMENT) and name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.85)
            strays += [f"{name}: is not a setting; did you mean {near[0]}?"] if near else []
    return strays


def _check_together(values: Mapping[str, Any], complaints: list[str]) -> None:
    """What two settings may not be at once; said only where each is good alone."""
    if len(values) < len(SETTINGS):
        return
    if values["protocol"] == values["backup_protocol"]:
        complaints.append(
            f"protocol and backupProtocol: both are {values['protocol']}; give them two numbers,"
            " or our routes could not be told from the copies of displaced ones"
        )
    if values["backoff_base"] > values["backoff_cap"]:
        complaints.append(
            f"backoffBase: {values['backoff_base']:g} is more than backoffCap"
            f" ({values['backoff_cap']:g}); the first pause cannot be longer than the longest"
        )


def changed(old: Settings, new: Settings) -> tuple[tuple[Setting, ...], tuple[Setting, ...]]:
    """Settings that differ: those that may change while running, those that need a restart."""
    differ = [s for s in SETTINGS if getattr(old, s.name) != getattr(new, s.name)]
    return tuple(s for s in differ if s.live), tuple(s for s in differ if not s.live)


# ---------------------------------------------------------------- showing


def show(loaded: Loaded) -> str:
    """Every setting as a configuration file would have it, and where its value came from."""
    lines = [
        f"{setting.key}: {_yaml(getattr(loaded.settings, setting.name))}" for setting in SETTINGS
    ]
    width = max(map(len, lines))
    return "".join(
        f"{line:{width}}  # {loaded.origins[setting.name]}\n"
        for line, setting in zip(lines, SETTINGS, strict=True)
    )


def sample() -> str:
    """The text of conf/cni-route.yaml: every setting at its default, with its meaning."""
    head = (
        "# The configuration of `cni-route sync`, every setting at its default.\n"
        "# A flag wins over CNI_ROUTE_*, that over this file. Times are in seconds.\n"
        "# SIGHUP reads it again; what is marked (live) changes then, the rest with a restart.\n"
    )
    return head + "".join(
        f"\n# {s.help}{' (live)' if s.live else ''}\n"
        f"# {s.flag}, {s.variable}\n{s.key}: {_yaml(s.default)}\n"
        for s in SETTINGS
    )


def _yaml(value: object) -> str:
    """JSON is YAML; what needs no quotes is shown without."""
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value)


if __name__ == "__main__":
    print(sample(), end="")
