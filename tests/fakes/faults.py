"""Faults that a test asks the fake kernel for; each must have happened by the end.

The calls are named as in cni_route/kernel.py: open, links, dump, rules, apply, close.
"""

from __future__ import annotations

import errno as errnos
import os
from collections.abc import Callable
from typing import Literal

from cni_route.model import Operation

Call = Literal["open", "links", "dump", "rules", "apply", "close"]
When = Literal["before", "after"]


class _CallFault:
    def __init__(
        self, text: str, call: str, nth: int, when: str, act: Callable[[], object]
    ) -> None:
        self.text = text
        self.call = call
        self.left = nth
        self.when = when
        self.act = act


class _OperationFault:
    def __init__(
        self, text: str, matches: Callable[[Operation], bool], times: int, act: Callable[[], object]
    ) -> None:
        self.text = text
        self.matches = matches
        self.left = times
        self.act = act


class Overrun(Exception):
    """The reply queue ran over; what was done so far stays done."""


class Refusal(Exception):
    """A refusal asked for, not one of the kernel's own."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(errno, message)
        self.errno = errno
        self.message = message


class Faults:
    """The faults still to come of one fake kernel; counts are 1-based and start when asked for."""

    def __init__(self) -> None:
        self._calls: list[_CallFault] = []
        self._operations: list[_OperationFault] = []

    # ------------------------------------------------------------ what a test asks for

    def refuse(
        self,
        matches: Callable[[Operation], bool] | None = None,
        *,
        errno: int,
        message: str = "",
        nth: int = 1,
        times: int = 1,
    ) -> None:
        """Refuse operations: from the nth on that matches (None: any), `times` of them."""

        def act() -> None:
            raise Refusal(errno, message)

        name = errnos.errorcode.get(errno, str(errno))
        self._at_operation(f"refuse with {name}", matches, nth, times, act)

    def overrun(self, done: int = 0) -> None:
        """The next operations: `done` of them are done, then apply raises ENOBUFS."""

        def act() -> None:
            raise Overrun

        self._at_operation(f"ENOBUFS after {done} operations", None, done + 1, 1, act)

    def fail(self, call: Call, *, errno: int, nth: int = 1, when: When = "before") -> None:
        """The nth call of this name raises OSError(errno), undone or ('after') done."""

        def act() -> None:
            raise OSError(errno, os.strerror(errno))

        name = errnos.errorcode.get(errno, str(errno))
        self._calls.append(_CallFault(f"{call} raises {name}", call, nth, when, act))

    def rival(
        self, act: Callable[[], object], *, call: Call, nth: int = 1, when: When = "before"
    ) -> None:
        """Run `act` before or after the nth call of this name."""
        self._calls.append(_CallFault(f"a rival {when} {call}", call, nth, when, act))

    def rival_at_operation(self, act: Callable[[], object], *, nth: int = 1) -> None:
        """Run `act` before the nth operation, in the midst of an apply."""
        self._at_operation(f"a rival at operation {nth}", None, nth, 1, act)

    def unused(self) -> list[str]:
        """The faults that did not happen; a test asserts that there are none."""
        return [fault.text for fault in self._calls] + [fault.text for fault in self._operations]

    def _at_operation(
        self,
        text: str,
        matches: Callable[[Operation], bool] | None,
        nth: int,
        times: int,
        act: Callable[[], object],
    ) -> None:
        counter = iter(range(1, 1 << 30))

        def counted(operation: Operation) -> bool:
            return (matches is None or matches(operation)) and next(counter) >= nth

        self._operations.append(_OperationFault(text, counted, times, act))

    # ------------------------------------------------------------ what the fake kernel calls

    def at_call(self, call: str, when: When) -> None:
        """Let happen what was asked for at this call."""
        due = []
        for fault in self._calls:
            if (fault.call, fault.when) == (call, when):
                fault.left -= 1
                if not fault.left:
                    due.append(fault)
        self._calls = [fault for fault in self._calls if fault not in due]
        for fault in due:
            fault.act()

    def at_operation(self, operation: Operation) -> None:
        """Let happen what was asked for at this operation; raises Refusal or Overrun."""
        due = [fault for fault in self._operations if fault.matches(operation)]
        for fault in due:
            fault.left -= 1
            if not fault.left:
                self._operations.remove(fault)
        for fault in due:
            fault.act()
