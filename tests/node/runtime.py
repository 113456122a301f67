"""A CNI runtime that does what libcni and containerd do, without containers.

Rules followed, from libcni 1.1 (libcni/api.go, pkg/invoke) and containerd's go-cni: the loopback
list first; then the first `max_conf_num` files of the conf folder in lexical order as eth0, eth1;
name, cniVersion and the raw prevResult are put into each plugin's configuration; the result of the
last plugin is cached once all have succeeded; DEL goes backwards, with the cached result as
prevResult from 0.4.0 on, and stops at the first error; a failed ADD is followed by DEL.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from tests.node.node import BIN_DIR, CONF_DIR, Node

CACHE_DIR = "/var/lib/cni/results"
LOOPBACK = {"cniVersion": "0.3.1", "name": "cni-loopback", "plugins": [{"type": "loopback"}]}

Config = dict[str, Any]
Result = dict[str, Any]


class CniError(Exception):
    """A plugin's answer when it fails: its code, and the plugin it came from."""

    def __init__(self, plugin: str, code: int, message: str, details: str = "") -> None:
        super().__init__(f"{plugin}: code {code}: {message} {details}".rstrip())
        self.code = code


class Sandbox(NamedTuple):
    """What a runtime knows of a pod when it calls the plugins."""

    container_id: str
    netns: str
    namespace: str
    name: str
    uid: str

    @property
    def arguments(self) -> list[tuple[str, str]]:
        """CNI_ARGS, in pairs."""
        return [
            ("IgnoreUnknown", "1"),
            ("K8S_POD_NAMESPACE", self.namespace),
            ("K8S_POD_NAME", self.name),
            ("K8S_POD_INFRA_CONTAINER_ID", self.container_id),
            ("K8S_POD_UID", self.uid),
        ]


def version_of(config: Config) -> tuple[int, ...]:
    """A list's CNI version, comparable."""
    return tuple(int(part) for part in config.get("cniVersion", "0.1.0").split("."))


class Runtime:
    """The runtime of one node. `parallel`: eth0 and eth1 at the same time, as containerd 1.6 does.

    `after_plugin` is called with (sandbox, ifname, plugin type, seconds) after each plugin's ADD.
    """

    def __init__(self, node: Node, max_conf_num: int = 2, parallel: bool = False) -> None:
        self.node = node
        self.max_conf_num = max_conf_num
        self.parallel = parallel
        self.after_plugin: Callable[[Sandbox, str, str, float], None] = lambda *_: None

    # ------------------------------------------------------------ whole pods

    def lists(self) -> list[tuple[Config, str]]:
        """The lists in use with the interface each makes, loopback's first."""
        files = sorted(
            path
            for path in self.node.path(CONF_DIR).iterdir()
            if path.suffix in (".conf", ".conflist", ".json")
        )
        found = [read_list(path) for path in files[: self.max_conf_num]]
        return [(LOOPBACK, "lo"), *((config, f"eth{n}") for n, config in enumerate(found))]

    def add_pod(self, sandbox: Sandbox) -> dict[str, Result]:
        """ADD of every list, in parallel if asked; results by interface. CniError after a DEL."""
        todo = self.lists()
        try:
            if not self.parallel:
                return {ifname: self.add(config, sandbox, ifname) for config, ifname in todo}
            with ThreadPoolExecutor(len(todo)) as pool:
                jobs = {ifname: pool.submit(self.add, c, sandbox, ifname) for c, ifname in todo}
                return {ifname: job.result() for ifname, job in jobs.items()}
        except CniError:
            self.delete_pod(sandbox)
            raise

    def delete_pod(self, sandbox: Sandbox, netns_gone: bool = False) -> None:
        """DEL of every list; with an empty CNI_NETNS when the namespace is closed already."""
        for config, ifname in self.lists():
            self.delete(config, sandbox, ifname, netns="" if netns_gone else None)

    # ------------------------------------------------------------ one list

    def add(self, config: Config, sandbox: Sandbox, ifname: str) -> Result:
        """ADD of one list; the last plugin's result, cached."""
        result: Result | None = None
        for plugin in config["plugins"]:
            text = self._plugin_input(config, plugin, result)
            began = time.perf_counter()
            answer = self.call("ADD", plugin, text, sandbox, ifname)
            self.after_plugin(sandbox, ifname, plugin["type"], time.perf_counter() - began)
            result = json.loads(answer)
        assert result is not None
        self._cache(config, sandbox, ifname, result)
        return result

    def delete(
        self, config: Config, sandbox: Sandbox, ifname: str, netns: str | None = None
    ) -> None:
        """DEL of one list, with the configuration and the result that ADD left in the cache."""
        cached = self.cached(config["name"], sandbox, ifname)
        if cached is not None:
            config = json.loads(base64.b64decode(cached["config"]))
        result = cached["result"] if cached and version_of(config) >= (0, 4, 0) else None
        for plugin in reversed(config["plugins"]):
            text = self._plugin_input(config, plugin, result)
            self.call("DEL", plugin, text, sandbox, ifname, netns=netns)
        self.cache_file(config["name"], sandbox, ifname).unlink(missing_ok=True)

    def check(self, config: Config, sandbox: Sandbox, ifname: str) -> None:
        """CHECK of one list; CniError when a plugin is not content."""
        cached = self.cached(config["name"], sandbox, ifname)
        assert cached is not None, "CHECK needs a cached result"
        for plugin in config["plugins"]:
            text = self._plugin_input(config, plugin, cached["result"])
            self.call("CHECK", plugin, text, sandbox, ifname)

    def collect(self, config: Config, valid: list[tuple[str, str]]) -> None:
        """GC of one list: `valid` are the attachments that live, (container id, ifname)."""
        kept = [{"containerID": container, "ifname": ifname} for container, ifname in valid]
        extra = {"cni.dev/valid-attachments": kept, "cni.dev/attachments": kept}
        for plugin in config["plugins"]:
            self.call("GC", plugin, self._plugin_input(config, {**plugin, **extra}, None))

    def status(self, config: Config) -> None:
        """STATUS of one list; CniError when a plugin is not ready for ADD."""
        for plugin in config["plugins"]:
            self.call("STATUS", plugin, self._plugin_input(config, plugin, None))

    def versions(self, plugin: str) -> list[str]:
        """The versions that a plugin says it speaks."""
        answer = self.call("VERSION", {"type": plugin}, '{"cniVersion": "1.0.0"}')
        found = json.loads(answer)["supportedVersions"]
        assert isinstance(found, list)
        return found

    # ------------------------------------------------------------ one plugin

    def call(
        self,
        verb: str,
        plugin: Config,
        text: str,
        sandbox: Sandbox | None = None,
        ifname: str = "",
        *,
        netns: str | None = None,
    ) -> str:
        """Run one plugin; its standard output. CniError for what it answers when it fails."""
        env = {"CNI_COMMAND": verb, "CNI_PATH": BIN_DIR}
        if sandbox is not None:
            env["CNI_CONTAINERID"] = sandbox.container_id
            env["CNI_IFNAME"] = ifname
            env["CNI_NETNS"] = sandbox.netns if netns is None else netns
            env["CNI_ARGS"] = ";".join(f"{key}={value}" for key, value in sandbox.arguments)
        done = self.node.run(f"{BIN_DIR}/{plugin['type']}", stdin=text, env=env, check=False)
        if done.returncode:
            raise error_of(plugin["type"], done)
        return done.stdout

    def _plugin_input(self, config: Config, plugin: Config, result: Result | None) -> str:
        whole = {**plugin, "name": config["name"], "cniVersion": config.get("cniVersion", "0.1.0")}
        if result is not None:
            whole["prevResult"] = result
        return json.dumps(whole, sort_keys=True)

    # ------------------------------------------------------------ the cache

    def cache_file(self, network: str, sandbox: Sandbox, ifname: str) -> Path:
        """Where libcni keeps an attachment."""
        return self.node.path(CACHE_DIR, f"{network}-{sandbox.container_id}-{ifname}")

    def cached(self, network: str, sandbox: Sandbox, ifname: str) -> dict[str, Any] | None:
        """What the cache holds of an attachment."""
        try:
            found = json.loads(self.cache_file(network, sandbox, ifname).read_text())
        except FileNotFoundError:
            return None
        assert isinstance(found, dict)
        return found

    def _cache(self, config: Config, sandbox: Sandbox, ifname: str, result: Result) -> None:
        path = self.cache_file(config["name"], sandbox, ifname)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        entry = {
            "kind": "cniCacheV1",
            "containerId": sandbox.container_id,
            "config": base64.b64encode(json.dumps(config).encode()).decode(),
            "ifName": ifname,
            "networkName": config["name"],
            "cniArgs": [list(pair) for pair in sandbox.arguments],
            "result": result,
        }
        path.write_text(json.dumps(entry))
        path.chmod(0o600)


def read_list(path: Path) -> Config:
    """A .conflist as it is; a single plugin's .conf as a list of one."""
    config = json.loads(path.read_text())
    assert isinstance(config, dict)
    if path.suffix == ".conflist":
        return config
    version = config.get("cniVersion", "0.1.0")
    return {"cniVersion": version, "name": config["name"], "plugins": [config]}


def error_of(plugin: str, done: subprocess.CompletedProcess[str]) -> CniError:
    """What libcni makes of a failed plugin: its JSON on standard output, else standard error."""
    try:
        answer = json.loads(done.stdout)
        return CniError(plugin, answer["code"], answer["msg"], answer.get("details", ""))
    except (ValueError, KeyError, TypeError):
        return CniError(plugin, 999, done.stderr.strip() or done.stdout.strip() or "no answer")
