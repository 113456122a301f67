"""Running pods follow the folder, and what breaks their routes is mended."""

from __future__ import annotations

import pytest

from tests.node import documents
from tests.node.documents import DEFAULT, SERVICES, expected, text
from tests.node.folder import ROUTE_FILE, edit, fill, wait_for
from tests.node.lists import ETH1_GATEWAY, OWN
from tests.node.node import ROUTES_DIR, Node, until
from tests.node.pods import BACKUP, ROUTE_GROUPS, Changes, Pod, Row, make_pod
from tests.node.replug import replug, unplug
from tests.node.runtime import Runtime
from tests.node.service import Service

GATEWAY4, GATEWAY6 = ETH1_GATEWAY
MOVED = f"default dev eth1 via {GATEWAY4}"
MOVED6 = f"default dev eth1 via {GATEWAY6}"
DEFAULT6 = {"dst": "default6", "dev": "eth1", "via": "auto"}


@pytest.fixture
def pod(node: Node, service: Service) -> Pod:
    """A running pod with both NICs, under a running service."""
    fill(node)
    service.start()
    pod = make_pod(Runtime(node), "web")
    until(pod.settled, "link-local addresses")
    return pod


@pytest.fixture
def made(pod: Pod) -> list[Row]:
    """The pod's table as the CNI plugins made it: nothing is displaced at birth."""
    return pod.foreign()


def backups(pod: Pod) -> list[Row]:
    """The copies of displaced routes."""
    return [row for row in pod.routes() if row.get("protocol") == BACKUP]


def test_a_service_goes_to_another_nic_and_back(node: Node, pod: Pod, made: list[Row]) -> None:
    for shop in ("eth1", "eth0", "eth1"):
        edit(node, shop)
        wait_for(pod, expected(shop))
    assert pod.foreign() == made


def test_rules_come_and_go_with_the_file(node: Node, pod: Pod, made: list[Row]) -> None:
    edit(node, "eth0", {"dst": "192.0.2.0/24", "dev": "eth1"})
    wait_for(pod, expected("eth0", "192.0.2.0/24 dev eth1"))
    node.remove(ROUTE_FILE)
    wait_for(pod, [])
    assert pod.foreign() == made


def test_a_service_that_is_made_again_keeps_its_route(node: Node, pod: Pod) -> None:
    """Its address changes: the new route is in before the old one is out."""
    others = [s for s in SERVICES if s["metadata"]["name"] != "ledger"]
    node.write(
        f"{ROUTES_DIR}/services.yaml", text(*others, documents.service("ledger", "10.86.0.21"))
    )
    new = [line.replace("10.86.0.20", "10.86.0.21") for line in expected("eth0")]
    wait_for(pod, sorted(new))
    node.write(f"{ROUTES_DIR}/services.yaml", text(*others))
    wait_for(pod, [line for line in new if "10.86.0.21" not in line])


def test_a_file_that_no_longer_parses_changes_nothing(node: Node, pod: Pod) -> None:
    node.write(ROUTE_FILE, "spec: [")
    node.write(
        f"{ROUTES_DIR}/more.yaml",
        text(documents.route({"dst": "192.0.2.1", "dev": "eth1"}, name="more")),
    )
    wait_for(pod, expected("eth0", "192.0.2.1 dev eth1"))


def test_a_route_deleted_by_hand_comes_back(pod: Pod) -> None:
    pod.ip("route delete 10.86.0.10 dev eth0")
    wait_for(pod, expected("eth0"))
    pod.ip("-6 route delete fd00:86::10 dev eth0")
    wait_for(pod, expected("eth0"))


def test_a_flush_by_hand_is_mended(pod: Pod) -> None:
    pod.ip("route flush proto 114")
    pod.ip("-6 route flush proto 114")
    wait_for(pod, expected("eth0"))


def test_a_route_replaced_by_hand_is_ours_again(pod: Pod, made: list[Row]) -> None:
    """Somebody else's route in the way is displaced, because the user asked for ours."""
    pod.ip("route replace 10.86.0.10 dev eth1 proto static")
    wait_for(pod, expected("eth0"))
    assert [row["dst"] for row in backups(pod)] == ["10.86.0.10"]
    assert pod.foreign() == made


def test_a_nic_goes_down_and_up(node: Node, pod: Pod, made: list[Row]) -> None:
    edit(node, "eth1")
    wait_for(pod, expected("eth1"))
    pod.ip("link set eth1 down")
    wait_for(pod, ["10.86.0.20 dev eth0"])
    replug(pod, "eth1", made)
    wait_for(pod, expected("eth1"))
    until(lambda: pod.foreign() == made, "the foreign table is whole")


def test_a_nic_is_taken_out_and_made_again(node: Node, pod: Pod, made: list[Row]) -> None:
    edit(node, "eth1")
    wait_for(pod, expected("eth1"))
    unplug(pod, "eth1")
    wait_for(pod, ["10.86.0.20 dev eth0"])
    replug(pod, "eth1", made)
    wait_for(pod, expected("eth1"))
    until(lambda: pod.foreign() == made, "the foreign table is whole")


def test_a_nic_s_address_goes_and_comes(pod: Pod, made: list[Row]) -> None:
    """With its last address the kernel takes a NIC's IPv4 routes, and says nothing."""
    address = pod.results["eth1"]["ips"][0]["address"]
    pod.ip(f"address delete {address} dev eth1")
    wait_for(pod, [line for line in expected("eth0") if "172.16" not in line])
    replug(pod, "eth1", made)
    wait_for(pod, expected("eth0"))


def test_a_nic_that_comes_late_gets_its_routes(node: Node, service: Service) -> None:
    """Our entry in Calico's list only, eth1 made by somebody else afterwards."""
    fill(node)
    service.start()
    runtime = Runtime(node)
    (_, (calico_list, _), (ovn_list, _)) = runtime.lists()
    runtime.max_conf_num = 1
    pod = make_pod(runtime, "web")
    assert pod.own() == expected("eth0", nics=("eth0",))
    ovn_list["plugins"].pop()
    runtime.add(ovn_list, pod.sandbox, "eth1")
    wait_for(pod, expected("eth0"))
    assert calico_list["name"] == "k8s-pod-network"


@pytest.mark.parametrize(("rule", "line"), [(DEFAULT, MOVED), (DEFAULT6, MOVED6)], ids=["v4", "v6"])
def test_the_default_route_moves_and_returns(
    node: Node, pod: Pod, made: list[Row], rule: documents.Document, line: str
) -> None:
    for _ in range(3):
        edit(node, "eth0", rule)
        wait_for(pod, expected("eth0", line))
        assert [row["dst"] for row in backups(pod)] == ["default"]
        edit(node, "eth0")
        wait_for(pod, expected("eth0"))
        until(lambda: pod.foreign() == made, "the displaced route is back")
        until(lambda: not backups(pod), "its copy is gone")


def test_the_default_route_survives_its_nic(node: Node, pod: Pod, made: list[Row]) -> None:
    """eth1 goes: eth0 carries the traffic, by the copy. eth1 returns: ours is there again."""
    edit(node, "eth0", DEFAULT)
    wait_for(pod, expected("eth0", MOVED))
    pod.ip("link set eth1 down")
    until(lambda: "default" not in [line.split()[0] for line in pod.own()], "ours went with eth1")
    assert "dev eth0" in pod.ip("route get 198.51.100.1")
    replug(pod, "eth1", made)
    wait_for(pod, expected("eth0", MOVED))
    assert "dev eth1" in pod.ip("route get 198.51.100.1")
    node.remove(ROUTE_FILE)
    wait_for(pod, [])
    until(lambda: pod.foreign() == made and not backups(pod), "the table as it was made")


def test_cleanup_leaves_the_tables_as_they_were_made(
    node: Node, service: Service, pod: Pod, made: list[Row]
) -> None:
    """Beside the service it is done by it, which then pauses; without it, by itself."""
    edit(node, "eth1", DEFAULT, DEFAULT6)
    wait_for(pod, expected("eth1", MOVED, MOVED6))
    node.cni_route("cleanup")
    assert pod.own() == []
    assert backups(pod) == []
    until(lambda: pod.foreign() == made, "the foreign table is whole")
    assert service.stop() == 0
    service.start()
    wait_for(pod, expected("eth1", MOVED, MOVED6))
    service.stop()
    node.cni_route("cleanup")
    assert pod.own() + backups(pod) == []
    until(lambda: pod.foreign() == made, "the foreign table is whole")


def test_nothing_is_written_where_nothing_changes(node: Node, service: Service, pod: Pod) -> None:
    """The pod's route monitor stays silent over another ADD, edits without effect, a restart."""
    other = make_pod(pod.runtime, "other")
    other.ip("link add eth2 type veth peer name peer2")
    for name in ("eth2", "peer2"):
        other.ip(f"link set {name} up")
    other.ip("address add 198.51.100.2/24 dev eth2")
    again = {**pod.runtime.lists()[2][0], "plugins": [OWN]}
    with Changes([pod], ROUTE_GROUPS) as changes:
        for _ in range(2):
            edit(node, "eth0")
            service.reload()
            pod.runtime.add(again, pod.sandbox, "eth1")
            # what reaches the other pod proves that the loop has been through both
            edit(node, "eth0", {"dst": "192.0.2.0/24", "dev": "eth2"})
            wait_for(other, sorted([*expected("eth0"), "192.0.2.0/24 dev eth2"]))
            edit(node, "eth0")
            wait_for(other, expected("eth0"))
            service.stop()
            service.start()
        assert changes.count == 0
        pod.ip("route add 192.0.2.1 dev eth1")
        until(lambda: changes.count == 1, "the monitor hears what is written")
