"""YAML events become plain data, with kubectl's idea of what an unquoted word is.

Not PyYAML's own constructor: it knows YAML 1.1's numbers in base 60, timestamps and booleans,
lets a key stand twice, recurses, and expands aliases without a bound; it is also half as fast.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import yaml

from cni_route.document_fields import quote

__all__ = ["MAX_DEPTH", "MAX_NODES", "Refused", "is_ambiguous", "load_events", "place", "resolve"]

MAX_NODES = 1 << 20  # values in all documents of a text, aliases expanded
MAX_DEPTH = 64

_TAG = "tag:yaml.org,2002:"
_SCALARS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))

_WORDS: dict[str, object] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}
_FIRST = frozenset("0123456789+-.~nNtTfF")  # of a word that can be anything but a string
_INTEGER = re.compile(r"[-+]?(0b[01]+|0o?[0-7]+|0x[0-9a-f]+|[1-9][0-9]*|0)", re.I | re.A)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)(e[-+]?[0-9]+)?", re.I | re.A)
_LONGEST = 100  # characters of a number; Python will not read integers of any length

# Words that some reader of YAML 1.1 makes booleans of.
_BOOLEANS = frozenset(("y", "n", "yes", "no", "on", "off"))


def resolve(word: str) -> object:
    """What an unquoted word stands for: null, a boolean, a number, or the string that it is."""
    if word and word[0] not in _FIRST:
        return word
    if word in _WORDS:
        return _WORDS[word]
    plain = word.replace("_", "")
    if len(plain) > _LONGEST:
        return word
    if _INTEGER.fullmatch(plain):
        sign = -1 if plain[0] == "-" else 1
        digits = plain.lstrip("+-")
        octal = digits[0] == "0" and digits.isdecimal()
        return sign * int(digits, 8 if octal else 0)
    return float(plain) if _FLOAT.fullmatch(plain) else word


def is_ambiguous(word: str) -> bool:
    """Whether a reader might take the unquoted word for something else than a string."""
    return word.lower() in _BOOLEANS or resolve(word) is not word


def place(mark: Any) -> str:
    """Where a mark of either parser stands, as a sentence begins: "line 3, column 5: "."""
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


class Refused(Exception):
    """Valid YAML that is not read here; the text is a sentence with its place."""

    def __init__(self, event: yaml.Event, message: str) -> None:
        super().__init__(place(event.start_mark) + message)


def load_events(events: Iterable[yaml.Event]) -> list[object]:
    """The documents that a parser's events make up; raises Refused, and what the parser does."""
    builder = _Builder()
    for event in events:
        builder.take(event)
    return builder.documents


class _Open:
    """A list or mapping that is being read."""

    __slots__ = ("anchor", "before", "key", "merge", "merged", "value")

    def __init__(
        self, value: list[object] | dict[str, object], anchor: str | None, before: int
    ) -> None:
        self.value = value
        self.anchor = anchor
        self.before = before  # nodes counted before it
        self.key: str | None = None  # of a mapping: read, its value not yet
        self.merge: yaml.Event | None = None  # its `<<`
        self.merged: object = None  # what that holds


class _Builder:
    def __init__(self) -> None:
        self.documents: list[object] = []
        self.stack: list[_Open] = []
        self.anchors: dict[str, tuple[object, int]] = {}  # the value, and the nodes in it
        self.nodes = 0

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._begin(event, {}, _TAG + "map")
        elif isinstance(event, yaml.SequenceStartEvent):
            self._begin(event, [], _TAG + "seq")
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent):
            self.anchors.clear()

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        word, tag = event.value, event.tag
        value: object = word
        if self._key_is_next():
            self._key(event, word, merges=word == "<<" and not event.style and tag is None)
        else:
            if tag not in _SCALARS and tag not in (None, "!"):
                raise _no_tag(event, tag)
            if tag not in ("!", _TAG + "str") and not (tag is None and event.style):
                value = resolve(word)
            self._add(event, value, 1)
        if event.anchor:
            self.anchors[event.anchor] = (value, 1)

    def _alias(self, event: yaml.AliasEvent) -> None:
        anchor = event.anchor or ""
        if anchor not in self.anchors:
            raise Refused(event, f"no value before this place has the anchor {quote(anchor)}")
        value, nodes = self.anchors[anchor]
        if self._key_is_next() and isinstance(value, str):
            self._key(event, value)
        else:
            self._add(event, value, nodes)

    def _begin(
        self, event: yaml.CollectionStartEvent, value: list[object] | dict[str, object], tag: str
    ) -> None:
        if event.tag not in (None, "!", tag):
            raise _no_tag(event, event.tag)
        if len(self.stack) >= MAX_DEPTH:
            raise Refused(event, f"more than {MAX_DEPTH} levels are nested here")
        before = self.nodes
        self._add(event, value, 1)
        if event.anchor:
            self.anchors.pop(event.anchor, None)  # an alias within would be endless
        self.stack.append(_Open(value, event.anchor, before))

    def _end(self) -> None:
        done = self.stack.pop()
        if done.merge is not None and isinstance(done.value, dict):
            _merge(done.value, done.merged, done.merge)
        if done.anchor:
            self.anchors[done.anchor] = (done.value, self.nodes - done.before)

    def _key_is_next(self) -> bool:
        return bool(self.stack) and self.stack[-1].key is None and self._in_mapping()

    def _in_mapping(self) -> bool:
        return isinstance(self.stack[-1].value, dict)

    def _key(self, event: yaml.Event, key: str, *, merges: bool = False) -> None:
        top = self.stack[-1]
        assert isinstance(top.value, dict)
        if key in top.value or (merges and top.merge is not None):
            raise Refused(event, f"the key {quote(key)} stands twice in one mapping; keep one")
        top.key = key
        if merges:
            top.merge = event
        self._count(event, 1)

    def _add(self, event: yaml.Event, value: object, nodes: int) -> None:
        """Put a value where the stream is."""
        self._count(event, nodes)
        if not self.stack:
            self.documents.append(value)
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            raise Refused(event, "a key must be a string, not a list or mapping")
        else:
            if top.key == "<<" and top.merge is not None:
                top.merged = value
            else:
                top.value[top.key] = value
            top.key = None

    def _count(self, event: yaml.Event, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise Refused(event, f"there are more than {MAX_NODES} values, aliases expanded")


def _no_tag(event: yaml.Event, tag: str) -> Refused:
    shown = quote(tag.replace(_TAG, "!!"))
    return Refused(event, f"the tag {shown} is not read here; leave it out")


def _merge(into: dict[str, object], merged: object, event: yaml.Event) -> None:
    """What YAML's `<<` means: the mapping's own keys win, then those of the first in a list."""
    for source in merged if isinstance(merged, list) else [merged]:
        if not isinstance(source, dict):
            raise Refused(event, "<< takes a mapping, or a list of mappings")
        for key, value in source.items():
            into.setdefault(key, value)
