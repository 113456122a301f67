"""The service with a kernel that strands a thread: stranded.py FILE ARGUMENT... (of cni-route).

Once FILE names threads ("loop", "call", "query"), the first of them that visits a pod stays there.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cni_route.netlink.enter import StrandedThread
from cni_route.netlink.table import NetlinkKernel, NetlinkTable
from sync_service import service
from sync_service.cli.main import main
from tests.node.namespaces import CLONE_NEWNET, setns

TRAP = sys.argv[1]


class StrandingKernel(NetlinkKernel):
    """As the real one; it lets the thread into the pod's namespace, and not out again."""

    def open(self, namespace: int) -> NetlinkTable:
        if threading.current_thread().name.startswith(wanted()):
            os.unlink(TRAP)
            setns(namespace, CLONE_NEWNET)
            raise StrandedThread("no way out of a pod's namespace: a test would have it so")
        return super().open(namespace)


def wanted() -> str:
    """Names of threads begin with it; no thread's does with a blank."""
    try:
        return Path(TRAP).read_text(encoding="ascii")
    except FileNotFoundError:
        return " "


if __name__ == "__main__":
    service.NetlinkKernel = StrandingKernel  # type: ignore[misc, attr-defined]
    main(sys.argv[2:])
