"""One pod with two NICs, and what resolving comes to for it, in words."""

from __future__ import annotations

from collections.abc import Mapping

from cni_route.address import Address
from cni_route.model import Filter, Pod, Route, Selector, Service
from cni_route.resolve import resolve, shape_of
from cni_route.shape import Nic, Resolution, Terms
from cni_route.view import View
from tests.unit.pods import rule

POD = Pod("default", "web", "u1", (("app", "web"),), ())
NAMES = {2: "eth0", 3: "eth1"}
GATEWAYS = tuple(Address.parse(a) for a in ("10.1.0.1", "fd00:1::1", "10.2.0.1", "fd00:2::1"))
ETH0 = Nic(2, True, True, True, *GATEWAYS[:2])
ETH1 = Nic(3, True, True, True, *GATEWAYS[2:])
NORMAL = Terms()
BOTH = {"eth0": ETH0, "eth1": ETH1}
SERVICES = (
    Service("default", "nginx", (Address.parse("10.96.0.10"), Address.parse("fd00:96::10"))),
    Service("default", "old", (Address.parse("10.96.0.11"),)),
)
NOT_FOR_WEB = Filter(exclude=(Selector("Pod", name="web"),))
OTHERS = Filter(include=(Selector("Namespace", name="other"),))
WEST, EAST = rule("10.9.0.0/16", "eth0", "10.1.0.1"), rule("10.9.0.0/16", "eth1", "10.2.0.1")
FIRST, SECOND = Route("a", (WEST,)), Route("b", (EAST,))
APPLIED = ("applied", "", "")


def found(
    view: View, nics: Mapping[str, Nic] = BOTH, terms: Terms = NORMAL, pod: Pod = POD
) -> Resolution:
    """What the pod should have."""
    return resolve(view, shape_of(view, pod, tuple(sorted(nics.items())), terms))


def wanted(resolution: Resolution) -> list[str]:
    """In words; a key that is only claimed ends in 'held'."""
    lines = []
    for key, route in resolution.wanted.items():
        words = [str(key.dst)]
        if route is None:
            words.append("held")
        else:
            assert route.key == key
            (hop,) = route.hops
            words += ["via", str(hop.via)] if hop.via else []
            words += ["dev", NAMES[hop.dev]]
        words += ["metric", str(key.metric)] if key.metric not in (0, 1024) else []
        lines.append(" ".join(words))
    return sorted(lines)


def said(resolution: Resolution) -> dict[str, tuple[str, str, str]]:
    """By Route and rule (and destination, for Services): outcome, code, reason."""
    return {
        f"{v.route} {v.dst if 'svc' in v.path else v.path}".strip(): (v.outcome, v.code, v.reason)
        for verdicts in resolution.said.values()
        for v in verdicts
    }


def beaten(by: str, dst: str = "10.9.0.0/16") -> tuple[str, str, str]:
    """Outcome, code and reason of a rule that lost to `by`."""
    return "conflict", "Conflict", f"{by} wins {dst}"
