"""The record in the midst of a pass: the disk refuses it, somebody else writes it, it is lost."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from cni_route.reconcile import Outcome
from cni_route.record import Attachment
from cni_route.view import EMPTY
from tests.fakes.faults import Call
from tests.kernel.namespaces import needs_root
from tests.unit.disks import make_read_only, make_writable, on_a_small_disk
from tests.unit.pods import FakePod, rule, view_of
from tests.unit.scenarios import (
    CLEANUP,
    SCENARIOS,
    Place,
    Scenario,
    as_it_should_end,
    content,
)

UNWRITABLE = "the record of pod1 cannot be written: Read-only file system"
ORIGINAL = ["0.0.0.0/0 via 10.244.1.1 dev eth0 proto 3", "::/0 via fd00:244::1 dev eth0 proto 3"]
CALLS: tuple[Call, ...] = ("open", "links", "dump", "apply", "close")


def codes(outcome: Outcome) -> dict[str, tuple[str, str, str]]:
    return {v.dst: (v.outcome, v.code, v.reason) for v in outcome.verdicts}


# ---------------------------------------------------------------- a disk that is read-only


@needs_root
def test_what_cannot_be_recorded_is_not_displaced(tmp_path: Path) -> None:
    """And the verdict says so; what is in nobody's way is served."""

    def act() -> None:
        pod = FakePod(tmp_path)
        view = view_of(rule("default", via="10.124.2.1"), rule("172.16.0.0/16"))
        pod.go(EMPTY)
        make_read_only(tmp_path)
        outcome = pod.go(view)
        assert pod.routes() == [*ORIGINAL[:1], "172.16.0.0/16 dev eth1 proto 114", *ORIGINAL[1:]]
        assert codes(outcome) == {
            "0.0.0.0/0": ("failed", "CannotDisplace", UNWRITABLE),
            "172.16.0.0/16": ("applied", "", ""),
        }
        assert (outcome.error, outcome.retry) == (UNWRITABLE, True)
        before = pod.kernel.writes
        outcome = pod.go(view)
        assert (pod.kernel.writes, outcome.retry) == (before, True)
        make_writable(tmp_path)
        outcome = pod.go(view)
        assert (outcome.error, outcome.retry) == ("", False)
        assert "0.0.0.0/0 via 10.124.2.1 dev eth1 proto 114" in pod.routes()
        pod.go(EMPTY)
        assert pod.routes() == ORIGINAL

    on_a_small_disk(tmp_path, act)


@needs_root
@pytest.mark.parametrize("restart", [False, True], ids=["going-on", "restarted"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
def test_a_disk_that_fails_at_any_moment(scenario: Scenario, tmp_path: Path, restart: bool) -> None:
    """At each call to the kernel; later it can be written again."""
    whole, original = as_it_should_end(scenario, ordered=True)

    def act(call: Call, nth: int) -> bool:
        made = Place(tmp_path)
        made.go(scenario.before)
        made.pod.kernel.faults.rival(lambda: make_read_only(tmp_path), call=call, nth=nth)
        ended = made.go(scenario.after, scenario.options)
        if made.pod.kernel.faults.unused():
            return False
        made.check(ended)
        if content(made) != whole:
            assert ended.retry
        made.check(made.go(scenario.after, scenario.options, restart=restart))
        make_writable(tmp_path)
        again = made.go(scenario.after, scenario.options)
        made.check(again)
        assert (content(made), again.retry, again.error) == (whole, False, "")
        made.check(made.go(EMPTY, CLEANUP, restart=restart))
        assert content(made) == original
        return True

    points = [(call, nth) for call in CALLS for nth in (1, 2, 3)]
    happened = [on_a_small_disk(tmp_path, partial(act, *point)) for point in points]
    assert sum(happened) >= 5


# ---------------------------------------------------------------- a record that others write


def test_the_record_of_another_writer_holds(tmp_path: Path) -> None:
    """An ADD beside the service: its attachment's rules are served, and not forgotten."""
    pod = FakePod(tmp_path)
    pod.go(view_of(rule("default", via="10.124.2.1")))
    record = pod.sandboxes.load("pod1")
    assert record is not None
    own = (rule("172.20.0.0/16")._replace(path="routes[0]"),)
    pod.sandboxes.save(record._replace(attachments=(Attachment("ovn", "eth1", (), own),)))
    outcome = pod.go(pod.last)
    assert "172.20.0.0/16 dev eth1 proto 114" in pod.routes(114)
    assert outcome.record.attachments == (Attachment("ovn", "eth1", (), own),)
    assert len(outcome.record.displaced) == 1
    pod.go(EMPTY, CLEANUP)
    assert pod.routes() == ORIGINAL


@pytest.mark.parametrize("kept", ["memory", "nothing"])
@pytest.mark.parametrize("how", ["set aside", "made anew", "of another version"])
def test_a_record_that_is_lost_loses_no_route(tmp_path: Path, kept: str, how: str) -> None:
    """Kernel copy or record: either suffices, whether the service goes on or starts again."""
    pod = FakePod(tmp_path)
    view = view_of(rule("default", via="10.124.2.1"), rule("default6", via="fd00:124::1"))
    pod.go(view)
    record = pod.sandboxes.load("pod1")
    assert record is not None
    path = Path(pod.sandboxes.folder, "pod1.json")
    if how == "set aside":
        path.write_bytes(b"garbage")
    elif how == "of another version":
        path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":9'))
    assert (pod.sandboxes.load("pod1") is None) == (how != "made anew")
    pod.sandboxes.save(record._replace(displaced=(), applied=frozenset()))  # as discovery would
    outcome = pod.go(view, fresh=kept == "nothing")
    assert len(outcome.record.displaced) == 2
    assert len(pod.routes(115)) == 2
    pod.go(EMPTY, CLEANUP)
    assert pod.routes() == ORIGINAL
