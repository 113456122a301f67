"""What a refusal means: the kernel's errno and message, in the words of verdicts."""

from __future__ import annotations

import errno

import pytest

from cni_route.address import Address, Prefix
from cni_route.model import Hop, KernelRoute, Operation, PolicyRule, Refusal, key_of
from cni_route.refused import PASSING, STALE, Meaning, meaning

GATEWAY = Address.parse("10.2.0.1")
FAR = KernelRoute(key_of(Prefix.parse("10.9.0.0/16")), (Hop(3, GATEWAY),))
NEAR = FAR._replace(hops=(Hop(3),))
SIX = KernelRoute(key_of(Prefix.parse("fd00:9::/48")), (Hop(3, Address.parse("fd00:2::1")),))
HOLE = FAR._replace(hops=(), type=6)


def explained(number: int, message: str = "", route: KernelRoute = FAR) -> Meaning:
    return meaning(Refusal(Operation("add", route), number, message), "eth1")


NO_GATEWAY = Meaning("NoSuchGateway", "gateway 10.2.0.1 is not on-link on eth1")


@pytest.mark.parametrize(
    ("number", "message", "route", "expected"),
    [
        # as Linux 6 says it (fib_check_nh, fib_valid_prefsrc, ip6_route_info_create)
        (errno.ENETUNREACH, "Nexthop has invalid gateway.", FAR, NO_GATEWAY),
        (errno.ENETUNREACH, "", FAR, NO_GATEWAY),
        (errno.EHOSTUNREACH, "", FAR, NO_GATEWAY),
        (errno.EINVAL, "Nexthop has invalid gateway.", FAR, NO_GATEWAY),
        (errno.EINVAL, "Invalid gateway address", FAR, NO_GATEWAY),
        (
            errno.EHOSTUNREACH,
            "No route to host",
            SIX,
            Meaning("NoSuchGateway", "gateway fd00:2::1 is not on-link on eth1"),
        ),
        (
            errno.EINVAL,
            "Invalid prefsrc address",
            FAR,
            Meaning("BadSource", "src is not an address of this pod (Invalid prefsrc address)"),
        ),
        (
            errno.EINVAL,
            "Invalid preferred source address.",
            FAR,
            Meaning(
                "BadSource", "src is not an address of this pod (Invalid preferred source address)"
            ),
        ),
        (
            errno.ENETDOWN,
            "Nexthop device is not up",
            FAR,
            Meaning("LinkDown", "eth1 is down; the route follows when it comes up", True),
        ),
        (errno.ENODEV, "", FAR, Meaning("NoSuchDevice", "the pod has no eth1", True)),
        (
            errno.EPERM,
            "",
            FAR,
            Meaning("NotPermitted", "the kernel does not let us; is CAP_NET_ADMIN there?"),
        ),
        (errno.EINVAL, "", FAR, Meaning("Refused", "the kernel refuses it (EINVAL)")),
        (
            errno.EINVAL,
            "Invalid scope.",
            FAR,
            Meaning("Refused", "the kernel refuses it: Invalid scope (EINVAL)"),
        ),
        (
            errno.ENOBUFS,
            "",
            FAR,
            Meaning("Refused", "the kernel refuses it (ENOBUFS)", True),
        ),
        (errno.ENOMEM, "", FAR, Meaning("Refused", "the kernel refuses it (ENOMEM)", True)),
        (1234, "", FAR, Meaning("Refused", "the kernel refuses it (1234)")),
        # without a gateway there is none to blame
        (
            errno.ENETUNREACH,
            "",
            NEAR,
            Meaning("Refused", "the kernel refuses it (ENETUNREACH)"),
        ),
        (
            errno.EINVAL,
            "Gateway needed",
            HOLE,
            Meaning("Refused", "the kernel refuses it: Gateway needed (EINVAL)"),
        ),
    ],
)
def test_what_a_refusal_means(
    number: int, message: str, route: KernelRoute, expected: Meaning
) -> None:
    assert explained(number, message, route) == expected


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_refusal_is_one_sentence(number: int) -> None:
    for route in (FAR, NEAR, HOLE):
        for message in ("", "Some reason."):
            found = explained(number, message, route)
            assert found.code.isalpha()
            assert found.code[0].isupper()
            assert found.reason
            assert not found.reason.endswith((".", " "))
            assert "\n" not in found.reason
            assert found.passing == (number in PASSING)


def test_what_is_stale_is_no_verdict_of_its_own() -> None:
    """It says that the table is another one by now, not that the route is wrong."""
    assert frozenset({errno.EEXIST, errno.ESRCH, errno.ENOENT}) == STALE
    assert not STALE & PASSING


def test_a_policy_rule_has_no_gateway() -> None:
    refusal = Refusal(Operation("add", PolicyRule(2, 100, 1000)), errno.ENETUNREACH)
    assert meaning(refusal, "the device").code == "Refused"
