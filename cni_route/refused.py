"""What a refusal of the kernel means, in the words of verdicts. Pure."""

from __future__ import annotations

from errno import (
    EAGAIN,
    EBUSY,
    EEXIST,
    EHOSTUNREACH,
    EINTR,
    EINVAL,
    ENETDOWN,
    ENETUNREACH,
    ENOBUFS,
    ENODEV,
    ENOENT,
    ENOMEM,
    EPERM,
    ESRCH,
    errorcode,
)
from typing import NamedTuple

from cni_route.model import KernelRoute, Refusal

# the table is not what it was in the dump: dump again
STALE = frozenset((EEXIST, ESRCH, ENOENT))
# worth another try as it is; what was there meanwhile stays
PASSING = frozenset((EAGAIN, EBUSY, EINTR, ENETDOWN, ENOBUFS, ENOMEM, ENODEV))


class Meaning(NamedTuple):
    """`code` is one CamelCase word; `reason` a sentence.

    `passing`: it may pass by itself, so what stands under the key stays as it is meanwhile.
    """

    code: str
    reason: str
    passing: bool = False


def meaning(refusal: Refusal, dev: str) -> Meaning:
    """Explain why the kernel would not take a route of ours by way of `dev`."""
    number, said = refusal.errno, refusal.message.rstrip(".")
    route = refusal.operation.subject
    via = route.hops[0].via if isinstance(route, KernelRoute) and route.hops else None
    unreachable = number in (ENETUNREACH, EHOSTUNREACH) or "gateway" in said.lower()
    if via is not None and unreachable:
        return Meaning("NoSuchGateway", f"gateway {via} is not on-link on {dev}")
    if number == EINVAL and "prefsrc" in said.lower().replace("preferred source", "prefsrc"):
        return Meaning("BadSource", f"src is not an address of this pod ({said})")
    if number == ENETDOWN:
        return Meaning("LinkDown", f"{dev} is down; the route follows when it comes up", True)
    if number == ENODEV:
        return Meaning("NoSuchDevice", f"the pod has no {dev}", True)
    if number == EPERM:
        return Meaning("NotPermitted", "the kernel does not let us; is CAP_NET_ADMIN there?")
    name = errorcode.get(number, str(number))
    why = f": {said} ({name})" if said else f" ({name})"
    return Meaning("Refused", f"the kernel refuses it{why}", number in PASSING)
