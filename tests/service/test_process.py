"""The service as a process: its start, its end, its settings, and what it holds on to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess

import pytest

from tests.node.documents import expected
from tests.node.folder import edit, fill, wait_for
from tests.node.node import COMMAND, ROUTES_DIR, RUN_DIR, STATE_DIR, Node, until
from tests.node.pods import Pod, make_pod
from tests.node.runtime import CACHE_DIR, Runtime
from tests.node.service import Service

CONFIG = "/etc/cni-route/cni-route.yaml"


@pytest.fixture
def pod(node: Node, runtime: Runtime, service: Service) -> Pod:
    """A pod whose routes the running service has made."""
    fill(node)
    service.start()
    made = make_pod(runtime, "web")
    wait_for(made, expected("eth0"))
    return made


def says(service: Service, words: str) -> None:
    until(lambda: words in service.log(), f"the log says {words!r}")


# ---------------------------------------------------------------- start and end


def test_a_second_service_is_refused_in_a_sentence(node: Node, pod: Pod, service: Service) -> None:
    second = node.run(COMMAND, *service.arguments, check=False)
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr == (
        f"Error: {RUN_DIR}: another cni-route service (process {service.pid}) works on it; stop"
        " that one, or choose another run directory (--run-dir)\n"
    )
    edit(node, "eth1")
    wait_for(pod, expected("eth1"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_leaves_the_routes(
    node: Node, pod: Pod, service: Service, number: int
) -> None:
    assert service.process is not None
    process, service.process = service.process, None
    process.send_signal(number)
    assert process.wait(15) == 0
    assert pod.own() == expected("eth0")
    assert not node.path(RUN_DIR, "agent.sock").exists()
    says(service, "ending; all routes stay in place")


def test_a_killed_ones_socket_is_replaced(node: Node, pod: Pod, service: Service) -> None:
    service.kill()
    assert node.path(RUN_DIR, "agent.sock").exists()
    edit(node, "eth1")
    service.start()
    wait_for(pod, expected("eth1"))
    assert service.answers()


def test_bad_settings_are_sentences_and_no_start(node: Node, service: Service) -> None:
    node.write(CONFIG, "sweeep: 5\npaused: maybe\n")
    done = node.run(COMMAND, *service.arguments, "--config", CONFIG, "--sweep", "x", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: {CONFIG}: sweeep: is not a setting; did you mean sweep?",
        f"{CONFIG}: paused: 'maybe' is not true or false; the default is false",
        "--sweep: 'x' is not a number of seconds from 1 to 86400; the default is 90.0",
    ]
    assert not node.path(RUN_DIR).exists()


def test_the_socket_comes_only_when_there_is_something_to_decide_by(node: Node) -> None:
    node.remove(ROUTES_DIR)
    with pytest.raises(AssertionError), Service(node, "--rescan", "0.1") as service:
        raise AssertionError(service.log())  # never comes here: it does not answer
    node.path(ROUTES_DIR).mkdir()
    with Service(node) as service:
        assert service.answers()


# ---------------------------------------------------------------- the folder


def test_nothing_goes_because_the_folder_went(node: Node, pod: Pod, service: Service) -> None:
    folder = node.path(ROUTES_DIR)
    folder.rename(folder.with_name("aside"))
    says(service, f"the folder {ROUTES_DIR} cannot be read: No such file or directory")
    assert pod.own() == expected("eth0")
    folder.mkdir()
    says(service, f"the folder {ROUTES_DIR} was made anew and is empty")
    assert pod.own() == expected("eth0")
    folder.rmdir()
    folder.with_name("aside").rename(folder)
    edit(node, "eth1")
    wait_for(pod, expected("eth1"))


def test_nothing_goes_because_the_folder_is_empty_at_the_start(
    node: Node, pod: Pod, service: Service
) -> None:
    service.stop()
    for path in node.path(ROUTES_DIR).iterdir():
        path.unlink()
    service.start()
    says(service, "the source is empty but the snapshot is not")
    assert pod.own() == expected("eth0")
    edit(node, "eth1")  # the Services are gone, which is meant now: something is there
    wait_for(pod, ["172.16.10.0/24 dev eth1 via 10.124.2.1"])


def test_a_deleted_file_is_a_real_deletion(node: Node, pod: Pod) -> None:
    node.remove(f"{ROUTES_DIR}/demo.yaml")
    wait_for(pod, [])
    node.remove(f"{ROUTES_DIR}/services.yaml")
    edit(node, "eth1")
    wait_for(pod, ["172.16.10.0/24 dev eth1 via 10.124.2.1"])


def test_a_broken_file_at_the_start_keeps_what_the_snapshot_has_of_it(
    node: Node, pod: Pod, service: Service
) -> None:
    service.stop()
    node.write(f"{ROUTES_DIR}/services.yaml", "{")
    edit(node, "eth1")
    service.start()
    wait_for(pod, expected("eth1"))
    says(service, "services.yaml: line 2")


# ---------------------------------------------------------------- SIGHUP


def test_hangup_pauses_and_goes_on(node: Node, pod: Pod, service: Service) -> None:
    service.stop()
    node.write(CONFIG, "paused: false\n")
    service.arguments = (*service.arguments, "--config", CONFIG)
    service.start()
    node.write(CONFIG, "paused: true\nsweep: 33\nworkers: 3\n")
    service.reload()
    says(service, "SIGHUP: the settings are read again; changed: paused, sweep")
    assert "SIGHUP: workers changed, which needs a restart" in service.log()
    edit(node, "eth1")
    until(
        lambda: any(v["status"].startswith("Observed") for v in node.query("routes")),
        "the Route is only observed",
    )
    assert pod.own() == expected("eth0")
    node.write(CONFIG, "paused: nonsense\n")
    service.reload()
    says(service, "SIGHUP: nothing is changed")
    assert pod.own() == expected("eth0")
    node.write(CONFIG, "paused: false\n")
    service.reload()
    wait_for(pod, expected("eth1"))


def test_hangup_ends_the_rest_after_a_cleanup(node: Node, pod: Pod, service: Service) -> None:
    assert node.cni_route("cleanup").returncode == 0
    assert pod.own() == []
    edit(node, "eth1")
    pod.run("ip", "route", "flush", "table", "255", check=False)  # an event changes nothing
    assert pod.own() == []
    service.reload()
    wait_for(pod, expected("eth1"))


# ---------------------------------------------------------------- bad company


def test_garbage_in_every_directory_hurts_nobody(
    node: Node, runtime: Runtime, service: Service
) -> None:
    fill(node)
    places = {
        f"{RUN_DIR}/sandboxes": ("a.json", "b.lock", "c.json.1.tmp", "d.json"),
        STATE_DIR: ("snapshot.json", "snapshot.json.tmp"),
        CACHE_DIR: ("junk", "net-abc-eth0"),
        ROUTES_DIR: ("junk.yaml", "junk.json", ".hidden.yaml"),
        "/run/netns": ("junk",),
    }
    for folder, names in places.items():
        for name in names:
            node.write(f"{folder}/{name}", "{ \x00 garbage")
        os.mkfifo(node.path(folder, "pipe.json"))
        node.path(folder, "folder.json").mkdir()
        node.path(folder, "loop.json").symlink_to("loop.json")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(node.path(RUN_DIR, "agent.new")))
    service.start()
    pod = make_pod(runtime, "web")
    wait_for(pod, expected("eth0"))
    says(service, "set aside as")
    assert service.stop() == 0
    assert "Traceback" not in service.log()


def test_stuck_clients_do_not_hold_up_an_add(node: Node, pod: Pod) -> None:
    path = str(node.path(RUN_DIR, "agent.sock"))
    stuck = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(200)]
    try:
        for number, client in enumerate(stuck):
            client.connect(path)
            client.send(b"\x01\x01\0\0\0\0\0\x10"[: number % 9])
        another = make_pod(pod.runtime, "another")
        assert another.own() == expected("eth0")
        assert len(node.query("pods")) == 2
    finally:
        for client in stuck:
            client.close()


def test_a_lock_that_somebody_keeps_holds_up_that_pod_alone(node: Node, pod: Pod) -> None:
    other = make_pod(pod.runtime, "other")
    lock = node.path(RUN_DIR, "sandboxes", f"{pod.sandbox.container_id}.lock")
    with subprocess.Popen(["flock", lock, "cat"], stdin=subprocess.PIPE) as holder:
        until(lambda: _is_locked(lock), "somebody has the lock")
        edit(node, "eth1")
        assert wait_for(other, expected("eth1")) < 5
        assert pod.own() == expected("eth0")
        assert holder.stdin is not None
        holder.stdin.close()
    wait_for(pod, expected("eth1"))


def _is_locked(path: os.PathLike[str]) -> bool:
    return subprocess.run(["flock", "-n", path, "true"], check=False).returncode != 0


# ---------------------------------------------------------------- what it holds, what it says


def test_it_holds_no_pods_namespace(node: Node, pod: Pod, service: Service) -> None:
    """An open descriptor or socket would keep a deleted pod's network alive."""
    edit(node, "eth1")
    wait_for(pod, expected("eth1"))
    inode = pod.netns.stat().st_ino

    def held() -> list[str]:
        links = []
        for entry in os.scandir(f"/proc/{service.pid}/fd"):
            try:
                links.append(os.readlink(entry.path))
            except FileNotFoundError:
                continue
        return [link for link in links if link == f"net:[{inode}]"]

    until(lambda: held() == [], "no descriptor of the pod's namespace is open")
    for task in os.listdir(f"/proc/{service.pid}/task"):
        assert os.readlink(f"/proc/{service.pid}/task/{task}/ns/net") != f"net:[{inode}]"


def test_the_log_in_json(node: Node) -> None:
    fill(node)
    node.write(f"{ROUTES_DIR}/broken.yaml", "{")
    with Service(node, "--log-format", "json") as service:
        says(service, "broken.yaml: line 2")
        service.stop()
        lines = [json.loads(line) for line in service.log().splitlines()]
    assert all({"time", "level", "message", "thread"} <= line.keys() for line in lines)
    assert {"source", "server", "MainThread"} <= {line["thread"] for line in lines}
