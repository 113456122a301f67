"""Manifests: the text of a file becomes documents, and documents become text again.

JSON, or YAML as kubectl reads it: numbers in base 60 and timestamps are strings, keys are strings,
a leading 0 is octal, a key twice in one mapping is an error. Of the words that kubectl takes for
booleans only true and false are: no, on or y stay strings, as nothing here means them otherwise.

Files are untrusted: their size, their depth and what their aliases expand to are bounded.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import yaml

from cni_route.document import Parsed, parse
from cni_route.document_fields import quote
from cni_route.model import Problem
from sync_service.manifest_yaml import Refused, is_ambiguous, load_events, place

__all__ = ["STANDARD_INPUT", "ManifestError", "dump_text", "load_text", "read"]

MAX_BYTES = 8 << 20
MAX_DOCUMENTS = 1 << 16
STANDARD_INPUT = "-"

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class ManifestError(Exception):
    """A file that cannot be read as documents; the text is a sentence with file and line."""

    def __init__(self, source: str, message: str) -> None:
        self.problem = Problem(source, "", message)
        super().__init__(str(self.problem))


# ------------------------------------------------------------------------- files


def read(path: str) -> Parsed:
    """Read a file, or standard input for "-"; ManifestError where no document comes out."""
    if path == STANDARD_INPUT:
        source = "stdin"
        raw = sys.stdin.buffer.read(MAX_BYTES + 1)
    else:
        source = os.fsencode(path).decode("utf-8", "replace")
        raw = _read_file(path, source)
    documents = load_text(_decode(raw, source), source)
    if len(documents) > MAX_DOCUMENTS:
        raise ManifestError(source, f"holds more than {MAX_DOCUMENTS} documents; split it")
    return parse(documents, source)


def _read_file(path: str, source: str) -> bytes:
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ManifestError(source, f"cannot be read: {reason}") from None
    raise ManifestError(source, "is not a regular file; give it on standard input, as -")


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever has a FIFO's other end."""
    return os.open(path, flags | os.O_NONBLOCK)


def _decode(raw: bytes, source: str) -> str:
    if len(raw) > MAX_BYTES:
        raise ManifestError(source, f"is larger than {MAX_BYTES >> 20} MiB; split it")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = raw[error.start]
        raise ManifestError(
            source, f"line {line}: the byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
        ) from None


# ------------------------------------------------------------------------- text to documents


def load_text(text: str, source: str) -> list[object]:
    """The documents in `text`, None for an empty one; ManifestError where there are none.

    What begins like JSON is read as JSON, as YAML only if it is none and `source` is no .json.
    """
    text = text.removeprefix("\ufeff")
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _load_json(text)
        except _Twice as twice:
            raise _twice_in_json(text, source, twice) from None
        except RecursionError:
            raise ManifestError(source, "too many levels are nested here") from None
        except ValueError as error:
            if source.endswith(".json"):
                raise ManifestError(source, _json_sentence(error)) from None
    return _load_yaml(text, source)


class _Twice(Exception):
    """A key that stands twice in one JSON object."""


def _load_json(text: str) -> list[object]:
    """One document, or several behind each other."""
    documents = []
    at = _after_blanks(text, 0)
    while at < len(text):
        document, at = _JSON.raw_decode(text, at)
        documents.append(document)
        at = _after_blanks(text, at)
    return documents


def _after_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in _BLANKS:
        at += 1
    return at


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return found


def _integer(digits: str) -> int | float:
    # Python will not read integers of any length, and none here has more than 10 digits.
    return int(digits) if len(digits) <= 100 else float(digits)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_BLANKS = frozenset(" \t\r\n")
_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_no_constant)


def _json_sentence(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        what = error.msg[:1].lower() + error.msg[1:]
        return f"line {error.lineno}, column {error.colno}: is not JSON: {what}"
    return str(error)


def _twice_in_json(text: str, source: str, twice: _Twice) -> ManifestError:
    """The error for a key that stands twice; JSON's reader knows no line, but YAML's does."""
    try:
        _load_yaml(text, source)
    except ManifestError as error:
        if "stands twice" in str(error):
            return error
    return ManifestError(
        source, f"the key {quote(twice.args[0])} stands twice in one mapping; keep one"
    )


def _load_yaml(text: str, source: str) -> list[object]:
    try:
        return load_events(yaml.parse(text, Loader=_Loader))
    except Refused as refused:
        raise ManifestError(source, str(refused)) from None
    except yaml.YAMLError as error:
        raise ManifestError(source, _yaml_sentence(error, text)) from None
    except ValueError:  # a surrogate: no text in UTF-8
        raise ManifestError(source, "holds half a character; save it as UTF-8") from None


def _yaml_sentence(error: yaml.YAMLError, text: str) -> str:
    if isinstance(error, yaml.reader.ReaderError):  # which knows no line
        before = text.encode()[: error.position]
        return f"line {before.count(10) + 1}: is not text: {error.reason}"
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{place(getattr(error, 'problem_mark', None))}is not YAML: {what}"


# ------------------------------------------------------------------------- documents to text


def dump_text(documents: Sequence[object]) -> str:
    """YAML for people, short lists and mappings on one line; load_text reads the same back."""
    return yaml.dump_all(
        documents,
        Dumper=_Writer,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


class _Writer(_Dumper):  # type: ignore[misc]  # which one it is depends on the machine
    """Quotes what any reader of YAML could take for something else than a string."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        """Write everything out, however often it is there."""
        return True

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> Any:
        """On one line what holds nothing but words and numbers, quoted ones too."""
        node = super().represent_mapping(tag, mapping, flow_style)
        node.flow_style = all(isinstance(value, yaml.ScalarNode) for _, value in node.value)
        return node

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        """The same for lists."""
        node = super().represent_sequence(tag, sequence, flow_style)
        node.flow_style = all(isinstance(value, yaml.ScalarNode) for value in node.value)
        return node


def _write_string(writer: Any, word: str) -> Any:
    style = "'" if is_ambiguous(word) else None
    return writer.represent_scalar("tag:yaml.org,2002:str", word, style=style)


_Writer.add_representer(str, _write_string)
