"""Many sandboxes: all at once, and one after another for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.hostile.crowd import Crowd, Held, resident_megabytes
from tests.node.service import Service

AT_ONCE = 250
MEGABYTES = 4.0  # that the service may have grown by after the warm-up
Figure = Callable[[str, str], None]


def test_a_node_that_comes_up_gets_all_its_pods_routes_at_their_birth(
    crowd: Crowd, service: Service, soak: bool, figure: Figure
) -> None:
    """250 ADDs at once, several times; each pod has its routes when its ADD is answered."""
    before = Held.by(service)
    seconds = []
    for number in range(10 if soak else 3):
        network = f"172.{17 + number}.0.0/16"
        crowd.want(network)
        crowd.wait_for_route(network)
        sandboxes = [crowd.make(n) for n in range(AT_ONCE)]
        began = time.perf_counter()
        answers = crowd.all_at_once("ADD", sandboxes)
        seconds.append(time.perf_counter() - began)
        assert {answer.exit_code for answer in answers} == {0}
        assert [n for n in range(AT_ONCE) if network not in crowd.own(n)] == []
        assert len(crowd.ask("pods")["items"]) == AT_ONCE
        answers = crowd.all_at_once("DEL", sandboxes)
        assert {(answer.exit_code, answer.stdout) for answer in answers} == {(0, b"")}
        before.wait(service)
    assert "Traceback" not in service.log()
    figure(f"{AT_ONCE} ADDs at once, all answered", f"{min(seconds) * 1000:.0f} ms")


def test_sandboxes_that_come_and_go_leave_nothing_behind(
    crowd: Crowd, service: Service, soak: bool, figure: Figure
) -> None:
    """2,000 of them (10,000 in the long run): memory, descriptors, threads and files as before."""
    before = Held.by(service)
    rounds = 40 if soak else 8
    come_and_go(crowd)
    come_and_go(crowd)
    before.wait(service)
    warm = resident_megabytes(service)
    for _ in range(rounds):
        come_and_go(crowd)
    before.wait(service)
    grown = resident_megabytes(service) - warm
    assert crowd.ask("pods")["items"] == []
    assert grown < MEGABYTES
    assert "Traceback" not in service.log()
    figure(f"memory after {rounds * AT_ONCE} sandboxes came and went", f"{grown:+.1f} MB")


def come_and_go(crowd: Crowd) -> None:
    """250 sandboxes made and removed, a few at a time."""
    for start in range(0, AT_ONCE, 25):
        sandboxes = [crowd.make(number) for number in range(start, start + 25)]
        for verb in ("ADD", "CHECK", "DEL", "DEL"):
            assert {a.exit_code for a in crowd.all_at_once(verb, sandboxes)} == {0}, verb
