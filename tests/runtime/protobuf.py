"""As much of protobuf's wire format as the CRI's messages need: no schema, no generated code.

A message is a dict by field number. To encode, a value is text, bytes, a whole number or truth
value, another message, or a list of such. Decoded, each field is the list of what was there:
whole numbers and bytes, which the reader takes for text or for another message as it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Message = Mapping[int, Any]

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5  # wire types
_FIXED = {FIXED64: 8, FIXED32: 4}


def encode(message: Message) -> bytes:
    """The message's bytes; fields that are empty or 0 are left out, as proto3 has it."""
    return b"".join(
        _field(number, entry)
        for number, value in message.items()
        for entry in (value if isinstance(value, list) else [value])
        if entry or isinstance(value, list)
    )


def _field(number: int, value: Any) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | VARINT) + _varint(value)
    if isinstance(value, str):
        data = value.encode()
    elif isinstance(value, bytes):
        data = value
    else:
        data = encode(value)
    return _varint(number << 3 | LENGTH) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def decode(data: bytes) -> dict[int, list[Any]]:
    """What a message's bytes hold; ValueError where they are none."""
    found: dict[int, list[Any]] = {}
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        kind = tag & 7
        if kind == VARINT:
            value: Any
            value, at = _read_varint(data, at)
        else:
            if kind == LENGTH:
                length, at = _read_varint(data, at)
            elif kind in _FIXED:
                length = _FIXED[kind]
            else:
                raise ValueError(f"wire type {kind} at byte {at}")
            value, at = data[at : at + length], at + length
            if at > len(data):
                raise ValueError(f"{at - len(data)} bytes are missing")
        found.setdefault(tag >> 3, []).append(value)
    return found


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at == len(data):
            raise ValueError("the message ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def text(fields: Mapping[int, list[Any]], number: int) -> str:
    """A text field; empty where it is not there."""
    found = fields.get(number, [b""])[-1]
    assert isinstance(found, bytes)
    return found.decode()


def text_map(fields: Mapping[int, list[Any]], number: int) -> dict[str, str]:
    """A field of type map<string, string>: a list of messages of key (1) and value (2)."""
    entries = [decode(entry) for entry in fields.get(number, [])]
    return {text(entry, 1): text(entry, 2) for entry in entries}
