"""Whatever the kernel does in the midst of a pass: nothing is lost, and the next one mends it.

Each fault is tried at every point where it can happen, until the scenario ends before it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from cni_route.reconcile import Outcome
from cni_route.view import EMPTY
from tests.fakes.faults import Call, Faults
from tests.unit.pods import FakePod, rule, view_of
from tests.unit.scenarios import SCENARIOS, Place, Scenario, place, suffer

ERRNOS = ("EEXIST", "ESRCH", "ENETDOWN", "ENOBUFS", "EPERM", "EINVAL", "ENETUNREACH")
all_scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
ways_on = pytest.mark.parametrize("restart", [False, True], ids=["going-on", "restarted"])
DISPLACE = next(s for s in SCENARIOS if s.name == "displace")


def times(happens: Callable[[int], bool]) -> int:
    """At how many points a fault happens; `happens` tries one, counted from 1."""
    return next(number for number in count(1) if not happens(number)) - 1


@ways_on
@all_scenarios
@pytest.mark.parametrize("name", ERRNOS)
def test_any_operation_refused(scenario: Scenario, name: str, restart: bool) -> None:
    def happens(nth: int) -> bool:
        def ask(made: Place) -> None:
            made.pod.kernel.faults.refuse(errno=getattr(errno, name), nth=nth)

        return suffer(scenario, ask, restart=restart, ordered=False)

    assert times(happens) >= 3


@ways_on
@all_scenarios
def test_an_overrun_after_any_operation(scenario: Scenario, restart: bool) -> None:
    def happens(nth: int) -> bool:
        return suffer(
            scenario, lambda made: made.pod.kernel.faults.overrun(done=nth - 1), restart=restart
        )

    assert times(happens) >= 3


@ways_on
@all_scenarios
@pytest.mark.parametrize(
    ("call", "when"),
    [
        ("open", "before"),
        *((call, when) for call in ("links", "dump", "apply") for when in ("before", "after")),
        ("close", "after"),
    ],
)
def test_any_call_that_fails(scenario: Scenario, call: Call, when: str, restart: bool) -> None:
    def happens(nth: int) -> bool:
        def ask(made: Place) -> None:
            made.pod.kernel.faults.fail(call, errno=errno.EIO, nth=nth, when=when)  # type: ignore[arg-type]

        return suffer(scenario, ask, restart=restart)

    assert times(happens) >= 1


# ---------------------------------------------------------------- refused again and again


@all_scenarios
@pytest.mark.parametrize("name", ERRNOS)
def test_every_operation_refused_for_a_while(scenario: Scenario, name: str) -> None:
    """Nothing is done, nothing given up; and it ends, instead of trying for ever."""

    def ask(made: Place) -> None:
        made.pod.kernel.faults.refuse(errno=getattr(errno, name), times=1000)

    with place() as made:
        made.go(scenario.before)
        before = made.pod.ns.dump()
        sent = made.pod.kernel.writes
        ask(made)
        outcome = made.go(scenario.after, scenario.options)
        assert made.pod.kernel.writes - sent < 200
        assert made.pod.ns.dump() == before
        made.check(outcome)
        assert outcome.retry
        assert outcome.written == 0


@pytest.mark.parametrize("scenario", SCENARIOS[:4], ids=[s.name for s in SCENARIOS[:4]])
def test_a_single_operation_refused_is_that_rules_failure_alone(scenario: Scenario) -> None:
    """All other rules are served, and one verdict says what happened."""
    for target in scenario.after.compiled.groups:
        with place() as made:
            made.go(scenario.before)
            made.pod.kernel.faults.refuse(
                lambda operation, key=target: (
                    getattr(operation.subject, "key", None) == key  # type: ignore[misc]
                    and getattr(operation.subject, "protocol", 0) == 114
                    and operation.verb != "delete"
                ),
                errno=errno.EPERM,
                times=100,
            )
            outcome = made.go(scenario.after, scenario.options)
            made.check(outcome)
            failed = [(v.dst, v.code, v.reason) for v in outcome.verdicts if v.outcome == "failed"]
            reason = "the kernel does not let us; is CAP_NET_ADMIN there?"
            assert failed == [(str(target.dst), "NotPermitted", reason)]
            own = {r.key for r in made.pod.ns.dump() if r.protocol == 114}
            assert own == set(scenario.after.compiled.groups) - {target}


def test_a_displaced_route_that_cannot_be_put_back_is_owed(tmp_path: Path) -> None:
    """Ours goes all the same; the copy carries the traffic, and nobody forgets."""
    pod = FakePod(tmp_path)
    pod.go(view_of(rule("default", via="10.124.2.1"), rule("10.9.0.0/16")))
    seen = pod.ns.watch("192.0.2.1")
    pod.kernel.faults.refuse(
        lambda operation: operation.verb != "delete" and operation.subject.protocol == 3,
        errno=errno.EINVAL,
        times=100,
    )
    outcome = pod.go(EMPTY)
    copy = "0.0.0.0/0 via 10.244.1.1 dev eth0 proto 115 metric 4278190083"
    assert pod.routes(114) == []
    assert pod.routes(115) == [copy]
    assert None not in seen
    assert outcome.retry
    assert [str(entry.route.key.dst) for entry in outcome.owed] == ["0.0.0.0/0"]
    pod.kernel.faults = Faults()
    outcome = pod.go(EMPTY)
    assert (outcome.retry, outcome.owed) == (False, ())
    assert pod.routes(3)[0] == "0.0.0.0/0 via 10.244.1.1 dev eth0 proto 3"
    assert pod.routes(115) == []
    assert None not in seen


def test_a_copy_that_cannot_be_put_back_is_tried_again(tmp_path: Path) -> None:
    """A flap of its NIC took it; until it is there, the record alone knows the route."""
    pod = FakePod(tmp_path)
    view = view_of(rule("default", via="10.124.2.1"))
    pod.go(view)
    pod.ns.set_down("eth0")
    pod.ns.set_up("eth0")
    pod.kernel.faults.refuse(errno=errno.ENOBUFS, times=100)
    pod.memory.doubt(link_changed=True)
    outcome = pod.go(view)
    assert outcome.retry
    assert (pod.routes(115), len(outcome.record.displaced)) == ([], 1)
    pod.kernel.faults = Faults()
    assert not pod.go(view).retry
    assert len(pod.routes(115)) == 1


# ---------------------------------------------------------------- the namespace goes


@all_scenarios
@pytest.mark.parametrize("call", ["open", "links", "dump", "apply", "close"])
def test_a_namespace_that_vanishes_at_any_call(scenario: Scenario, call: Call) -> None:
    def happens(nth: int) -> bool:
        with place() as made:
            made.go(scenario.before)
            pod = made.pod
            pod.kernel.faults.rival(lambda: pod.kernel.vanish(pod.ns), call=call, nth=nth)
            ended = made.try_go(scenario.after, scenario.options)
            assert pod.kernel.open_tables == []
            with pod.sandboxes.lock("pod1", 0.0):
                pass
            assert pod.said == []
            if pod.kernel.faults.unused():
                return False
            if isinstance(ended, Outcome):
                assert call == "close"
            else:
                assert ended.errno == (errno.EBADF if call == "open" else errno.ENODEV)
            again = made.try_go(scenario.after, scenario.options)
            assert isinstance(again, OSError)
            assert again.errno == errno.EBADF
        return True

    assert times(happens) >= 1


def test_a_namespace_that_vanishes_at_any_operation() -> None:
    """An apply that began ends, on a namespace that only we still hold."""

    def happens(nth: int) -> bool:
        with place() as made:
            pod = made.pod
            pod.kernel.faults.rival_at_operation(lambda: pod.kernel.vanish(pod.ns), nth=nth)
            ended = made.try_go(DISPLACE.after)
            assert pod.kernel.open_tables == []
            assert isinstance(ended, OSError) == (not pod.kernel.faults.unused())
            return not pod.kernel.faults.unused()

    assert times(happens) >= 10
