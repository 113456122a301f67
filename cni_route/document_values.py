"""The values in a rule: a text or number of the document becomes what the kernel can be given."""

from __future__ import annotations

from typing import Literal

from cni_route.address import AF_INET, AF_INET6, DEFAULT4, DEFAULT6, Address, HostBitsSet, Prefix
from cni_route.document_fields import Wrong, did_you_mean, integer, quote, text
from cni_route.document_names import is_label

__all__ = [
    "MAX_METRIC",
    "MAX_MTU",
    "MIN_MTU",
    "MIN_MTU6",
    "destination",
    "gateway",
    "metric",
    "mtu",
    "service",
    "source_address",
]

MAX_METRIC = 0xFEFFFFFF  # a backup has 0xFF000000 + (metric << 8) + protocol
MIN_MTU = 68  # bytes; IPv4's smallest, RFC 791
MIN_MTU6 = 1280  # IPv6's smallest, RFC 8200
MAX_MTU = 65520  # what the kernel cuts RTAX_MTU at: 65535 - 15 (ip_metrics_convert)

_REFUSED = {
    AF_INET: (
        (Prefix.parse("224.0.0.0/4"), "is multicast (224.0.0.0/4), which no rule serves"),
        (Prefix.parse("127.0.0.0/8"), "is the loopback (127.0.0.0/8), the pod itself"),
    ),
    AF_INET6: (
        (Prefix.parse("fe80::/10"), "is link-local (fe80::/10), which each NIC has for itself"),
        (Prefix.parse("ff00::/8"), "is multicast (ff00::/8), which no rule serves"),
        (Prefix.parse("::1"), "is the loopback (::1), the pod itself"),
    ),
}
_SUSPECT = {  # by length: the first bytes of all that is refused, so that the usual case is cheap
    4: frozenset((0, 127, *range(224, 240))),
    16: frozenset((0, 0xFE, 0xFF)),
}
_LOOPBACK6 = Address.parse("::1")
_MAPPED = Prefix.parse("::ffff:0.0.0.0/96")


def destination(value: object) -> Prefix:
    """A CIDR of either family, `default`, `default6`, or a bare address (a host route)."""
    written = text(value)
    if written == "default":
        return DEFAULT4
    if written == "default6":
        return DEFAULT6
    if not written:
        raise Wrong("is empty; write a CIDR like 172.16.0.0/16, or default")
    masked = None
    try:
        prefix = Prefix.parse(written)
    except HostBitsSet as error:
        prefix = masked = error.masked
    except ValueError:
        raise Wrong(_not_a_prefix(written)) from None
    _refuse(prefix, written)
    if masked is not None:
        raise Wrong(f"{quote(written)} has host bits set; did you mean {masked}?")
    return prefix


def _not_a_prefix(written: str) -> str:
    near = did_you_mean(written, ("default", "default6"))
    if near:
        return f"{quote(written)} is not a CIDR or an IP address; did you mean {near}?"
    try:
        bits = Address.parse(written.partition("/")[0]).bits
    except ValueError:
        return (
            f"{quote(written)} is not a CIDR or an IP address; "
            "write it like 172.16.0.0/16, or default"
        )
    return f"{quote(written)} is not a CIDR; write a number from 0 to {bits} after the '/'"


def _refuse(prefix: Prefix, written: str) -> None:
    """Wrong for a destination that is valid, but that no rule may have."""
    address, length = prefix
    if address[0] not in _SUSPECT[len(address)]:
        return
    for refused, what in _REFUSED[prefix.family]:
        if length >= refused.length and refused.contains(address):
            raise Wrong(f"{quote(written)} {what}; leave the entry out")
    if length == address.bits and not any(address):
        default = "default" if prefix.family == AF_INET else "default6"
        raise Wrong(f"{quote(written)} is no destination; did you mean {default}?")
    if length >= _MAPPED.length and _MAPPED.contains(address):
        raise Wrong(f"{quote(written)} is an IPv4 network in IPv6 notation; write it as IPv4")


def gateway(value: object) -> Address | Literal["auto"] | None:
    """The address of a gateway, or `auto`; None where it is empty."""
    if isinstance(value, str) and value.strip() == "auto":
        return "auto"
    return _host(value, "10.124.2.1, or auto")


def source_address(value: object) -> Address | None:
    """The preferred source address; None where it is empty."""
    return _host(value, "10.124.2.7")


def _host(value: object, example: str) -> Address | None:
    written = text(value)
    if not written:
        return None
    try:
        address = Address.parse(written)
    except ValueError:
        auto = did_you_mean(written, ("auto",)) if "auto" in example else None
        fix = f"did you mean {auto}?" if auto else f"write it like {example}"
        raise Wrong(f"{quote(written)} is not an IP address; {fix}") from None
    what = _never_a_host(address)
    if what:
        raise Wrong(f"{quote(written)} is {what}; write it like {example}")
    return address


def _never_a_host(address: Address) -> str:
    if address[0] not in _SUSPECT[len(address)]:
        return ""
    if _MAPPED.contains(address):
        return "an IPv4 address in IPv6 notation"
    if not any(address):
        return "the unspecified address"
    four = address.family == AF_INET
    if address[0] & 0xF0 == 0xE0 if four else address[0] == 0xFF:
        return "a multicast address"
    if address[0] == 127 if four else address == _LOOPBACK6:
        return "a loopback address"
    return ""


def metric(value: object) -> int:
    """A route's metric; what is above MAX_METRIC belongs to the copies of displaced routes."""
    return integer(value, 0, MAX_METRIC)


def mtu(value: object) -> int:
    """A route's MTU in bytes, as either family may have it."""
    return integer(value, MIN_MTU, MAX_MTU)


def service(value: object) -> tuple[str, str]:
    """namespace/name of a Service, in one string."""
    written = text(value)
    namespace, slash, name = written.partition("/")
    if slash and is_label(namespace) and is_label(name):
        return namespace, name
    raise Wrong(
        f"{quote(written)} does not name a Service; write namespace/name, like default/nginx"
    )
