"""Nothing foreign is hurt, on the fake kernel."""

from __future__ import annotations

from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from tests.machine.foreign import ForeignMachine


def test_nothing_foreign_is_hurt(soak: bool) -> None:
    run_state_machine_as_test(
        ForeignMachine,
        settings=settings(
            max_examples=2000 if soak else 150, stateful_step_count=20, deadline=None
        ),
    )
