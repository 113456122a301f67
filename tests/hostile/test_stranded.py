"""A thread that is stuck in a pod's network ends the service, wherever that befalls it.

What it opened from then on would be the pod's. Whoever runs the service starts it again.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.hostile import stranded
from tests.hostile.crowd import ROUTE_FILE, Crowd, Sandbox
from tests.node.node import until
from tests.node.service import LOG, PATIENCE, Service

TRAP = "/run/strand"
FIRST, SECOND = "172.16.0.0/16", "172.17.0.0/16"
Visit = Callable[[Crowd, Sandbox], object]

VISITS: dict[str, tuple[str, Visit]] = {
    "a Route was edited": ("loop", lambda crowd, _: crowd.want(SECOND)),
    "a route was deleted by hand": ("loop", lambda crowd, pod: crowd.flush(pod.number)),
    "an ADD": ("call", lambda crowd, _: crowd.call("ADD", crowd.make(1))),
    "a CHECK": ("call", lambda crowd, pod: crowd.call("CHECK", pod)),
    "a look": ("query", lambda crowd, pod: crowd.ask("show", pod=f"default/{pod.name}")),
    "a cleanup": ("query", lambda crowd, _: crowd.ask("cleanup")),
}


@contextmanager
def running(crowd: Crowd) -> Iterator[subprocess.Popen[bytes]]:
    """The service with the kernel that strands threads."""
    service = Service(crowd.node)
    with crowd.node.path(LOG).open("ab") as log:
        words = (sys.executable, stranded.__file__, TRAP, *service.arguments)
        process = crowd.node.popen(*words, stderr=log)
    try:
        until(service.answers, "the service answers", PATIENCE)
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", VISITS)
def test_a_thread_stuck_in_a_pod_ends_the_service(crowd: Crowd, name: str) -> None:
    where, visit = VISITS[name]
    crowd.want(FIRST)
    pod = crowd.make(0)
    with running(crowd) as process:
        assert crowd.call("ADD", pod).exit_code == 0
        assert crowd.own(0) == {FIRST}
        crowd.node.path(TRAP).write_text(where, encoding="ascii")
        caller = threading.Thread(target=quietly, args=(visit, crowd, pod))
        caller.start()
        try:
            code = process.wait(PATIENCE)
        finally:
            caller.join(PATIENCE)
    assert code == 1
    log = crowd.node.path(LOG).read_text()
    assert "died: StrandedThread: no way out of a pod's namespace" in log
    assert "ending, all routes stay in place" in log
    with Service(crowd.node):
        until(lambda: crowd.own(0) == wanted(crowd), "the next one does what is left", PATIENCE)


def quietly(visit: Visit, crowd: Crowd, pod: Sandbox) -> None:
    """A caller whose service ends has no answer."""
    with suppress(OSError, ValueError):
        visit(crowd, pod)


def wanted(crowd: Crowd) -> set[str]:
    """What the folder says."""
    return {SECOND} if SECOND in crowd.node.path(ROUTE_FILE).read_text() else {FIRST}
