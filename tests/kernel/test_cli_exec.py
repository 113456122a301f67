"""cni-route exec, as a process, into real namespaces: found by the records alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.sandbox import Record, Sandboxes
from tests.contract.real_world import NamespaceThread

PROGRAM = [sys.executable, "-c", "from sync_service.cli.main import main; main()"]
WAIT_SECONDS = 20.0
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def pod() -> Iterator[NamespaceThread]:
    thread = NamespaceThread()
    thread.ip("link add eth1 type veth peer name far")
    yield thread
    thread.stop()


class Machine:
    """A run directory with records, and the command over it."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.sandboxes = Sandboxes(str(run_dir), print)

    def save(self, container_id: str, netns: str, name: str = "web", inode: int = 0) -> None:
        """Record a sandbox of a pod in the namespace default."""
        self.sandboxes.save(Record(container_id, netns, inode, "default", name, "u"))

    def exec(self, *arguments: str, **environment: str) -> Done:
        """Run `cni-route exec ARGUMENTS`."""
        return subprocess.run(
            [*PROGRAM, "exec", "--run-dir", str(self.run_dir), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_SECONDS,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_command_runs_in_the_pods_network(machine: Machine, pod: NamespaceThread) -> None:
    machine.save("a1", pod.path, inode=os.stat(pod.path).st_ino)
    done = machine.exec("web", "--", "ip", "-o", "link", "show", "eth1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "eth1" in done.stdout
    again = machine.exec("default/web", "readlink", "/proc/self/ns/net")
    assert again.stdout == f"net:[{os.stat(pod.path).st_ino}]\n"


@pytest.mark.parametrize("code", [0, 1, 2, 3, 77])
def test_the_exit_code_is_the_commands_own(
    machine: Machine, pod: NamespaceThread, code: int
) -> None:
    machine.save("a1", pod.path)
    assert machine.exec("web", "--", "sh", "-c", f"exit {code}").returncode == code


def test_without_a_command_it_is_the_users_shell(machine: Machine, pod: NamespaceThread) -> None:
    machine.save("a1", pod.path)
    shell = machine.run_dir / "shell"
    shell.write_text("#!/bin/sh\nexec ip -o link show eth1\n")
    shell.chmod(0o755)
    done = machine.exec("web", SHELL=str(shell))
    assert (done.returncode, "eth1" in done.stdout) == (0, True)
    assert machine.exec("web", SHELL="").returncode == 0  # /bin/sh, at the end of its input


def test_signals_are_as_a_shell_has_them(machine: Machine, pod: NamespaceThread) -> None:
    machine.save("a1", pod.path)
    done = machine.exec("web", "--", "sh", "-c", "grep SigIgn /proc/self/status")
    assert int(done.stdout.split()[1], 16) & (1 << 12) == 0  # SIGPIPE is 13


@pytest.mark.parametrize(
    ("command", "code", "sentence"),
    [
        ("no-such-command", 127, "no-such-command cannot be run: No such file or directory."),
        ("/etc/hostname/x", 127, "/etc/hostname/x cannot be run: Not a directory."),
        ("/etc", 126, "/etc cannot be run: Permission denied."),
    ],
)
def test_a_command_that_cannot_be_run(
    machine: Machine, pod: NamespaceThread, command: str, code: int, sentence: str
) -> None:
    machine.save("a1", pod.path)
    done = machine.exec("web", "--", command)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"Error: {sentence}\n")


def test_of_two_sandboxes_of_a_pod_the_new_one(machine: Machine, pod: NamespaceThread) -> None:
    old = NamespaceThread()
    try:
        machine.save("zz", old.path)
        os.utime(machine.run_dir / "sandboxes" / "zz.json", ns=(1, 1))
        machine.save("aa", pod.path)
        inode = f"net:[{os.stat(pod.path).st_ino}]\n"
        assert machine.exec("web", "readlink", "/proc/self/ns/net").stdout == inode
        os.utime(machine.run_dir / "sandboxes" / "aa.json", ns=(0, 0))
        assert machine.exec("web", "readlink", "/proc/self/ns/net").stdout != inode
    finally:
        old.stop()


def test_a_dead_sandbox_is_passed_over(machine: Machine, pod: NamespaceThread) -> None:
    machine.save("aa", pod.path)
    os.utime(machine.run_dir / "sandboxes" / "aa.json", ns=(1, 1))
    machine.save("zz", "/nowhere")
    assert machine.exec("web", "ip", "link").returncode == 0


@pytest.mark.parametrize(
    ("netns", "inode", "sentence"),
    [
        ("", 0, "its network namespace is not known yet"),
        ("/nowhere/ns", 0, "the network namespace '/nowhere/ns' is gone"),
        ("/proc/self/ns/net", 0, "'/proc/self/ns/net' is this process's own network namespace"),
        ("/proc/self/ns/uts", 0, "'/proc/self/ns/uts' is not a network namespace"),
        ("/etc/hostname", 0, "'/etc/hostname' is not a network namespace"),
        ("POD", 7, "is another pod's by now"),
    ],
)
def test_a_namespace_that_is_not_entered(
    machine: Machine, pod: NamespaceThread, netns: str, inode: int, sentence: str
) -> None:
    machine.save("a1", pod.path if netns == "POD" else netns, inode=inode)
    done = machine.exec("web", "--", "ip", "link")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: Pod default/web cannot be entered: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1


def test_unknown_pods(machine: Machine) -> None:
    done = machine.exec("web", "--", "ip", "link")
    assert done.returncode == 1
    assert done.stderr == "Error: There is no pod 'web': no pod of this node is known yet.\n"
    machine.save("a1", "/nowhere", name="web-1")
    done = machine.exec("web", "--", "ip", "link")
    assert done.stderr.endswith("did you mean default/web-1?\n")


def test_others_than_root(machine: Machine, pod: NamespaceThread) -> None:
    machine.save("a1", pod.path)
    script = (
        "import os, sys\n"
        "import sync_service.cli.exec_\n"  # while root: others may not reach this folder
        "from sync_service.cli.main import main\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "main(sys.argv[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "exec", "--run-dir", str(machine.run_dir), "web"],
        capture_output=True,
        text=True,
        check=False,
        timeout=WAIT_SECONDS,
    )
    assert done.returncode == 1
    assert done.stderr.endswith("try again as root.\n")
    assert "Traceback" not in done.stderr
