"""CHECK: what is wanted now against what is there, in the service and alone."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from cni_route.cni.protocol import VERSIONS
from cni_route.reconcile import DEFAULTS
from cni_route.record import Record
from cni_route.view import EMPTY
from tests.cni.site import RESULT, Site
from tests.kernel.namespaces import needs_root
from tests.unit.pods import rule, view_of

pytestmark = needs_root

RULE = rule("172.16.0.0/16")
OWN_ROUTE = "172.16.0.0/16 dev eth1 proto 114"
CURRENT = [v for v in VERSIONS if VERSIONS.index(v) >= VERSIONS.index("0.4.0")]


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("version", CURRENT)
def test_check_right_after_an_add(site: Site, version: str, alone: bool) -> None:
    site.view = view_of(RULE, rule("default", via="10.124.2.1"), rule("10.9.0.0/16", dev="eth7"))
    site.result("ADD", {"cniVersion": version, "prevResult": RESULT})
    site.context = {"alone": alone}
    before = site.pod.kernel.writes
    for policy in ("Ignore", "Fail"):
        stdin = {"cniVersion": version, "prevResult": RESULT, "failurePolicy": policy}
        assert site.result("CHECK", stdin) is None
    assert site.pod.kernel.writes == before


def test_check_finishes_what_is_pending_and_judges_by_what_is_wanted_now(site: Site) -> None:
    site.view = view_of(rule("172.31.0.0/16"))
    site.result("ADD")
    site.view = view_of(RULE)
    assert site.result("CHECK", {"prevResult": RESULT}) is None
    assert site.pod.routes(114) == [OWN_ROUTE]
    site.pod.ns.route("172.16.0.0/16 dev eth1", "delete")
    assert site.result("CHECK", {"prevResult": RESULT}) is None
    assert site.pod.routes(114) == [OWN_ROUTE]


def test_check_tells_of_a_route_that_does_not_stay(site: Site) -> None:
    """Something takes it away again before the second look."""
    site.view = view_of(RULE, rule("172.17.0.0/16"))
    site.result("ADD")
    whole = site.pass_over

    def rival(record: Record, descriptor: int, dry: bool) -> Any:
        if dry:
            site.pod.ns.route("172.16.0.0/16 dev eth1", "delete")
        return whole(record, descriptor, dry)

    site.pass_over = rival
    for policy in ("Ignore", "Fail"):
        found = site.error("CHECK", {"failurePolicy": policy})
        assert found == (103, "routes that should be there are gone: 172.16.0.0/16")


def test_check_pardons_what_the_add_was_pardoned(site: Site) -> None:
    """CRI-O checks right after every ADD, and a pod that may start must."""
    site.view = view_of(rule("172.16.0.0/16", via="192.0.2.1"), rule("172.17.0.0/16"))
    site.result("ADD")
    assert site.result("CHECK") is None
    code, sentence = site.error("CHECK", {"failurePolicy": "Fail"})
    assert code == 100
    assert sentence.startswith("demo spec.route[0] 172.16.0.0/16: ")


def test_check_while_the_service_is_paused(site: Site) -> None:
    site.view = view_of(RULE)
    site.options = DEFAULTS._replace(paused=True)
    site.result("ADD")
    assert site.result("CHECK", {"failurePolicy": "Fail"}) is None
    assert site.pod.routes(114) == []


@pytest.mark.parametrize("kept", [False, True])
def test_check_of_a_sandbox_that_no_add_told_of(site: Site, kept: bool) -> None:
    """Its record is made, or made anew where it is of another namespace."""
    site.view = view_of(RULE)
    if kept:
        site.attach("pod1", ("net", "eth9"))
    assert site.result("CHECK", {"prevResult": RESULT}) is None
    assert site.pod.routes(114) == [OWN_ROUTE]
    assert site.attachments("pod1") == [("net", "eth0")]


def test_check_alone_by_the_record(site: Site) -> None:
    site.view = view_of(RULE, rule("172.17.0.0/16"), rule("172.18.0.0/16"), rule("172.19.0.0/16"))
    site.result("ADD")
    for view in (site.view, EMPTY):  # with a snapshot, and without one
        site.view = view
        site.context = {"alone": True}
        assert site.result("CHECK") is None
    for number in (16, 17, 18, 19):
        site.pod.ns.route(f"172.{number}.0.0/16 dev eth1", "delete")
    for policy in ("Ignore", "Fail"):
        assert site.error("CHECK", {"failurePolicy": policy}) == (
            103,
            "routes that should be there are gone: "
            "172.16.0.0/16, 172.17.0.0/16, 172.18.0.0/16 and 1 more",
        )
    assert site.pod.routes(114) == []  # it only looks
    site.sandboxes.remove("pod1")
    assert site.result("CHECK") is None


def test_check_alone_where_another_took_the_place(site: Site) -> None:
    site.view = view_of(RULE)
    site.result("ADD")
    site.context = {"alone": True}
    site.pod.ns.route("172.16.0.0/16 dev eth0", "replace")
    code, _ = site.error("CHECK")
    assert code == 103
    site.pod.ns.route("172.16.0.0/16 dev eth1", "replace")  # as good as ours
    assert site.result("CHECK") is None


def test_check_alone_by_a_snapshot_older_than_the_pod(site: Site) -> None:
    site.view = view_of(RULE)
    site.result("ADD")
    site.view = view_of(rule("172.16.0.0/16", dev="eth0"), rule("172.20.0.0/16"))
    site.context = {"alone": True}
    assert site.result("CHECK", {"failurePolicy": "Fail"}) is None
    site.pod.ns.route("172.16.0.0/16 dev eth1", "delete")
    code, _ = site.error("CHECK")
    assert code == 103


@pytest.mark.parametrize("alone", [False, True])
def test_check_of_what_cannot_be_read(site: Site, alone: bool) -> None:
    site.result("ADD")
    site.context = {"alone": alone}
    site.pod.kernel.faults.fail("open", errno=errno.ENODEV)
    assert site.result("CHECK") is None
    site.pod.kernel.faults.fail("open", errno=errno.ENODEV)
    code, _ = site.error("CHECK", {"failurePolicy": "Fail"})
    assert code == 101


def test_check_on_the_hosts_network_and_in_no_namespace(site: Site) -> None:
    assert site.result("CHECK", {}, -1, CNI_NETNS="/proc/self/ns/net") is None
    code, sentence = site.error("CHECK", {}, -1, CNI_NETNS="/run/netns/gone-x")
    assert (code, sentence) == (8, "CNI_NETNS: the network namespace '/run/netns/gone-x' is gone")
