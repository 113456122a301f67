"""Faults for real: namespaces that vanish, disks that are full or read-only, a rival, a clock."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from cni_route.cni.alone import MAX_AGE, read_snapshot
from cni_route.view import EMPTY
from sync_service.snapshot import Snapshot
from tests.hostile.crowd import Crowd, Held
from tests.node.node import RUN_DIR, STATE_DIR, until
from tests.node.service import Service

PATIENCE = 60.0
NETWORK = "172.16.0.0/16"


def test_a_pod_whose_network_vanishes_at_any_moment_is_forgotten(
    crowd: Crowd, service: Service, rng: random.Random, soak: bool
) -> None:
    """While it is added, while its routes change: no other pod is touched, nothing is left."""
    before = Held.by(service)
    survivor = crowd.make(5)
    assert crowd.call("ADD", survivor).exit_code == 0
    for number in range(500 if soak else 50):
        netns = f"gone{number}"
        crowd.node.run("ip", "netns", "add", netns)
        pod = crowd.make(0)
        path = f"/run/netns/{netns}"
        with crowd.connect() as connection:
            connection.sendall(crowd.request("ADD", pod, path))
            if rng.random() < 0.5:
                connection.recv(1)  # the ADD came first
            crowd.want(NETWORK, dev="eth0" if number % 2 else "eth1")
            crowd.node.run("ip", "netns", "delete", netns)
        if rng.random() < 0.5:
            assert crowd.call_with("DEL", pod, path, -1) == (0, b"")
        crowd.want(NETWORK, "172.17.0.0/16", dev="eth1" if number % 2 else "eth0")
    until(
        lambda: (
            [item["containerID"] for item in crowd.ask("pods")["items"]] == [survivor.container_id]
        ),
        "only the pod that lives is known",
        PATIENCE,
    )
    until(lambda: crowd.own(5) == {NETWORK, "172.17.0.0/16"}, "it has its routes", PATIENCE)
    assert crowd.call("DEL", survivor) == (0, b"")
    before.wait(service)
    assert "Traceback" not in service.log()


@contextmanager
def small_disk(crowd: Crowd, folder: str) -> Iterator[None]:
    """A disk of 16 KB under that folder."""
    crowd.node.path(folder).mkdir(parents=True, exist_ok=True)
    crowd.node.run("mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", folder)
    try:
        yield
    finally:
        crowd.node.run("umount", "-l", folder)


@pytest.mark.parametrize("way", ["full", "read-only"])
def test_a_disk_that_takes_no_record_fails_no_pod_that_may_go_on(
    crowd: Crowd, service: Service, way: str
) -> None:
    """Ignore lets the pod start, Fail says code 102; with room again all is as ever."""
    folder = f"{RUN_DIR}/sandboxes"
    with small_disk(crowd, folder):
        for _ in range(3):
            break_disk(crowd, folder, way)
            pod = crowd.make(0)
            assert crowd.call("ADD", pod).exit_code == 0
            failed = crowd.call("ADD", pod, failurePolicy="Fail")
            assert failed.exit_code == 1
            assert b'"code": 102' in failed.stdout or b'"code": 101' in failed.stdout
            assert crowd.call("DEL", pod) == (0, b"")
            assert crowd.own(0) == set()
            mend_disk(crowd, folder, way)
            assert crowd.call("ADD", pod, failurePolicy="Fail").exit_code == 0
            assert crowd.own(0) == {NETWORK}
            assert crowd.call("DEL", pod) == (0, b"")
            crowd.flush(0)
    assert "Traceback" not in service.log()


def break_disk(crowd: Crowd, folder: str, way: str) -> None:
    if way == "full":
        with suppress(OSError):
            crowd.node.path(folder, "filler").write_bytes(bytes(1 << 20))
    else:
        crowd.node.run("mount", "-o", "remount,ro", folder)


def mend_disk(crowd: Crowd, folder: str, way: str) -> None:
    if way == "full":
        crowd.node.path(folder, "filler").unlink()
    else:
        crowd.node.run("mount", "-o", "remount,rw", folder)


@pytest.mark.parametrize("way", ["full", "read-only"])
def test_a_disk_that_takes_no_snapshot_is_told_and_pods_go_on(crowd: Crowd, way: str) -> None:
    crowd.want(NETWORK)
    with (
        small_disk(crowd, STATE_DIR),
        Service(crowd.node, "--snapshot-interval", "1") as service,
    ):
        for number in range(3):
            until(lambda: not told(crowd), "the snapshot is written", PATIENCE)
            break_disk(crowd, STATE_DIR, way)
            network = f"172.{20 + number}.0.0/16"
            crowd.want(network)
            until(lambda: told(crowd), "the trouble is told", PATIENCE)
            assert crowd.knows(network)
            mend_disk(crowd, STATE_DIR, way)
            crowd.want(NETWORK)
        until(lambda: not told(crowd), "the trouble is over", PATIENCE)
        assert "Traceback" not in service.log()


def told(crowd: Crowd) -> bool:
    """Whether the service says that it cannot write its snapshot."""
    return any(
        "snapshot.json: cannot be written" in each for each in crowd.ask("routes")["notices"]
    )


def test_a_clock_that_jumps_does_not_make_a_snapshot_fresh_or_lose_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set back, the snapshot has no age and counts; set forward past a day, it does not."""
    path = str(tmp_path / "snapshot.json")
    for written in (0.0, 1e9, 4e9):
        monkeypatch.setattr("sync_service.snapshot.time.time", lambda written=written: written)
        Snapshot(str(tmp_path), {}, print).save(EMPTY)
        for now, usable in (
            (written - 1e9, True),
            (written, True),
            (written + MAX_AGE, True),
            (written + MAX_AGE + 1, False),
            (written + 1e9, False),
        ):
            assert (read_snapshot(path, now).view is not None) == usable, (written, now)
