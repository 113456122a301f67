"""Policy rules <-> bytes: fib_rule_hdr and its attributes, as in linux/fib_rules.h."""

from __future__ import annotations

import struct
from struct import Struct

from cni_route.address import AF_INET, AF_INET6, Address, Prefix
from cni_route.model import PolicyRule
from cni_route.netlink.wire import (
    CREATE,
    EXCL,
    REQUEST,
    UNSIGNED,
    WireError,
    attribute,
    attributes,
    message,
    number,
)

__all__ = [
    "HEADER_REST",
    "RTM_DELRULE",
    "RTM_GETRULE",
    "RTM_NEWRULE",
    "RULES_REQUEST",
    "decode_rule",
    "encode_rule",
]

RTM_NEWRULE = 32
RTM_DELRULE = 33
RTM_GETRULE = 34

HEADER_REST = 0  # FRA_UNSPEC: in `extra`, what the header says beside source and table
FRA_SRC = 2
FRA_PRIORITY = 6
FRA_SUPPRESS_PREFIXLEN = 14
FRA_TABLE = 15
FRA_PAD = 18
FRA_PROTOCOL = 21
FR_ACT_TO_TBL = 1
SUPPRESS_NOTHING = b"\xff\xff\xff\xff"  # what the kernel shows where nothing was asked for
RT_TABLE_COMPAT = 252

RULE = Struct("=8BI")  # family, dst_len, src_len, tos, table, -, -, action, flags
REST = Struct("=3BI")  # dst_len, tos, action, flags
BYTE = Struct("=B")
PLAIN_REST = REST.pack(0, 0, FR_ACT_TO_TBL, 0)
RULES_REQUEST = RULE.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)

VERBS = {
    "add": (RTM_NEWRULE, REQUEST | CREATE | EXCL),
    "delete": (RTM_DELRULE, REQUEST),
}


def encode_rule(rule: PolicyRule, kind: int, flags: int, sequence: int) -> bytes:
    """One request about a policy rule; WireError where a value does not fit its field."""
    try:
        return _encode(rule, kind, flags, sequence)
    except (struct.error, TypeError, AttributeError) as mistake:
        raise WireError(f"no policy rule to send: {mistake}") from None


def _encode(rule: PolicyRule, kind: int, flags: int, sequence: int) -> bytes:
    extra = dict(rule.extra)
    dst_len, tos, action, rule_flags = REST.unpack(extra.pop(HEADER_REST, PLAIN_REST))
    src = rule.src
    parts = [
        RULE.pack(
            rule.family, dst_len, src.length if src else 0, tos,
            rule.table if rule.table < 256 else RT_TABLE_COMPAT, 0, 0, action, rule_flags,
        ),
        attribute(FRA_PRIORITY, UNSIGNED.pack(rule.preference)),
        attribute(FRA_TABLE, UNSIGNED.pack(rule.table)),
    ]  # fmt: skip
    if src:
        parts.append(attribute(FRA_SRC, src.address))
    if rule.protocol:
        parts.append(attribute(FRA_PROTOCOL, BYTE.pack(rule.protocol)))
    parts += [attribute(number_, value) for number_, value in extra.items()]
    return message(kind, flags, sequence, *parts)


def decode_rule(body: bytes) -> PolicyRule | None:
    """One policy rule; None for other families (multicast routing).

    All that a rule of our own form has not stands in `extra`; it is encoded again as it was.
    """
    if len(body) < 12:
        raise WireError("a policy rule without its header")
    family, dst_len, src_len, tos, table, _, _, action, flags = RULE.unpack_from(body)
    if family not in (AF_INET, AF_INET6):
        return None
    found = dict(attributes(body, 12))
    found.pop(FRA_PAD, None)
    if found.get(FRA_SUPPRESS_PREFIXLEN) == SUPPRESS_NOTHING:
        del found[FRA_SUPPRESS_PREFIXLEN]
    src = _source(family, found.pop(FRA_SRC), src_len) if FRA_SRC in found else None
    preference = number(found.pop(FRA_PRIORITY, bytes(4)))
    table = number(found.pop(FRA_TABLE)) if FRA_TABLE in found else table
    protocol = found.pop(FRA_PROTOCOL, b"\0")
    if len(protocol) != 1:
        raise WireError(f"a rule's protocol has {len(protocol)} bytes")
    rest = REST.pack(dst_len, tos, action, flags)
    if rest != PLAIN_REST:
        found[HEADER_REST] = rest
    return PolicyRule(family, preference, table, src, protocol[0], tuple(sorted(found.items())))


def _source(family: int, value: bytes, length: int) -> Prefix:
    if len(value) != (4 if family == AF_INET else 16):
        raise WireError(f"a rule's source has {len(value)} bytes")
    try:
        return Prefix(Address(value), length)
    except ValueError as mistake:
        raise WireError(str(mistake)) from None
