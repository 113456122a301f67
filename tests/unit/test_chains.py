"""New NICs are left alone until whatever makes them is done, and not a moment longer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.model import Link
from cni_route.record import Attachment
from sync_service.chains import Chains, Lore, Waits
from tests.unit.loop_node import DEADLINE, OWN, RULE, Node, wait
from tests.unit.pods import rule, view_of

LO = Link(1, "lo", loopback=True)
ETH0 = Link(2, "eth0")
ETH1 = Link(3, "eth1")
WAITS = Waits(settle=0.05, longest=5.0)


def finished(chains: Chains) -> list[str]:
    return sorted(f"{name}#{index}" for name, index in chains.finished)


def lore(called: str = "", uncalled: str = "") -> Lore:
    made = Lore()
    made.call(called.split())
    made.silence(uncalled.split())
    return made


def test_a_new_nic_is_finished_once_it_has_been_quiet() -> None:
    chains, known = Chains(), lore(uncalled="eth0")
    chains.see([LO, ETH0], 100.0)
    assert chains.wait(known, WAITS, 100.0) == 100.05
    chains.event(100.03)
    assert chains.wait(known, WAITS, 100.06) == pytest.approx(100.08)
    assert finished(chains) == []
    assert chains.wait(known, WAITS, 100.09) is None
    assert finished(chains) == ["eth0#2"]


def test_a_nic_that_is_never_quiet_is_finished_in_the_end() -> None:
    chains, known = Chains(), lore(uncalled="eth0")
    chains.see([ETH0], 100.0)
    for tenths in range(1, 50):
        chains.event(100 + tenths / 10)
        assert chains.wait(known, WAITS, 100.01 + tenths / 10) is not None
    assert chains.wait(known, WAITS, 105.0) is None
    assert finished(chains) == ["eth0#2"]


def test_a_nic_whose_name_tells_nothing_must_be_quiet_for_longer_and_teaches() -> None:
    chains, known = Chains(), lore()
    chains.see([ETH0, ETH1], 100.0)
    chains.finish(lambda name: name == "eth0")
    assert chains.wait(known, WAITS, 100.9) == 101.0
    assert chains.wait(known, WAITS, 101.0) is None
    assert finished(chains) == ["eth0#2", "eth1#3"]
    assert known.uncalled == {"eth1"}
    known.call(["eth1"])
    assert (known.called, known.uncalled) == ({"eth1"}, set())
    known.silence(["eth1"])
    assert known.uncalled == set(), "what came once will come again"


def test_a_nic_whose_add_is_to_come_is_waited_for_longest() -> None:
    chains = Chains()
    chains.see([ETH0, ETH1], 100.0)
    chains.finish(lambda name: name == "eth0")
    assert chains.wait(lore(called="eth1"), WAITS, 104.9) == 105.0
    assert finished(chains) == ["eth0#2"]
    assert chains.wait(lore(called="eth1"), WAITS, 105.0) is None
    assert finished(chains) == ["eth0#2", "eth1#3"]


def test_a_nic_that_flaps_stays_finished_and_one_made_again_need_only_be_quiet() -> None:
    chains = Chains()
    chains.see([ETH1], 100.0)
    chains.finish(lambda _: True)
    chains.see([ETH1._replace(up=False, carrier=False)], 101.0)
    assert finished(chains) == ["eth1#3"]
    chains.see([], 102.0)
    assert finished(chains) == []
    chains.see([ETH1._replace(ifindex=9)], 103.0)
    assert chains.wait(lore(called="eth1"), WAITS, 103.0) == 103.05


def test_a_nic_that_goes_is_waited_for_no_more() -> None:
    chains = Chains()
    chains.see([ETH0, ETH1], 100.0)
    chains.see([ETH0], 100.01)
    assert chains.wait(lore(), WAITS, 102.0) is None
    assert finished(chains) == ["eth0#2"]


# ---------------------------------------------------------------- in the loop


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Node]:
    node = Node(tmp_path)
    node.waits = Waits(settle=0.005, longest=600)
    thread = threading.Thread(target=node.loop.run, daemon=True)
    thread.start()
    yield node
    node.loop.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()


def add(node: Node, name: str, *ifnames: str) -> None:
    """An ADD of ours for the last of these NICs; a NIC that is not there yet comes first."""
    record = node.sandboxes.load(f"c-{name}") or node.add(name, nics=ifnames, adopt=False)
    namespace = node.namespaces[f"ns/{name}"]
    attachments = tuple(Attachment(f"net-{ifname}", ifname) for ifname in ifnames)
    record = record._replace(attachments=attachments)
    node.sandboxes.save(record)
    node.loop.pass_over(record, namespace.descriptor, False)


def plug(node: Node, name: str) -> None:
    """Another NIC comes to a pod, and the kernel says so."""
    node.namespaces[f"ns/{name}"].add_link("eth1", "10.124.2.5/24")
    node.loop.event(f"c-{name}")


def test_an_add_has_all_nics_in_place(running: Node) -> None:
    running.see(view_of(rule(RULE)))
    running.add("a", nics=("eth0", "eth1"), adopt=False)
    add(running, "a", "eth0")
    assert running.own("a") == [OWN]


def test_a_nic_that_comes_later_has_its_routes_soon(running: Node) -> None:
    running.see(view_of(rule(RULE)))
    add(running, "a", "eth0")
    plug(running, "a")
    wait(lambda: running.codes("a") == {"ChainAtWork"} or running.own("a") == [OWN])
    wait(lambda: running.own("a") == [OWN])
    wait(lambda: running.state("a") == "ok")


def test_a_nic_whose_add_is_to_come_is_left_alone_until_then(running: Node) -> None:
    running.see(view_of(rule(RULE)))
    add(running, "first", "eth0")
    add(running, "first", "eth0", "eth1")
    add(running, "a", "eth0")
    plug(running, "a")
    wait(lambda: running.codes("a") == {"ChainAtWork"})
    running.loop.rest(DEADLINE)
    running.see(view_of(rule(RULE), rule("172.17.0.0/16")))
    wait(lambda: running.loop.rest(DEADLINE) is None and running.codes("a") == {"ChainAtWork"})
    assert running.own("a") == []
    seen = running.loop.look("c-a")
    assert seen is not None
    assert {v.code for v in seen.verdicts} == {"ChainAtWork"}
    add(running, "a", "eth0", "eth1")
    assert len(running.own("a")) == 2


def test_an_add_leaves_the_nic_alone_whose_own_add_is_to_come(running: Node) -> None:
    """Both lists of a pod at once: eth0's is done, eth1 is there, its list still at work."""
    running.see(view_of(rule(RULE)))
    add(running, "first", "eth0")
    add(running, "first", "eth0", "eth1")
    running.add("a", nics=("eth0", "eth1"), adopt=False)
    add(running, "a", "eth0")
    assert running.own("a") == []
    add(running, "a", "eth0", "eth1")
    assert running.own("a") == [OWN]


def test_a_nic_made_again_has_its_routes_soon(running: Node) -> None:
    running.see(view_of(rule(RULE)))
    add(running, "a", "eth0")
    plug(running, "a")
    add(running, "a", "eth0", "eth1")
    running.namespaces["ns/a"].remove_link("eth1")
    running.loop.event("c-a")
    wait(lambda: running.loop.rest(DEADLINE) is None and running.own("a") == [])
    plug(running, "a")
    wait(lambda: running.own("a") == [OWN])


def test_a_sandbox_with_an_old_record_is_finished_when_it_is_found(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.waits = Waits(settle=600, longest=-1)  # any record is old enough
    node.add("a")
    node.see(view_of(rule(RULE)))
    assert node.passes.run(node.loop._pods["c-a"]) == "done"
    assert node.own("a") == [OWN]


def test_of_a_young_record_the_nics_that_had_their_adds_are(tmp_path: Path) -> None:
    node = Node(tmp_path)
    node.waits = Waits(settle=600, longest=600)
    record = node.add("a", adopt=False)._replace(attachments=(Attachment("net", "eth1"),))
    node.sandboxes.save(record)
    node.loop.adopt(record)
    node.see(view_of(rule(RULE), rule("172.17.0.0/16", "eth0")))
    for _ in range(2):
        node.passes.run(node.loop._pods["c-a"])
    assert node.own("a") == [OWN]
    assert node.codes("a") == {"", "ChainAtWork"}
