"""The README from top to bottom, in a node: every command it shows, with the output it shows."""

from __future__ import annotations

import json

from tests.node.lists import OWN, bridged, calico
from tests.node.node import COMMAND, CONF_DIR, Node, until
from tests.node.pods import make_pod
from tests.node.runtime import Runtime
from tests.node.service import Service
from tests.readme import Block, blocks, matches


class Reader:
    """Somebody who follows the README."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.runtime = Runtime(node)
        self.service: Service | None = None

    def follow(self, block: Block) -> None:
        """Do what one block shows."""
        if block.word == "file":
            self.node.write(block.value, block.text)
            if self.service:
                self.settle()
        elif (block.word, block.value) == ("run", "node"):
            for command, shown in block.commands:
                self.run(block, command, shown)
        elif (block.word, block.value) == ("run", "service"):
            self.start(block)

    def run(self, block: Block, command: str, shown: str) -> None:
        """Run one command to its end; it must succeed, and print what is shown."""
        program, *arguments = command.split()
        assert program == "cni-route"
        done = self.node.run(COMMAND, *arguments)
        assert matches(shown, done.stdout), (
            f"README.md:{block.line}: {command} printed\n{done.stdout}instead of\n{shown}"
        )

    def start(self, block: Block) -> None:
        """Start the service; one pod is there already, one comes later."""
        ((command, _),) = block.commands
        source = command.split()[-1]
        assert command == f"cni-route sync --source {source}"
        self.node.write(f"{CONF_DIR}/10-calico.conflist", calico())
        self.node.write(f"{CONF_DIR}/20-ovn.conflist", bridged())
        make_pod(self.runtime, "web")
        self.service = Service(self.node, source=source)
        self.service.start()
        self.node.write(f"{CONF_DIR}/10-calico.conflist", calico(OWN))
        self.node.write(f"{CONF_DIR}/20-ovn.conflist", bridged(OWN))
        self.runtime.max_conf_num = 1
        make_pod(self.runtime, "plain")

    def settle(self) -> None:
        """Wait until the service has found both pods and has done what the files say."""

        def settled() -> bool:
            pods = self.node.query("pods")
            routes = self.node.query("routes")
            return (
                len(pods) == 2
                and all(pod["state"] == "ok" for pod in pods)
                and [route["state"] for route in routes] == ["Ready"]
            )

        until(settled, "the service has done what the README's files say")


def test_the_readme_holds(bare_node: Node) -> None:
    reader = Reader(bare_node)
    try:
        for block in blocks():
            reader.follow(block)
        assert json.loads(bare_node.cni_route("pods", "-o", "json").stdout)["items"]
    finally:
        if reader.service:
            reader.service.kill()
