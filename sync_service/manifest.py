"""Text of manifests becomes documents: JSON, or YAML as kubectl reads it.

"As kubectl reads it" is what sigs.k8s.io/yaml does: numbers in base 60 and timestamps are
strings, keys are strings, a leading 0 is octal. Where kubectl would make booleans of yes, no, on,
off, y and n, they stay the strings they look like; only true and false are booleans. A key twice
in one mapping is an error.

Files are untrusted: their size, their depth and what their aliases expand to are bounded.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import sys
from typing import Any, NoReturn

import yaml

from cni_route.document import Parsed, parse

__all__ = ["STANDARD_INPUT", "ManifestError", "load_text", "read"]

MAX_BYTES = 8 << 20
MAX_NODES = 1 << 20  # values in all documents of a file, aliases expanded
MAX_DEPTH = 64
STANDARD_INPUT = "-"

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ManifestError(Exception):
    """A file that cannot be read as documents; the text is a sentence with file and line."""


def read(path: str) -> Parsed:
    """Read a file, or standard input for "-"; ManifestError where no document comes out."""
    source = "<stdin>" if path == STANDARD_INPUT else path
    return parse(load_text(_text(path, source), source), source)


def _text(path: str, source: str) -> str:
    try:
        # A FIFO or a device that somebody put into the folder must not hold up its reader.
        if path != STANDARD_INPUT and not os.path.isfile(path):
            os.stat(path)
            raise ManifestError(f"{source}: is not a file")
        with sys.stdin.buffer if path == STANDARD_INPUT else open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ManifestError(f"{source}: cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise ManifestError(f"{source}: is larger than {MAX_BYTES >> 20} MiB; split it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ManifestError(
            f"{source}: line {line} is not UTF-8 (byte 0x{raw[error.start]:02x}); "
            "save the file as UTF-8"
        ) from None


def load_text(text: str, source: str) -> list[object]:
    """The documents in `text`, None for an empty one; ManifestError where it is neither
    YAML nor JSON.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in ("{", "["):
        try:
            return [_load_json(text)]
        except _Twice:
            pass  # the YAML reader says where
        except RecursionError:
            raise ManifestError(f"{source}: is nested too deeply") from None
        except ValueError as error:
            if source.endswith(".json"):
                raise ManifestError(f"{source}: {_json_place(error)}") from None
    return _load_yaml(text, source)


# ------------------------------------------------------------------------- JSON


class _Twice(Exception):
    """A key stands twice in one JSON object."""


def _load_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice
    return found


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _json_place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}, column {error.colno}: is not JSON: {error.msg}"
    return str(error)


# ------------------------------------------------------------------------- YAML


def _load_yaml(text: str, source: str) -> list[object]:
    try:
        builder = _Builder()
        for event in yaml.parse(io.StringIO(text), Loader=_Loader):
            builder.take(event)
        return builder.documents
    except _Refused as refused:
        raise ManifestError(f"{source}: {refused}") from None
    except yaml.YAMLError as error:
        raise ManifestError(f"{source}: {_yaml_place(error)}") from None
    except ValueError as error:  # a character that no encoding has
        raise ManifestError(f"{source}: is not text: {error}") from None


class _Refused(Exception):
    """Valid YAML that is not read, with its place."""

    def __init__(self, event: yaml.Event, message: str) -> None:
        super().__init__(f"{_place(event.start_mark)}{message}")


def _yaml_place(error: yaml.YAMLError) -> str:
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{_place(getattr(error, 'problem_mark', None))}is not YAML: {what}"


def _place(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


class _Open:
    """A list or mapping that is being read."""

    __slots__ = ("anchor", "before", "key", "merged", "value")

    def __init__(self, value: list[object] | dict[str, object], anchor: str | None, before: int):
        self.value = value
        self.anchor = anchor
        self.before = before  # nodes counted before it
        self.key: str | None = None  # read, its value not yet
        self.merged: list[object] = []  # values of `<<`


class _Builder:
    """Makes documents of a stream of YAML events; does not recurse."""

    def __init__(self) -> None:
        self.documents: list[object] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[object, int]] = {}  # value, nodes in it
        self.count = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(event, {}, "map")
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(event, [], "seq")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent):
            self.anchors.clear()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        plain = event.style is None or event.style == ""
        top = self.stack[-1] if self.stack else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event.value, event)
            return
        value: object = event.value
        if event.tag in (None, "!"):
            value = resolve(event.value) if plain and event.tag is None else event.value
        elif event.tag in _SCALAR_TAGS:
            value = resolve(event.value) if event.tag != _TAG + "str" else event.value
        else:
            raise _Refused(event, f"the tag {event.tag} is not read here; leave it out")
        self._add(value, event)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)

    def _key(self, top: _Open, key: str, event: yaml.Event) -> None:
        assert isinstance(top.value, dict)
        if key in top.value:
            raise _Refused(event, f"the key {key!r} stands twice in one mapping; keep one")
        top.key = key
        self._room(event, 1)

    def _room(self, event: yaml.Event, nodes: int) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            raise _Refused(event, f"there are more than {MAX_NODES} values here, aliases expanded")

    def _add(self, value: object, event: yaml.Event, nodes: int = 1) -> None:
        self._room(event, nodes)
        if not self.stack:
            self.documents.append(value)
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            raise _Refused(event, "a key must be a string, not a list or mapping")
        else:
            top.value[top.key] = value
            top.key = None

    def _begin(
        self,
        event: yaml.CollectionStartEvent,
        value: list[object] | dict[str, object],
        tag: str,
    ) -> None:
        if event.tag not in (None, "!", _TAG + tag):
            raise _Refused(event, f"the tag {event.tag} is not read here; leave it out")
        if len(self.stack) >= MAX_DEPTH:
            raise _Refused(event, f"more than {MAX_DEPTH} levels are nested here")
        before = self.count
        self._add(value, event)
        if event.anchor:
            self.anchors.pop(event.anchor, None)  # an alias to it in itself is an error
        self.stack.append(_Open(value, event.anchor, before))

    def _end(self) -> None:
        done = self.stack.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.count - done.before)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if event.anchor not in self.anchors:
            raise _Refused(event, f"the anchor {event.anchor!r} is not defined before this place")
        value, nodes = self.anchors[event.anchor]
        self._add(value, event, nodes)


_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_INTEGER = re.compile(
    r"[-+]?(?:0[bB]_*[01][01_]*|0[oO]?[0-7_]*|0[xX]_*[0-9a-fA-F][0-9a-fA-F_]*|[1-9][0-9_]*)$",
    re.ASCII,
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", re.ASCII)
_FIRST = frozenset("0123456789+-.~nNtTfF")


def resolve(word: str) -> object:
    """What an unquoted word stands for."""
    if word and word[0] not in _FIRST:
        return word
    if word in _WORDS:
        return _WORDS[word]
    plain = word.replace("_", "")
    if len(plain) > 100:
        return word
    if _INTEGER.match(plain):
        sign = -1 if plain[0] == "-" else 1
        digits = plain.lstrip("+-").lower()
        if digits[:1] == "0" and digits[1:].isdecimal():
            return sign * int(digits, 8)
        return sign * int(digits, 0)
    if _FLOAT.match(plain):
        return float(plain)
    return word
