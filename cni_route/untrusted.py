"""Reading plain data that anybody may have written: every refusal names the place and the value."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")


class BadValue(ValueError):
    """Data that cannot be used; the text is a sentence that names the field and the value."""


class Reader:
    """A place in untrusted data that knows its path, so that every refusal names it."""

    __slots__ = ("data", "path")

    def __init__(self, data: object, path: str) -> None:
        self.data = data
        self.path = path

    def _at(self, name: str | int) -> str:
        return f"{self.path}[{name}]" if isinstance(name, int) else f"{self.path}.{name}".strip(".")

    def get(self, name: str | int) -> object:
        data = self.data
        if isinstance(name, str) and isinstance(data, dict) and name in data:
            return data[name]
        if isinstance(name, int) and isinstance(data, list) and name < len(data):
            return data[name]
        raise BadValue(f"{self._at(name)}: is missing")

    def text(self, name: str | int) -> str:
        return Reader(self.get(name), self._at(name)).as_text()

    def as_text(self) -> str:
        if not isinstance(self.data, str):
            raise BadValue(f"{self.path}: {short(self.data)} is not a string")
        return self.data

    def number(self, name: str | int, low: int, end: int) -> int:
        value = self.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value < end:
            raise BadValue(
                f"{self._at(name)}: {short(value)} is not a number from {low} to {end - 1}"
            )
        return value

    def flag(self, name: str | int) -> bool:
        value = self.get(name)
        if not isinstance(value, bool):
            raise BadValue(f"{self._at(name)}: {short(value)} is not true or false")
        return value

    def convert(self, name: str | int, parse: Callable[[str], _T]) -> _T:
        return Reader(self.get(name), self._at(name)).as_value(parse)

    def as_value(self, parse: Callable[[str], _T]) -> _T:
        text = self.as_text()
        try:
            return parse(text)
        except ValueError as error:
            # which quotes the text, however long it is
            reason = str(error).replace(repr(text), short(text))
            raise BadValue(f"{self.path}: {reason}") from None

    def below(self, name: str) -> Reader:
        return Reader(self.get(name), self._at(name))

    def each(self, name: str | int) -> list[Reader]:
        items = self.get(name)
        if not isinstance(items, list):
            raise BadValue(f"{self._at(name)}: {short(items)} is not a list")
        return [Reader(item, f"{self._at(name)}[{i}]") for i, item in enumerate(items)]


def short(value: object) -> str:
    """A value as a sentence quotes it: some 60 characters at the most."""
    # never what is in them: repr would go down as deep as they are nested
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
