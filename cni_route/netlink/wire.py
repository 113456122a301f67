"""Netlink's envelope: message headers, attributes, acknowledgements.

Layouts are those of linux/netlink.h, in the machine's byte order. What reads here takes any
bytes at all: it returns, or raises WireError, and never loops for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple, TypeAlias

__all__ = [
    "ACK",
    "APPEND",
    "CREATE",
    "DUMP",
    "EXCL",
    "HEADER",
    "INTERRUPTED",
    "NLMSG_DONE",
    "NLMSG_ERROR",
    "REPLACE",
    "REQUEST",
    "Message",
    "Reply",
    "WireError",
    "attribute",
    "attributes",
    "decode_reply",
    "first_attribute",
    "message",
    "messages",
    "nested",
    "number",
]

NLMSG_ERROR = 2
NLMSG_DONE = 3

REQUEST = 0x001
ACK = 0x004
INTERRUPTED = 0x010  # NLM_F_DUMP_INTR: the table changed under the dump
CAPPED = 0x100  # the refused request is not echoed behind its header
HAS_ATTRIBUTES = 0x200  # NLM_F_ACK_TLVS: the kernel's own words follow
REPLACE = 0x100
EXCL = 0x200
CREATE = 0x400
APPEND = 0x800
DUMP = 0x300

NLMSGERR_ATTR_MSG = 1
TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER

HEADER = Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
ATTRIBUTE = Struct("=HH")  # nlattr: length with these four bytes, type
INTEGER = Struct("=i")
UNSIGNED = Struct("=I")


class WireError(ValueError):
    """Bytes that are no netlink message, or a value that fits into none."""


# One message of a datagram: its type, flags, sequence number and port id, and what follows its
# header. A plain tuple, because a dump makes ten thousand of them.
Message: TypeAlias = "tuple[int, int, int, int, bytes]"


class Reply(NamedTuple):
    """The kernel's answer to one request: errno (0: done) and its extended message."""

    errno: int
    message: str = ""


def messages(data: bytes) -> Iterator[Message]:
    """The messages of one datagram, in their order."""
    start, size = 0, len(data)
    unpack = HEADER.unpack_from
    while size - start >= 16:
        length, kind, flags, sequence, port = unpack(data, start)
        if length < 16 or length > size - start:
            raise WireError(f"a message of {length} bytes where {size - start} are left")
        yield kind, flags, sequence, port, data[start + 16 : start + length]
        start += length + 3 & ~3
    if start < size:
        raise WireError(f"{size - start} bytes are too few for a message")


def attributes(data: bytes, start: int = 0) -> list[tuple[int, bytes]]:
    """Type and value of each attribute from `start` on.

    Up to three bytes behind the last one are padding and ignored, as the kernel does.
    """
    found = []
    unpack = ATTRIBUTE.unpack_from
    end = len(data)
    while end - start >= 4:
        length, kind = unpack(data, start)
        if length < 4 or length > end - start:
            raise WireError(f"an attribute of {length} bytes where {end - start} are left")
        found.append((kind & TYPE_MASK, data[start + 4 : start + length]))
        start += length + 3 & ~3
    return found


def first_attribute(data: bytes, start: int, wanted: int) -> bytes | None:
    """The value of the first attribute of a type; what stands behind it is not looked at."""
    unpack = ATTRIBUTE.unpack_from
    end = len(data)
    while end - start >= 4:
        length, kind = unpack(data, start)
        if length < 4 or length > end - start:
            raise WireError(f"an attribute of {length} bytes where {end - start} are left")
        if kind & TYPE_MASK == wanted:
            return data[start + 4 : start + length]
        start += length + 3 & ~3
    return None


def number(value: bytes) -> int:
    """The value of a 32-bit attribute."""
    if len(value) != 4:
        raise WireError(f"a 32-bit attribute has {len(value)} bytes")
    return int(UNSIGNED.unpack(value)[0])


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded; struct.error if the value has more than 65,531 bytes."""
    length = len(value) + 4
    return ATTRIBUTE.pack(length, kind) + value + bytes(-length & 3)


def nested(kind: int, parts: list[bytes]) -> bytes:
    """An attribute that holds others, unflagged as the rtnetlink of all kernels reads it."""
    return attribute(kind, b"".join(parts))


def message(kind: int, flags: int, sequence: int, *parts: bytes) -> bytes:
    """One request; the parts (fixed header, attributes) are padded already."""
    body = b"".join(parts)
    return HEADER.pack(len(body) + 16, kind, flags, sequence, 0) + body


def decode_reply(kind: int, flags: int, body: bytes) -> Reply:
    """An NLMSG_ERROR, or the end of a dump: errno and the kernel's words, if it has some."""
    if len(body) < 4:
        raise WireError("an acknowledgement without its error number")
    code = -INTEGER.unpack_from(body)[0]
    if not flags & HAS_ATTRIBUTES:
        return Reply(code)
    start = 4
    if kind == NLMSG_ERROR:
        start += _echoed(body, bool(flags & CAPPED))
    words = first_attribute(body, start, NLMSGERR_ATTR_MSG) or b""
    return Reply(code, words.rstrip(b"\0").decode("utf-8", "replace"))


def _echoed(body: bytes, capped: bool) -> int:
    """How many bytes of the request an NLMSG_ERROR repeats."""
    if len(body) < 20:
        raise WireError("an acknowledgement without the request's header")
    if capped:
        return 16
    length: int = UNSIGNED.unpack_from(body, 4)[0]
    if not 16 <= length <= len(body) - 4:
        raise WireError("an acknowledgement that repeats more than it holds")
    return length + 3 & ~3
