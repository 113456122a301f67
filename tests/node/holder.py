"""The node's own mount and network namespace: `become` makes them for the calling process.

Run as a program, it makes them, says "ready" and holds them until its standard input closes, so
the node goes when the test process does, however that ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.node.namespaces import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    MS_PRIVATE,
    MS_REC,
    mount,
    unshare,
    write_sysctl,
)

PRIVATE = (
    "/run",
    "/var/log",
    "/etc/cni",
    "/etc/cni-route",
    "/var/lib/cni",
    "/var/lib/cni-route",
    "/opt/cni",
    "/opt/cni-route",
)
STAGE = "/run/.node"  # upper layers of what had to be overlaid

# Duplicate address detection would hold up every IPv6 address for a second or two.
SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/forwarding": "1",
    "net/ipv6/conf/default/accept_dad": "0",
    "net/ipv6/conf/all/accept_dad": "0",
}


def become() -> None:
    """Put this process into a fresh network and a mount namespace with its own CNI folders.

    Nothing is written on the machine: a folder that is there gets an empty tmpfs over it; one
    that is not is made in an overlay of its parent.
    """
    unshare(CLONE_NEWNS | CLONE_NEWNET)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    for folder in PRIVATE:
        if not os.path.isdir(folder):
            overlay_parent(folder)
            os.makedirs(folder)
        mount("tmpfs", folder, "tmpfs", options="mode=0755")
    os.makedirs("/run/netns")
    for name, value in SYSCTLS.items():
        write_sysctl("/proc/thread-self/ns/net", name, value)


def overlay_parent(folder: str) -> None:
    """Make the nearest existing parent of `folder` writable without writing to it."""
    parent = os.path.dirname(folder)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    upper = f"{STAGE}{parent}/upper"
    work = f"{STAGE}{parent}/work"
    if os.path.exists(upper):
        return  # done for a sibling
    os.makedirs(upper)
    os.makedirs(work)
    mount(
        "overlay", parent, "overlay", options=f"lowerdir={parent},upperdir={upper},workdir={work}"
    )


def main() -> None:
    """Hold a node until the parent lets go."""
    become()
    print("ready", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
