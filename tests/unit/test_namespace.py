"""The way into a pod's network namespace, and everything that must not be taken for one."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cni_route.namespace import NamespaceError, check_namespace, open_namespace
from tests.kernel.namespaces import Namespace, bare, descriptors, in_thread, needs_root
from tests.unit.disks import MS_BIND, mount, with_mounts_of_its_own
from tests.unit.test_sandbox_wrong import as_nobody

OTHER_KINDS = ("cgroup", "ipc", "mnt", "pid", "user", "uts")


@pytest.fixture
def pod() -> Iterator[Namespace]:
    with bare() as made:
        yield made


def path_of(pod: Namespace) -> str:
    """A path that leads to its namespace, and to nothing else."""
    return f"/proc/{os.getpid()}/fd/{pod.descriptor}"


def refused(path: str | Path) -> tuple[int, str]:
    """What is said of a path; nothing stays open."""
    before = descriptors()
    with pytest.raises(NamespaceError) as caught:
        open_namespace(str(path))
    assert descriptors() == before
    assert caught.value.errno is not None
    return caught.value.errno, str(caught.value)


# ---------------------------------------------------------------- a pod's


@needs_root
def test_a_pods_namespace_is_opened(pod: Namespace) -> None:
    descriptor = open_namespace(path_of(pod))
    try:
        assert os.fstat(descriptor).st_ino == pod.inode
        assert check_namespace(descriptor) == pod.inode
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


@needs_root
def test_a_named_namespace_is_a_mount_as_container_runtimes_make_it(
    pod: Namespace, tmp_path: Path
) -> None:
    name = tmp_path / "cni-1"

    def act() -> None:
        name.touch()
        mount(path_of(pod), str(name), flags=MS_BIND)
        descriptor = open_namespace(str(name))
        assert check_namespace(descriptor) == pod.inode
        os.close(descriptor)

    with_mounts_of_its_own(act)
    # and where it is not mounted (any more), only the empty file is left
    assert refused(name) == (errno.EINVAL, f"'{name}' is not a network namespace")


@needs_root
def test_symbolic_links_are_followed(pod: Namespace, tmp_path: Path) -> None:
    """/var/run/netns/NAME goes through one everywhere."""
    (tmp_path / "run").mkdir()
    (tmp_path / "var").symlink_to(tmp_path / "run")
    (tmp_path / "run" / "cni-1").symlink_to(path_of(pod))
    descriptor = open_namespace(str(tmp_path / "var" / "cni-1"))
    assert os.fstat(descriptor).st_ino == pod.inode
    os.close(descriptor)


@needs_root
def test_a_namespace_lives_while_it_is_open() -> None:
    with bare() as made:
        descriptor = open_namespace(path_of(made))
    assert check_namespace(descriptor) == made.inode
    os.close(descriptor)


# ---------------------------------------------------------------- the host's


@pytest.mark.parametrize("path", ["/proc/self/ns/net", "/proc/thread-self/ns/net"])
def test_our_own_is_refused(path: str) -> None:
    sentence = f"'{path}' is this process's own network namespace; nothing is written there"
    assert refused(path) == (errno.EPERM, sentence)


def test_a_link_to_our_own_is_refused_by_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "cni-1").symlink_to("/proc/self/ns/net")
    assert refused(tmp_path / "cni-1")[1].endswith(
        "is this process's own network namespace; nothing is written there"
    )


@needs_root
def test_our_own_is_refused_from_a_thread_that_has_left_it(pod: Namespace) -> None:
    """Workers enter pods; the process is where its first thread is."""
    assert "this process's own" in pod.call(lambda: refused("/proc/self/ns/net"))[1]


ELSEWHERE = """
import ctypes, os, sys
from cni_route.namespace import NamespaceError, check_namespace, open_namespace

def say(act, *arguments):
    try:
        act(*arguments)
    except NamespaceError as error:
        print(error.errno, error, flush=True)

child = os.fork()  # we are PID 1
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
say(open_namespace, "/proc/1/ns/net")
assert ctypes.CDLL(None).unshare(0x40000000) == 0
say(open_namespace, "/proc/1/ns/net")
say(open_namespace, "/proc/self/ns/net")
say(check_namespace, os.open("/proc/1/ns/net", os.O_RDONLY))
"""


@needs_root
def test_pid_1s_is_refused_where_we_are_elsewhere() -> None:
    """An agent that is not on the host's network: the host's is no pod's either."""
    done = subprocess.run(
        ["unshare", "-pnf", "--mount-proc", sys.executable, "-c", ELSEWHERE],
        capture_output=True,
        text=True,
        check=True,
    )
    ours = "this process's own network namespace; nothing is written there"
    first = "the host's (PID 1's) network namespace; nothing is written there"
    assert done.stdout.splitlines() == [
        f"{errno.EPERM} '/proc/1/ns/net' is {ours}",
        f"{errno.EPERM} '/proc/1/ns/net' is {first}",
        f"{errno.EPERM} '/proc/self/ns/net' is {ours}",
        f"{errno.EPERM} the descriptor handed over is {first}",
    ]


@needs_root
def test_a_hidden_pid_1_hinders_nobody(pod: Namespace, tmp_path: Path) -> None:
    """hidepid, or another PID namespace whose /proc is not mounted."""

    def act() -> None:
        descriptor = os.dup(pod.descriptor)
        mount(str(tmp_path), "/proc/1", flags=MS_BIND)
        assert not os.path.exists("/proc/1/ns/net")
        try:
            assert check_namespace(descriptor) == pod.inode
        finally:
            os.close(descriptor)

    with_mounts_of_its_own(act)


# ---------------------------------------------------------------- what is none


def test_what_is_gone() -> None:
    assert refused("/var/run/netns/cni-gone") == (
        errno.ENOENT,
        "the network namespace '/var/run/netns/cni-gone' is gone",
    )
    assert refused("/proc/self/stat/x") == (
        errno.ENOTDIR,
        "the network namespace '/proc/self/stat/x' is gone",
    )
    assert refused("") == (errno.ENOENT, "the network namespace '' is gone")


def test_the_namespace_of_a_process_that_is_gone() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    path = f"/proc/{process.pid}/ns/net"
    assert refused(path) == (errno.ENOENT, f"the network namespace '{path}' is gone")


@pytest.mark.parametrize("path", ["/a\0b", "\0", "/var/run/netns/\ud800"])
def test_what_is_no_path(path: str) -> None:
    assert refused(path) == (errno.EINVAL, f"{path!r} is not a path")


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_namespace_of_another_kind(kind: str) -> None:
    path = f"/proc/self/ns/{kind}"
    assert refused(path) == (errno.EINVAL, f"'{path}' is not a network namespace")


@pytest.mark.parametrize(
    "path", ["/dev/null", "/dev/zero", "/dev/ptmx", "/proc/self/stat", "/proc/self/ns", "/"]
)
def test_other_things(path: str) -> None:
    assert refused(path) == (errno.EINVAL, f"'{path}' is not a network namespace")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"net:[4026531840]")
    assert refused(tmp_path / "file") == (
        errno.EINVAL,
        f"'{tmp_path / 'file'}' is not a network namespace",
    )


def test_a_fifo_holds_nobody_up(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    found: list[tuple[int, str]] = []
    thread = threading.Thread(target=lambda: found.append(refused(fifo)), daemon=True)
    thread.start()
    thread.join(10)
    assert found == [(errno.EINVAL, f"'{fifo}' is not a network namespace")]


def test_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket has 107 bytes at most
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        assert refused("socket") == (
            errno.ENXIO,
            "the network namespace 'socket' cannot be opened: No such device or address",
        )


def test_links_that_lead_to_themselves(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert refused(tmp_path / "loop") == (
        errno.ELOOP,
        f"the network namespace '{tmp_path / 'loop'}' cannot be opened: "
        "Too many levels of symbolic links",
    )


@needs_root
def test_what_may_not_be_opened(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.touch(0)
    with as_nobody():
        number, sentence = refused(closed)
    assert (number, sentence) == (
        errno.EACCES,
        f"the network namespace '{closed}' cannot be opened: Permission denied",
    )


def test_a_terminal_does_not_become_ours() -> None:
    """A session without one (a daemon's) would get it by opening it."""
    code = (
        "import os, sys\n"
        "from cni_route.namespace import NamespaceError, open_namespace\n"
        "os.setsid()\n"
        "try:\n"
        "    open_namespace(sys.argv[1])\n"
        "except NamespaceError as error:\n"
        "    print(error)\n"
        "try:\n"
        "    os.open('/dev/tty', os.O_RDONLY)\n"
        "except OSError as error:\n"
        "    print(error.strerror)\n"
    )
    ours, theirs = os.openpty()
    try:
        path = os.ttyname(theirs)
        process = subprocess.Popen(
            [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True
        )
        out, _ = process.communicate(timeout=30)
    finally:
        os.close(ours)
        os.close(theirs)
    assert out.splitlines() == [
        f"'{path}' is not a network namespace",
        "No such device or address",
    ]


# ---------------------------------------------------------------- descriptors


def test_a_descriptor_that_was_handed_over(tmp_path: Path) -> None:
    for path, sentence in {
        "/dev/null": "the descriptor handed over is not a network namespace",
        "/proc/self/ns/mnt": "the descriptor handed over is not a network namespace",
        "/proc/self/ns/net": "the descriptor handed over is this process's own network "
        "namespace; nothing is written there",
    }.items():
        descriptor = os.open(path, os.O_RDONLY)
        with pytest.raises(NamespaceError) as caught:
            check_namespace(descriptor)
        os.close(descriptor)  # it was left open
        assert str(caught.value) == sentence
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(NamespaceError, match=r"^'/var/run/netns/a' is not a network namespace$"):
        check_namespace(descriptor, "/var/run/netns/a")
    os.close(descriptor)


@needs_root
def test_a_descriptor_that_is_only_a_place(pod: Namespace) -> None:
    """O_PATH lets look, but not in."""
    descriptor = os.open(path_of(pod), os.O_PATH)
    with pytest.raises(NamespaceError, match="is not a network namespace"):
        check_namespace(descriptor)
    os.close(descriptor)


def test_a_descriptor_that_is_closed() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        check_namespace(1 << 20)


@needs_root
def test_nothing_happens_to_the_thread_that_asks(pod: Namespace) -> None:
    def act() -> tuple[str, str]:
        before = os.readlink("/proc/thread-self/ns/net")
        os.close(open_namespace(path_of(pod)))
        return before, os.readlink("/proc/thread-self/ns/net")

    before, after = in_thread(act)
    assert before == after
