"""The syntax of names: Kubernetes objects, labels, and network devices."""

from __future__ import annotations

from collections.abc import Callable

from cni_route.document_fields import Wrong, quote, text

__all__ = [
    "device",
    "is_label",
    "is_subdomain",
    "label_key",
    "label_name",
    "label_value",
    "subdomain",
]

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_ALNUM = _LOWER | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_LABEL = _LOWER | {"-"}
_QUALIFIED = _ALNUM | frozenset("-_.")


def is_label(name: str) -> bool:
    """An RFC 1123 label as Kubernetes means it: lower case, at most 63 characters."""
    return len(name) <= 63 and _is_made_of(name, _LABEL, _LOWER)


def is_subdomain(name: str) -> bool:
    """An RFC 1123 subdomain as Kubernetes means it: labels and dots, at most 253 characters."""
    return len(name) <= 253 and all(_is_made_of(p, _LABEL, _LOWER) for p in name.split("."))


def label_name(value: object) -> str:
    """The name of a Namespace or Service."""
    return _name(value, is_label, "63 of a-z, 0-9 and '-', with a letter or digit at both ends")


def subdomain(value: object) -> str:
    """The name of any other object."""
    made_of = "253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part"
    return _name(value, is_subdomain, made_of)


def _name(value: object, is_right: Callable[[str], bool], made_of: str) -> str:
    name = text(value)
    if not name:
        raise Wrong("is empty; write a name")
    if not is_right(name):
        raise Wrong(f"{quote(name)} is not a name; write at most {made_of}")
    return name


def label_key(value: object) -> str:
    """The key of a label: "tier" or "example.com/tier"."""
    key = text(value)
    prefix, slash, name = key.rpartition("/")
    if _is_qualified(name) and (not slash or is_subdomain(prefix)):
        return key
    raise Wrong(f"{quote(key)} is not a label's key; write it like tier or example.com/tier")


def label_value(value: object) -> str:
    """The value of a label; may be empty."""
    label = text(value)
    if not label or _is_qualified(label):
        return label
    raise Wrong(
        f"{quote(label)} is not a label's value; write at most 63 of letters, digits, "
        "'-', '_' and '.', with a letter or digit at both ends"
    )


def device(value: object) -> str:
    """A NIC's name, by the kernel's rules (dev_valid_name in net/core/dev.c)."""
    name = text(value)
    if not name:
        raise Wrong("is empty; name the pod's NIC, like eth1")
    if name == "lo":
        raise Wrong("'lo' is the loopback; name the pod's NIC, like eth1")
    # The kernel judges bytes, and 0xa0 is a blank to it.
    raw = name.encode("utf-8", "surrogatepass")
    if len(raw) > 15:
        raise Wrong(f"{quote(name)} is too long for a NIC's name; the kernel takes 15 bytes")
    if name in (".", "..") or not _NO_DEVICE.isdisjoint(raw):
        raise Wrong(f"{quote(name)} is not a NIC's name; it has no blanks, '/' or ':', like eth1")
    return name


_NO_DEVICE = frozenset(b"\0\t\n\v\f\r /:\xa0")


def _is_made_of(part: str, inside: frozenset[str], ends: frozenset[str]) -> bool:
    return bool(part) and part[0] in ends and part[-1] in ends and inside.issuperset(part)


def _is_qualified(name: str) -> bool:
    return len(name) <= 63 and _is_made_of(name, _QUALIFIED, _ALNUM)
