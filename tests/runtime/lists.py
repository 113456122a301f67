"""The node's two CNI lists, as the tests with containerd vary them."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tests.node.lists import OWN, bridged, calico
from tests.node.node import BIN_DIR, CONF_DIR, Node

NICS = ("eth0", "eth1")
MAKERS = {"eth0": ("10-calico", calico), "eth1": ("20-ovn", bridged)}
PLUGIN = Path(__file__).parent / "plugins" / "delegate.py"
STATUSES = "/run/statuses"
LATE = 1.5  # seconds; twenty pods' chains take about one


def write_lists(
    node: Node,
    entries: Collection[str] = NICS,
    entry: dict[str, Any] = OWN,
    slow: str = "",
    newest: bool = False,
) -> None:
    """Both lists; our entry stands in those that make the NICs `entries`.

    Versions are 0.3.1, as Calico writes its list, and 1.0.0; with `newest` both are 1.1.0, so that
    the runtime asks for STATUS. `slow` names a NIC that comes late, after the other list's end.
    """
    for nic, (name, make) in MAKERS.items():
        config = make(*([entry] if nic in entries else []))
        maker = config["plugins"][0]
        if newest or nic == slow:
            install(node)
            pause = LATE if nic == slow else 0
            maker.update(type="delegate", to=maker["type"], statuses=STATUSES, pause=pause)
        if newest:
            config["cniVersion"] = "1.1.0"
        node.write(f"{CONF_DIR}/{name}.conflist", config)


def install(node: Node) -> None:
    """Put the plugin that calls another one where the runtime looks for plugins."""
    program = node.path(BIN_DIR, "delegate")
    program.write_text(f"#!{sys.executable} -IS\n{PLUGIN.read_text()}")
    program.chmod(0o755)
