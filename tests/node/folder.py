"""The folder of Routes that the node tests edit, and the waits that go with it."""

from __future__ import annotations

from tests.node.documents import SERVICES, Document, demo_route, text
from tests.node.node import ROUTES_DIR, Node, until
from tests.node.pods import Pod

ROUTE_FILE = f"{ROUTES_DIR}/demo.yaml"


def fill(node: Node) -> None:
    """Services, and the Route with shop on eth0."""
    node.write(f"{ROUTES_DIR}/services.yaml", text(*SERVICES))
    edit(node, "eth0")


def edit(node: Node, shop: str, *more: Document) -> None:
    """The Route with shop on another NIC, or with more rules."""
    node.write(ROUTE_FILE, text(demo_route(shop, *more)))


def wait_for(pod: Pod, own: list[str], seconds: float = 10.0) -> float:
    """Wait until the pod has exactly these routes of ours."""
    try:
        return until(lambda: pod.own() == own, "the pod's own routes", seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}\nwanted {own}\nthere  {pod.own()}") from None
