"""A machine that stands for a Kubernetes node: own network, own /run, /etc/cni, /var/lib/cni.

`Node.start()` makes one beside the calling process, which reaches its files below `root` and runs
commands in it; `Node.here()` turns the calling process itself into one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.node import holder

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = Path(sys.executable).parent / "cni-route"
DEBIAN_PLUGINS = Path("/usr/lib/cni")
PLUGINS = Path(__file__).parent / "plugins"
BIN_DIR = "/opt/cni/bin"
CONF_DIR = "/etc/cni/net.d"
RUN_DIR = "/run/cni-route"
STATE_DIR = "/var/lib/cni-route"
ROUTES_DIR = "/etc/cni-route/routes.d"


class CommandFailed(AssertionError):
    """A command in the node ended with another code than 0; the text has all its output."""


def until(condition: Callable[[], object], what: str, seconds: float = 10.0) -> float:
    """Wait until `condition` gives something true, at most `seconds`; return how long it took.

    AssertionError names `what` was waited for.
    """
    began = time.perf_counter()
    while not condition():
        if time.perf_counter() - began > seconds:
            raise AssertionError(f"waited {seconds:g} s in vain for: {what}")
        time.sleep(0.005)
    return time.perf_counter() - began


class Node:
    """One node. `prefix` is the command line that enters it, `root` where its files are seen."""

    def __init__(self, prefix: tuple[str, ...], root: str, process: subprocess.Popen[str] | None):
        self.prefix = prefix
        self.root = root
        self._process = process
        self._make()

    @classmethod
    def start(cls) -> Node:
        """A node of its own, held by a child process until close()."""
        process = subprocess.Popen(
            [sys.executable, "-I", holder.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            process.wait()
            raise RuntimeError("the node's namespaces could not be made; its error stands above")
        prefix = ("nsenter", "--target", str(process.pid), "--mount", "--net", "--")
        return cls(prefix, f"/proc/{process.pid}/root", process)

    @classmethod
    def here(cls) -> Node:
        """Turn this process into a node; only while it has a single thread."""
        holder.become()
        return cls((), "", None)

    def _make(self) -> None:
        for folder in (BIN_DIR, CONF_DIR, ROUTES_DIR, "/var/lib/cni/results"):
            self.path(folder).mkdir(parents=True, exist_ok=True)
        for plugin in DEBIAN_PLUGINS.iterdir():
            self.path(BIN_DIR, plugin.name).symlink_to(plugin)
        for source in PLUGINS.glob("*.py"):
            program = self.path(BIN_DIR, source.stem.replace("_", "-"))
            program.write_text(f"#!{sys.executable} -IS\n{source.read_text()}")
            program.chmod(0o755)
        self.ip("link set lo up")
        self._make_uplink()

    def _make_uplink(self) -> None:
        """A default route; without one the node would not answer ARP for Calico's 169.254.1.1."""
        lines = """
            link add uplink type veth peer name world
            link set uplink up
            link set world up
            address add 172.31.0.10/24 dev uplink
            address add fd00:31::10/64 dev uplink nodad
            route add default via 172.31.0.1 dev uplink
            route add default via fd00:31::1 dev uplink
        """
        self.run("ip", "-batch", "-", stdin=lines)

    def path(self, *parts: str) -> Path:
        """Where a path of the node is seen by the calling process."""
        inside = "/".join(part.strip("/") for part in parts)
        return Path(f"{self.root}/{inside}")

    def write(self, path: str, content: str | object) -> None:
        """Write a file of the node whole (temporary, rename), as editors and kubelets do."""
        text = content if isinstance(content, str) else json.dumps(content, indent=2) + "\n"
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.new")
        temporary.write_text(text)
        temporary.rename(target)

    def popen(self, *command: str | os.PathLike[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in the node."""
        return subprocess.Popen([*self.prefix, *command], **options)

    def run(
        self,
        *command: str | os.PathLike[str],
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the node to its end; CommandFailed for a code other than 0."""
        done = subprocess.run(
            [*self.prefix, *command],
            input=stdin,
            env=None if env is None else {**os.environ, **env},
            check=False,
            capture_output=True,
            text=True,
        )
        if check and done.returncode:
            words = " ".join(map(str, command))
            raise CommandFailed(f"{words}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def ip(self, arguments: str) -> str:
        """`ip ARGUMENTS` in the node."""
        return self.run("ip", *arguments.split()).stdout

    def cni_route(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The project's own command in the node."""
        return self.run(COMMAND, *arguments, check=check)

    def query(self, *arguments: str) -> list[dict[str, Any]]:
        """The items that a listing command of ours gives with -o json."""
        items = json.loads(self.cni_route(*arguments, "-o", "json").stdout)["items"]
        assert isinstance(items, list)
        return items

    def install_plugin(self) -> None:
        """Put our plugin where the runtime looks for plugins."""
        self.cni_route("install-plugin", BIN_DIR)

    def remove(self, path: str) -> None:
        """Delete a file or folder of the node."""
        target = self.path(path)
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink()

    def close(self) -> None:
        """Let the node go, with all that is in it."""
        if self._process is not None:
            self._process.communicate()

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
