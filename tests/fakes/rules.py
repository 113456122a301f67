"""The policy rules of one fake namespace."""

from __future__ import annotations

import errno

from cni_route.address import AF_INET, AF_INET6, Address
from cni_route.model import MAIN_TABLE, PolicyRule
from tests.fakes.refused import Refused

LOCAL_TABLE = 255
DEFAULT_TABLE = 253
KERNEL_PROTOCOL = 2


def _defaults() -> list[PolicyRule]:
    return [
        PolicyRule(AF_INET, 0, LOCAL_TABLE, protocol=KERNEL_PROTOCOL),
        PolicyRule(AF_INET, 32766, MAIN_TABLE, protocol=KERNEL_PROTOCOL),
        PolicyRule(AF_INET, 32767, DEFAULT_TABLE, protocol=KERNEL_PROTOCOL),
        PolicyRule(AF_INET6, 0, LOCAL_TABLE, protocol=KERNEL_PROTOCOL),
        PolicyRule(AF_INET6, 32766, MAIN_TABLE, protocol=KERNEL_PROTOCOL),
    ]


class Rules:
    """Rules of both families, each family in the order in which the kernel asks them."""

    def __init__(self) -> None:
        self._rules = _defaults()

    def dump(self) -> tuple[PolicyRule, ...]:
        return tuple(self._rules)

    def add(self, rule: PolicyRule) -> None:
        """As with NLM_F_CREATE|NLM_F_EXCL: refused where a rule is there that has all of it.

        One with a source counts as such for a rule without one.
        """
        if any(_is(other, rule) and other.protocol == rule.protocol for other in self._rules):
            raise Refused(errno.EEXIST)
        place = next(
            (
                number
                for number, other in enumerate(self._rules)
                if (other.family == AF_INET6, other.preference)
                > (rule.family == AF_INET6, rule.preference)
            ),
            len(self._rules),
        )
        self._rules.insert(place, rule)

    def delete(self, rule: PolicyRule) -> None:
        """The first rule that has all that is given; what is not given matches any."""
        for number, other in enumerate(self._rules):
            if _is(other, rule) and rule.protocol in (0, other.protocol):
                del self._rules[number]
                return
        raise Refused(errno.ENOENT)

    def tables(self, family: int, source: Address | None) -> list[int]:
        """The tables that a packet from `source` (None: not bound yet) is looked up in."""
        return [
            rule.table
            for rule in self._rules
            if rule.family == family
            and not rule.extra
            and (rule.src is None or (source is not None and rule.src.contains(source)))
        ]


def _is(other: PolicyRule, rule: PolicyRule) -> bool:
    return (
        (other.family, other.preference, other.table) == (rule.family, rule.preference, rule.table)
        and rule.src in (None, other.src)
        and set(rule.extra) <= set(other.extra)
    )
