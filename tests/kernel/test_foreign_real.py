"""Nothing foreign is hurt, on the running kernel: the machine of tests/machine/foreign.py."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.foreign import ForeignMachine


class OnTheRunningKernel(ForeignMachine):
    """The same life, in two real namespaces."""

    kind = "real"


def test_nothing_foreign_is_hurt(soak: bool) -> None:
    run_state_machine_as_test(
        OnTheRunningKernel,
        settings=settings(
            max_examples=500 if soak else 30,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
