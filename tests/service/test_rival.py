"""Another program that fights for a route is named, and not fought for ever."""

from __future__ import annotations

import pytest

from tests.node.documents import expected
from tests.node.folder import fill, wait_for
from tests.node.node import Node, until
from tests.node.pods import Pod, make_pod
from tests.node.runtime import Runtime
from tests.node.service import Service

TAKES = "route replace 10.86.0.10 dev eth1 proto 12"


@pytest.fixture
def pod(node: Node, service: Service) -> Pod:
    """A running pod with its routes, under a running service."""
    fill(node)
    service.start()
    made = make_pod(Runtime(node), "web")
    wait_for(made, expected("eth0"))
    return made


def test_a_rival_is_named_and_left_alone_for_a_while(node: Node, pod: Pod) -> None:
    for _ in range(5):
        until(lambda: pod.own() == expected("eth0"), "our route is back")
        pod.ip(TAKES)

    def shown() -> str:
        return node.cni_route("show", "web", check=False).stdout

    until(lambda: "took its place 5 times" in shown(), "the rival is named")
    assert "a route of protocol bird (12)" in shown()
    assert "10.86.0.10 dev eth0" not in pod.own()
    status = node.cni_route("routes").stdout
    assert "Degraded" in status
    assert "Contested" in status


def test_a_link_that_flaps_is_no_rival(node: Node, pod: Pod) -> None:
    for _ in range(7):
        pod.ip("link set eth1 down")
        pod.ip("link set eth1 up")
        until(lambda: pod.own() == expected("eth0"), "the routes are back")
    assert "Contested" not in node.cni_route("routes").stdout
