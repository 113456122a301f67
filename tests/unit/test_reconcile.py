"""reconcile on the fake kernel: what users see of it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from cni_route.address import Address
from cni_route.reconcile import Options, reconcile
from cni_route.record import Attachment
from cni_route.view import EMPTY
from tests.unit.pods import FakePod, rule, svc, view_of


@pytest.fixture
def pod(tmp_path: Path) -> FakePod:
    return FakePod(tmp_path)


DEFAULT4_ETH0 = "0.0.0.0/0 via 10.244.1.1 dev eth0 proto 3"
DEFAULT6_ETH0 = "::/0 via fd00:244::1 dev eth0 proto 3"
ORIGINAL = [DEFAULT4_ETH0, DEFAULT6_ETH0]


def test_a_rule_becomes_an_own_route_and_goes_again(pod: FakePod) -> None:
    outcome = pod.go(view_of(rule("172.16.0.0/16"), rule("10.124.0.0/16", via="10.124.2.1")))
    assert pod.routes(114) == [
        "10.124.0.0/16 via 10.124.2.1 dev eth1 proto 114",
        "172.16.0.0/16 dev eth1 proto 114",
    ]
    assert [v.outcome for v in outcome.verdicts] == ["applied", "applied"]
    assert outcome.written == 2
    assert not outcome.retry
    pod.go(EMPTY)
    assert pod.routes() == ORIGINAL


def test_a_second_pass_writes_nothing(pod: FakePod) -> None:
    view = view_of(rule("172.16.0.0/16"), rule("default", via="10.124.2.1"), rule("fd01::/64"))
    pod.go(view)
    for fresh in (False, True):
        before = pod.kernel.writes
        outcome = pod.go(view, fresh=fresh)
        assert pod.kernel.writes == before
        assert outcome.written == 0
        assert {v.outcome for v in outcome.verdicts} == {"applied"}


@pytest.mark.parametrize(
    ("dst", "via", "own", "original"),
    [
        ("default", "10.124.2.1", "0.0.0.0/0 via 10.124.2.1 dev eth1 proto 114", DEFAULT4_ETH0),
        ("default6", "fd00:124::1", "::/0 via fd00:124::1 dev eth1 proto 114", DEFAULT6_ETH0),
    ],
)
def test_the_default_route_is_displaced_and_comes_back(
    pod: FakePod, dst: str, via: str, own: str, original: str
) -> None:
    address = "192.0.2.1" if dst == "default" else "2001:db8::1"
    seen = pod.ns.watch(address)
    pod.go(view_of(rule(dst, via=via)))
    routes = pod.routes()
    assert own in routes
    assert original not in routes
    copies = pod.routes(115)
    metric = 0xFF000000 + ((1024 if dst == "default6" else 0) << 8) + 3
    assert copies == [original.replace("proto 3", f"proto 115 metric {metric}")]
    record = pod.sandboxes.load("pod1")
    assert record is not None
    assert len(record.displaced) == 1
    pod.go(EMPTY, fresh=True)
    assert pod.routes() == ORIGINAL
    record = pod.sandboxes.load("pod1")
    assert record is not None
    assert record.displaced == ()
    assert all(route is not None for route in seen)


def test_a_displaced_route_comes_back_without_its_record(pod: FakePod) -> None:
    pod.go(view_of(rule("default", via="10.124.2.1"), rule("default6", via="fd00:124::1")))
    record = pod.sandboxes.load("pod1")
    assert record is not None
    pod.sandboxes.save(record._replace(displaced=()))
    pod.go(EMPTY, fresh=True)
    assert pod.routes() == ORIGINAL


def test_a_displaced_route_comes_back_without_its_copy(pod: FakePod) -> None:
    pod.go(view_of(rule("default", via="10.124.2.1")))
    for route in pod.ns.dump():
        if route.protocol == 115:
            pod.ns.route("default via 10.244.1.1 dev eth0 proto 115 metric 4278190083", "delete")
    assert pod.routes(115) == []
    pod.go(EMPTY, fresh=True)
    assert pod.routes() == ORIGINAL


def test_a_flap_of_the_new_nic_leaves_the_copy_and_up_brings_ours_back(pod: FakePod) -> None:
    view = view_of(rule("default", via="10.124.2.1"))
    pod.go(view)
    pod.ns.set_down("eth1")
    pod.memory.doubt()
    outcome = pod.go(view)
    assert pod.routes(114) == []
    assert len(pod.routes(115)) == 1
    assert [v.code for v in outcome.verdicts] == ["LinkDown"]
    pod.ns.set_up("eth1")
    pod.memory.doubt()
    outcome = pod.go(view)
    assert pod.routes(114) == ["0.0.0.0/0 via 10.124.2.1 dev eth1 proto 114"]
    pod.go(EMPTY)
    assert pod.routes() == ORIGINAL


def test_a_flap_of_the_displaced_nic_puts_the_copy_back(pod: FakePod) -> None:
    view = view_of(rule("default", via="10.124.2.1"))
    pod.go(view)
    pod.ns.set_down("eth0")
    pod.memory.doubt()
    pod.go(view)
    assert pod.routes(115) == []
    pod.ns.set_up("eth0")
    pod.memory.doubt()
    pod.go(view)
    assert len(pod.routes(115)) == 1
    pod.go(EMPTY)
    assert DEFAULT4_ETH0 in pod.routes()


def test_a_nic_made_again_gets_its_routes(pod: FakePod) -> None:
    view = view_of(rule("172.16.0.0/16"))
    pod.go(view)
    pod.ns.remove_link("eth1")
    pod.memory.doubt()
    outcome = pod.go(view)
    assert [v.code for v in outcome.verdicts] == ["NoSuchDevice"]
    pod.ns.add_link("eth1", "10.124.2.5/24")
    pod.memory.doubt()
    pod.go(view)
    assert pod.routes(114) == ["172.16.0.0/16 dev eth1 proto 114"]


def test_a_foreign_route_that_is_just_so_satisfies(pod: FakePod) -> None:
    pod.ns.route("172.16.0.0/16 dev eth1")
    before = pod.kernel.writes
    outcome = pod.go(view_of(rule("172.16.0.0/16")))
    assert pod.kernel.writes == before
    assert [v.outcome for v in outcome.verdicts] == ["applied"]


def test_a_service_switches_nics_in_one_step(pod: FakePod) -> None:
    services = {"nginx": "10.96.0.10 fd00:96::10"}
    pod.go(view_of(svc("nginx", "eth0", "auto"), services=services))
    assert pod.routes(114) == [
        "10.96.0.10/32 via 10.244.1.1 dev eth0 proto 114",
        "fd00:96::10/128 via fd00:244::1 dev eth0 proto 114",
    ]
    pod.ns.route("10.200.0.0/16 via 10.124.2.1 dev eth1")
    pod.ns.route("fd00:200::/64 via fd00:124::1 dev eth1")
    pod.memory.doubt()
    before = pod.kernel.writes
    pod.go(view_of(svc("nginx", "eth1", "auto"), services=services))
    assert pod.routes(114) == [
        "10.96.0.10/32 via 10.124.2.1 dev eth1 proto 114",
        "fd00:96::10/128 via fd00:124::1 dev eth1 proto 114",
    ]
    assert pod.kernel.writes == before + 2


def test_a_service_that_is_missing_is_pending_and_heals(pod: FakePod) -> None:
    outcome = pod.go(view_of(svc("nginx", via="10.124.2.1")))
    assert [(v.outcome, v.reason) for v in outcome.verdicts] == [
        ("pending", "Service default/nginx does not exist")
    ]
    pod.go(view_of(svc("nginx", via="10.124.2.1"), services={"nginx": "10.96.0.10"}))
    assert pod.routes(114) == ["10.96.0.10/32 via 10.124.2.1 dev eth1 proto 114"]


def test_a_changed_cluster_ip_goes_in_before_the_old_one_goes_out(pod: FakePod) -> None:
    pod.go(view_of(svc("nginx"), services={"nginx": "10.96.0.10"}))
    done = len(pod.kernel.log)
    pod.go(view_of(svc("nginx"), services={"nginx": "10.96.0.11"}))
    assert [e.operation.verb for e in pod.kernel.log[done:]] == ["add", "delete"]
    assert pod.routes(114) == ["10.96.0.11/32 dev eth1 proto 114"]


def test_auto_takes_the_gateway_of_the_cni_result(tmp_path: Path) -> None:
    attachment = Attachment("ovn", "eth1", (Address.parse("10.124.2.1"),))
    pod = FakePod(tmp_path, attachments=(attachment,))
    pod.go(view_of(rule("default", via="auto")))
    assert pod.routes(114) == ["0.0.0.0/0 via 10.124.2.1 dev eth1 proto 114"]


def test_auto_without_a_gateway_waits(pod: FakePod) -> None:
    outcome = pod.go(view_of(rule("default", via="auto")))
    assert [(v.outcome, v.code) for v in outcome.verdicts] == [("pending", "NoGatewayKnown")]
    assert pod.routes() == ORIGINAL


def test_a_gateway_off_the_link_is_that_rules_failure_alone(pod: FakePod) -> None:
    view = view_of(rule("172.16.0.0/16"), rule("172.17.0.0/16", via="192.0.2.9"))
    outcome = pod.go(view)
    assert pod.routes(114) == ["172.16.0.0/16 dev eth1 proto 114"]
    assert [(v.outcome, v.code) for v in outcome.verdicts] == [
        ("applied", ""),
        ("failed", "NoSuchGateway"),
    ]
    assert outcome.verdicts[1].reason == "gateway 192.0.2.9 is not on-link on eth1"
    assert outcome.retry
    # and it heals by itself
    pod.ns.add_address("eth1", "192.0.2.5/24")
    outcome = pod.go(view)
    assert not outcome.retry
    assert len(pod.routes(114)) == 2


def test_a_refused_default_leaves_the_foreign_one_alone(pod: FakePod) -> None:
    outcome = pod.go(view_of(rule("default", via="192.0.2.9")))
    assert [v.code for v in outcome.verdicts] == ["NoSuchGateway"]
    assert pod.routes() == ORIGINAL


def test_a_route_deleted_by_hand_comes_back(pod: FakePod) -> None:
    view = view_of(rule("172.16.0.0/16"))
    pod.go(view)
    pod.ns.route("172.16.0.0/16 dev eth1 proto 114 scope link", "delete")
    pod.memory.doubt()
    pod.go(view)
    assert pod.routes(114) == ["172.16.0.0/16 dev eth1 proto 114"]


def test_a_removed_sandbox_does_not_come_back(pod: FakePod) -> None:
    record = pod.sandboxes.load("pod1")
    assert record is not None
    pod.sandboxes.remove("pod1")
    outcome = reconcile(
        record,
        view_of(rule("172.16.0.0/16")),
        pod.kernel,
        pod.sandboxes,
        namespace=pod.ns.descriptor,
    )
    assert "was removed" in outcome.error
    assert pod.kernel.writes == 0
    assert pod.sandboxes.load("pod1") is None


def test_a_change_is_not_forgotten_when_the_namespace_could_not_be_opened(pod: FakePod) -> None:
    pod.go(EMPTY)
    with pytest.raises(OSError, match="Bad file descriptor"), pod.closed():
        pod.go(view_of(rule("172.16.0.0/16")))
    pod.go(pod.last)
    assert pod.routes(114) == ["172.16.0.0/16 dev eth1 proto 114"]


def test_a_dry_pass_plans_and_writes_nothing(pod: FakePod) -> None:
    outcome = pod.go(view_of(rule("default", via="10.124.2.1")), Options(dry=True))
    assert [op.verb for op in outcome.planned] == ["append", "replace"]
    assert pod.kernel.writes == 0
    assert pod.routes() == ORIGINAL


def test_only_add_takes_nothing_out(pod: FakePod) -> None:
    pod.go(view_of(rule("172.16.0.0/16")))
    pod.go(view_of(rule("172.17.0.0/16")), Options(only_add=True), fresh=True)
    assert len(pod.routes(114)) == 2
    pod.go(view_of(rule("172.17.0.0/16")), fresh=True)
    assert pod.routes(114) == ["172.17.0.0/16 dev eth1 proto 114"]


def test_cleanup_ignores_the_records_own_rules(tmp_path: Path) -> None:
    own = (rule("172.20.0.0/16"),)
    pod = FakePod(tmp_path, attachments=(Attachment("ovn", "eth1", (), own),))
    pod.go(EMPTY)
    assert pod.routes(114) == ["172.20.0.0/16 dev eth1 proto 114"]
    pod.go(EMPTY, Options(bare=True), fresh=True)
    assert pod.routes() == ORIGINAL


def test_a_nic_whose_chain_is_at_work_is_left_alone(pod: FakePod) -> None:
    view = view_of(rule("172.16.0.0/16"), rule("172.17.0.0/16", "eth0"))
    outcome = pod.go(view, Options(unfinished=frozenset(("eth1",))))
    assert pod.routes(114) == ["172.17.0.0/16 dev eth0 proto 114"]
    assert [(v.outcome, v.code) for v in outcome.verdicts] == [
        ("pending", "ChainAtWork"),
        ("applied", ""),
    ]
    pod.ns.route("172.16.0.0/16 dev eth1")  # as the chain would
    pod.memory.doubt()
    pod.go(view)
    assert pod.routes(114) == ["172.17.0.0/16 dev eth0 proto 114"]


def test_only_nics_known_to_be_finished_get_routes_where_that_is_asked(pod: FakePod) -> None:
    view = view_of(rule("172.16.0.0/16"), rule("172.17.0.0/16", "eth0"))
    eth0 = pod.ns.links()["eth0"].ifindex
    eth1 = pod.ns.links()["eth1"].ifindex
    pod.go(view, Options(finished=frozenset((("eth0", eth0),))))
    assert pod.routes(114) == ["172.17.0.0/16 dev eth0 proto 114"]
    pod.go(view, Options(finished=frozenset((("eth0", eth0), ("eth1", eth1)))))
    assert len(pod.routes(114)) == 2
    # made again under another index, it is another NIC
    pod.ns.remove_link("eth1")
    pod.ns.add_link("eth1", "10.124.2.5/24")
    pod.memory.doubt()
    pod.go(view, Options(finished=frozenset((("eth0", eth0), ("eth1", eth1)))))
    assert pod.routes(114) == ["172.17.0.0/16 dev eth0 proto 114"]


def test_a_nic_without_carrier_is_reported(pod: FakePod) -> None:
    pod.ns.set_carrier("eth1", False)
    outcome = pod.go(view_of(rule("172.16.0.0/16")))
    assert pod.routes(114) == ["172.16.0.0/16 dev eth1 proto 114"]
    assert [(v.outcome, v.code) for v in outcome.verdicts] == [("applied", "NoCarrier")]
    pod.ns.set_carrier("eth1", True)
    pod.memory.doubt(link_changed=True)
    assert [v.code for v in pod.go(pod.last).verdicts] == [""]


def test_what_never_fits_is_a_refusal_in_the_end(pod: FakePod) -> None:
    """Something under the key that no dump shows (a local route in main, say)."""
    view = view_of(rule("172.16.0.0/16"), rule("172.17.0.0/16"))
    pod.kernel.faults.refuse(
        lambda op: "172.16" in str(op.subject.key.dst),  # type: ignore[union-attr]
        errno=errno.EEXIST,
        times=50,
    )
    outcome = pod.go(view)
    assert [(v.outcome, v.code) for v in outcome.verdicts] == [
        ("failed", "Refused"),
        ("applied", ""),
    ]
    assert outcome.retry
    assert pod.sandboxes.load("pod1").applied == {outcome.wanted[0].key}  # type: ignore[union-attr]
