"""The tests' own containerd, before anything of ours is in it: the others stand on this."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from tests.node.node import Node
from tests.runtime.batch import start, stop
from tests.runtime.containerd import Containerd
from tests.runtime.keeper import CGROUPS
from tests.runtime.lists import write_lists
from tests.runtime.protobuf import Message, decode, encode, text_map

OF_THE_MACHINE = ("/run/containerd", "/var/lib/containerd", "/opt/containerd", "/run/netns", "/run")


def test_a_container_finds_both_nics_and_nothing_of_ours(
    node: Node, containerd: Containerd
) -> None:
    write_lists(node, entries=())
    containerd.start()
    (pod,) = start(containerd, 1)
    assert sorted(line for line in pod.table if "fe80::/" not in line) == [
        "10.124.0.0/16 dev eth1 via 10.124.2.1",
        "10.124.2.0/24 dev eth1",
        "169.254.1.1 dev eth0",
        "default dev eth0 via 169.254.1.1",
        "default dev eth0 via fe80::ecee:eeff:feee:eeee",
        "fd00:124:2::/64 dev eth1",
        "fd00:244:7::2 dev eth0",
    ]
    assert containerd.cri.pods() == [pod.id]
    stop(containerd, [pod])
    assert containerd.cri.pods() == []


def test_with_containerd_all_that_came_of_it_ends(node: Node, containerd: Containerd) -> None:
    """Its shims and containers would outlive it; the machine's own folders are as they were."""
    before = [entries(path) for path in OF_THE_MACHINE]
    write_lists(node, entries=())
    containerd.start()
    start(containerd, 3)
    assert len(processes(node)) >= 3 + 2  # shims, containerd and its keeper
    assert len(members(containerd)) == 3 * 2  # a pod's own process, and its container's
    containerd.close()
    assert processes(node) == set()
    assert groups(containerd) == []
    assert [entries(path) for path in OF_THE_MACHINE] == before


def entries(path: str) -> list[str] | None:
    """The names in a folder, None where there is no such folder."""
    return sorted(os.listdir(path)) if os.path.isdir(path) else None


def processes(node: Node) -> set[int]:
    """The processes that see the node's files, but for the one that holds it."""
    holder = Path(node.root).parent
    node_s = os.readlink(holder / "ns/mnt")
    found = set()
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and os.readlink(entry / "ns/mnt") == node_s:
                found.add(int(entry.name))
    return found - {int(holder.name)}


def groups(containerd: Containerd) -> list[Path]:
    """The control groups of its pods, one or one a hierarchy."""
    return [path for path in CGROUPS.glob(f"**/{containerd.cgroup}") if path.is_dir()]


def members(containerd: Containerd) -> set[str]:
    """The processes in them."""
    files = [path for top in groups(containerd) for path in top.glob("**/cgroup.procs")]
    return {number for path in files for number in path.read_text().split()}


@pytest.mark.parametrize(
    ("message", "data"),
    [
        ({1: 150}, b"\x08\x96\x01"),
        ({2: "testing"}, b"\x12\x07testing"),
        ({3: {1: 150}}, b"\x1a\x03\x08\x96\x01"),
        ({4: ["a", ""], 16: True}, b"\x22\x01a\x22\x00\x80\x01\x01"),
        ({1: "", 2: 0, 3: {}, 4: []}, b""),
    ],
)
def test_messages_are_what_protobuf_makes_of_them(message: Message, data: bytes) -> None:
    assert encode(message) == data


def test_messages_are_read_as_they_were_written() -> None:
    read = decode(encode({1: 1 << 40, 2: ["x", "y"], 3: {1: "key", 2: "value"}}))
    assert read == {1: [1 << 40], 2: [b"x", b"y"], 3: [b"\x0a\x03key\x12\x05value"]}
    assert text_map(read, 3) == {"key": "value"}
    assert decode(b"\x0d\1\2\3\4\x11\1\2\3\4\5\6\7\x08") == {
        1: [b"\1\2\3\4"],
        2: [b"\1\2\3\4\5\6\7\x08"],
    }


@pytest.mark.parametrize("data", [b"\x08", b"\x12\x05abc", b"\x0b", b"\xff"])
def test_a_broken_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"missing|message|wire type"):
        decode(data)
