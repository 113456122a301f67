"""Twenty pods started at once by containerd, with eth0 and eth1 from two CNI lists each.

containerd runs the two chains of a pod side by side: either NIC may come first.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.node.documents import expected
from tests.node.folder import wait_for
from tests.node.lists import OWN
from tests.node.node import Node
from tests.node.service import Service
from tests.runtime.batch import Started, start, stop
from tests.runtime.containerd import Containerd
from tests.runtime.follow import Followers, percentiles
from tests.runtime.lists import write_lists

PODS = 20
ALL = expected("eth0")
OF = {nic: [line for line in ALL if f"dev {nic}" in line] for nic in ("eth0", "eth1")}

Figure = Callable[[str, str], None]


def rounds(soak: bool) -> list[bool]:
    """How often twenty pods are started; True for the last time, when they need not be stopped."""
    return [False] * (9 if soak else 0) + [True]


def assert_all_at_the_first_act(found: list[Started], wanted: list[str] = ALL) -> None:
    """Every container found these routes; a failure names what was missing, by pod."""
    assert {pod.name: missing for pod in found if (missing := pod.missing(wanted))} == {}


def test_with_the_entry_in_both_lists_a_container_finds_every_rule_at_its_first_act(
    node: Node, containerd: Containerd, service: Service, soak: bool
) -> None:
    write_lists(node)
    service.start()
    containerd.start()
    for last in rounds(soak):
        found = start(containerd, PODS)
        assert_all_at_the_first_act(found)
        assert [pod.own() for pod in found] == [ALL] * PODS
        if not last:
            stop(containerd, found)


@pytest.mark.only("distribution")
def test_so_does_one_whose_plugin_was_alone(
    node: Node, containerd: Containerd, service: Service, soak: bool
) -> None:
    """Both chains' plugins do it themselves, side by side, by the snapshot of a killed service."""
    write_lists(node, entry={**OWN, "timeoutMs": 100})
    service.start()
    containerd.start()
    service.kill()
    for last in rounds(soak):
        found = start(containerd, PODS)
        assert_all_at_the_first_act(found)
        assert [pod.own() for pod in found] == [ALL] * PODS
        if not last:
            stop(containerd, found)


@pytest.mark.only("distribution")
def test_so_does_one_that_started_while_the_service_was_killed_again_and_again(
    node: Node, containerd: Containerd, service: Service, soak: bool
) -> None:
    write_lists(node)
    service.start()
    containerd.start()
    kills = 0
    while True:
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(start, containerd, PODS)
            while not job.done():
                service.kill()
                service.start()
                kills += 1
        assert_all_at_the_first_act(job.result())
        if kills >= (50 if soak else 3):
            return
        stop(containerd, job.result())


@pytest.mark.parametrize("nic", ["eth0", "eth1"])
def test_with_the_entry_in_one_list_the_other_nic_s_rules_follow_by_themselves(
    containerd: Containerd, service: Service, soak: bool, figure: Figure, nic: str
) -> None:
    """Here the other NIC comes late; the rules of the list's own NIC do not wait for it."""
    node, other = containerd.node, {"eth0": "eth1", "eth1": "eth0"}[nic]
    write_lists(node, [nic], slow=other)
    service.start()
    containerd.start()
    wait_for(start(containerd, 1)[0], ALL, 30)  # tells the service that no ADD names the other NIC
    waited, late = [], 0
    for last in rounds(soak):
        with Followers(node, other) as followers:
            found = start(containerd, PODS)
            assert_all_at_the_first_act(found, OF[nic])
            for each in found:
                wait_for(each, ALL, 30)
            waited += followers.seconds()
        late += sum(bool(each.missing(ALL)) for each in found)
        if not last:
            stop(containerd, found)
    assert len(waited) >= PODS / 2, f"{other} came late in {len(waited)} pods only"
    what = f"containerd {containerd.cri.version()}, entry in {nic}'s list, {other} late"
    figure(f"{what}: its rules after its own routes", percentiles(waited))
    figure(f"{what}: containers without them at their first act", f"{late} of {len(waited)}")
