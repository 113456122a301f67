"""Where the scenarios are played: a node, one pod, the service, the runtime's calls of our plugin.

`State` is all that a crash could have left behind, comparable: tables, records, files, snapshot.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from cni_route.cni.frame import FrameError, ask
from tests.crash.folder import SERVICES
from tests.crash.nursery import Forked, Nursery
from tests.crash.pod import ELSEWHERE, FOREIGN_PROTOCOLS, Pod, Sight, kept
from tests.node.node import BIN_DIR, ROUTES_DIR, RUN_DIR, STATE_DIR, Node, until
from tests.node.pods import BACKUP
from tests.node.service import LOG, PATIENCE, Service

NETWORK_OF = {"eth0": "calico-like", "eth1": "ovn-like"}
ROUTE_FILE = f"{ROUTES_DIR}/demo.json"
NEWS_FILE = f"{ROUTES_DIR}/news.json"
# one thread of each kind: so a call is made by the same thread each time
SETTINGS = ("--workers", "1", "--query-workers", "1", "--snapshot-interval", "0.05")
# nor does anything happen by itself meanwhile, or take long that need not
SELDOM = ("--sweep", "3600", "--discover", "3600", "--rescan", "3600", "--chain-settle", "0.01")
SOON = 30.0  # seconds that no sound run comes near

Done = subprocess.CompletedProcess[str]


class State(NamedTuple):
    """The pod and our folders; what differs from one pod to the next is left out."""

    sight: Sight
    record: dict[str, Any] | None
    files: list[str]
    view: Any  # of the snapshot, None without one


class Fork(Service):
    """The service, started in the nursery."""

    def __init__(self, node: Node, nursery: Nursery) -> None:
        super().__init__(node, *SETTINGS, *SELDOM)
        self._nursery = nursery
        self.process: Forked | None = None  # type: ignore[assignment]

    def fork(self) -> Forked:
        """Start it, held before it does anything."""
        self.process = self._nursery.start(*self.arguments, log=LOG, held=True)
        return self.process

    def start(self) -> float:
        """Start it and wait until the socket answers."""
        self.process = self._nursery.start(*self.arguments, log=LOG)
        return until(self.is_there, "the service's socket answers", PATIENCE)

    def send(self, number: int) -> None:
        """A signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def is_there(self) -> bool:
        """Whether it answers; AssertionError when it has ended."""
        assert not self.is_dead(), f"the service ended\n{self.log()}"
        return self.answers()

    def is_dead(self) -> bool:
        """Whether the process has ended."""
        return self.process is not None and self.process.poll() is not None


class Stage:
    """One node with one pod at a time."""

    def __init__(self, node: Node, folder: Path) -> None:
        self.node = node
        self.folder = folder  # for notes
        self.nursery = Nursery(node)
        self.service = Fork(node, self.nursery)
        self.pod: Pod | None = None
        self._calls = ThreadPoolExecutor(1)
        self._pending: list[Future[Any]] = []
        node.write(f"{ROUTES_DIR}/services.json", SERVICES)

    def close(self) -> None:
        """Whatever runs is killed; the node's owner closes the node."""
        self.service.kill()
        self._calls.shutdown(cancel_futures=True)
        self.nursery.close()

    # ------------------------------------------------------------ the pod

    @property
    def the_pod(self) -> Pod:
        """The pod, which must be there."""
        assert self.pod is not None
        return self.pod

    def new_pod(self) -> Pod:
        """Another pod takes the place of the one before, which ends as a runtime ends it."""
        self.end_pod()
        self.pod = Pod(self.node)
        return self.pod

    def hold_pod(self, *nics: str) -> None:
        """A pod that has been added, by the ADDs of these NICs; by default of both."""
        if self.pod is None:
            self.new_pod()
        if self.record() is None:
            self.add(*(nics or NETWORK_OF))

    def end_pod(self) -> None:
        """DEL for both NICs, and nothing of ours is left; then the namespace goes."""
        if self.pod is not None:
            self.delete("eth1", "eth0")
            self.await_no_files()
            self.pod.close()
            self.pod = None

    def await_no_files(self) -> None:
        """Until nothing in our folders tells of the pod."""
        until(lambda: not self.files_of_pod(), f"nothing is left: {self.files_of_pod()}")

    def files_of_pod(self) -> list[str]:
        """What in our folders tells of the pod."""
        return [name for name in self.files() if "POD" in name]

    def leave_snapshot(self, text: str) -> None:
        """There was a service, which followed this text; now there is none."""
        self.write(text)
        self.service.start()
        quiet = Quiet(self.service.pid)
        until(lambda: self.has_followed() and quiet(), "the snapshot is written")
        self.service.kill()

    def call(
        self, verb: str, nic: str, prefix: tuple[str, ...] = (), patience: int = 20_000
    ) -> Done:
        """One call of our plugin, as the runtime makes it; however it ends."""
        pod = self.the_pod
        config = {
            "type": "cni-route",
            "cniVersion": "1.0.0",
            "name": NETWORK_OF[nic],
            "failurePolicy": "Fail",
            "timeoutMs": patience if self.service.process else 1,
            "prevResult": pod.result(nic),
        }
        env = {
            "CNI_COMMAND": verb,
            "CNI_PATH": BIN_DIR,
            "CNI_CONTAINERID": pod.sandbox.container_id,
            "CNI_IFNAME": nic,
            "CNI_NETNS": pod.sandbox.netns,
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in pod.sandbox.arguments),
        }
        command = (*prefix, f"{BIN_DIR}/cni-route")
        return self.node.run(*command, stdin=json.dumps(config), env=env, check=False)

    def add(self, *nics: str) -> None:
        """ADD, which must succeed and hand on what the plugin before said."""
        for nic in nics:
            done = self.call("ADD", nic)
            assert done.returncode == 0, f"ADD {nic}: {done.stdout}{done.stderr}"
            assert json.loads(done.stdout) == self.the_pod.result(nic)

    def delete(self, *nics: str) -> None:
        """DEL, which must succeed."""
        for nic in nics:
            done = self.call("DEL", nic)
            assert done.returncode == 0, f"DEL {nic}: {done.stdout}{done.stderr}"

    # ------------------------------------------------------------ what goes on meanwhile

    def meanwhile(self, do: Callable[[], Any]) -> None:
        """Do it in the background: it may outlive a service, or not come to its end without."""
        self._pending.append(self._calls.submit(do))

    def is_alone(self) -> bool:
        """Whether nothing goes on meanwhile."""
        return all(future.done() for future in self._pending)

    def joined(self) -> None:
        """What was done meanwhile has come to its end; what it raised is raised."""
        while self._pending:
            self._pending.pop(0).result(PATIENCE * 2)

    def clean(self) -> None:
        """`cleanup` beside the service; all must be clean."""
        for item in self.cleaned():
            assert not item["left"], item
            assert not item["error"], item

    def cleaned(self) -> list[dict[str, Any]]:
        """What a cleanup says; OSError where the service goes away meanwhile."""
        path = str(self.node.path(RUN_DIR, "agent.sock"))
        try:
            answer = ask(path, {"query": "cleanup"}, PATIENCE)
        except FrameError as error:
            raise ConnectionError(str(error)) from None
        assert isinstance(answer, dict)
        return list(answer["items"])

    def write(self, text: str, path: str = ROUTE_FILE) -> None:
        """One of the folder's files."""
        self.node.write(path, text)

    # ------------------------------------------------------------ looking

    def state(self) -> State:
        """All of it, now."""
        return State(self.the_pod.look(), self.record(), self.files(), self.view())

    def record(self) -> dict[str, Any] | None:
        """The pod's record without what names this very pod; ValueError if it is torn."""
        if self.pod is None:
            return None
        path = self.node.path(RUN_DIR, "sandboxes", f"{self.pod.sandbox.container_id}.json")
        try:
            record = json.loads(path.read_text())
        except FileNotFoundError:
            return None
        # each key's displaced routes have an order, the keys have none
        record["displaced"].sort(key=lambda displaced: displaced["route"]["dst"])
        return {
            k: v for k, v in record.items() if k not in ("containerID", "netns", "inode", "pod")
        }

    def files(self) -> list[str]:
        """All that lies in our folders, the pod called POD, the process that wrote it N."""
        pod = self.pod.sandbox.container_id if self.pod else "POD"
        found = []
        for folder in (RUN_DIR, STATE_DIR):
            root = self.node.path(folder)
            names = sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())
            found += [re.sub(r"\.\d+\.", ".N.", name.replace(pod, "POD")) for name in names]
        return found

    def view(self) -> Any:
        """What the snapshot holds; ValueError if it is torn."""
        try:
            return json.loads(self.node.path(STATE_DIR, "snapshot.json").read_text())["view"]
        except FileNotFoundError:
            return None

    def has_followed(self) -> bool:
        """Whether the snapshot holds what the folder holds now."""
        marks = [
            item["metadata"]["name"]
            for path in self.node.path(ROUTES_DIR).glob("*.json")
            for item in json.loads(path.read_text())["items"]
            if item["kind"] == "Namespace"
        ]
        view = self.view()
        return view is not None and sorted(entry[0] for entry in view["namespaces"]) == sorted(
            marks
        )

    def await_state(
        self, wanted: State, what: str, meanwhile: Callable[[State], None] = lambda _there: None
    ) -> None:
        """Until everything is like this, and the service at rest; AssertionError says what is not.

        `meanwhile` judges every state on the way.
        """
        quiet = Quiet(self.service.pid) if self.service.process else lambda: True

        def is_there() -> bool:
            there = self.state()
            meanwhile(there)
            return there == wanted and quiet()

        try:
            until(is_there, what, SOON)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{difference(wanted, self.state())}") from None


class Quiet:
    """Whether a process has come to rest: all its threads sleep, as they did a moment ago."""

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._last: list[str] = []

    def __call__(self) -> bool:
        """Since the last time this was asked; a process that is gone is at rest."""
        try:
            texts = [
                (self._tasks / name / "status").read_text() for name in os.listdir(self._tasks)
            ]
        except (FileNotFoundError, ProcessLookupError):
            return not self._tasks.exists()
        lines = [line for text in texts for line in text.splitlines()]
        last, self._last = self._last, [line for line in lines if "ctxt_switches" in line]
        return last == self._last and all("State:\tS" in text for text in texts)


def difference(wanted: State, there: State) -> str:
    """What is not as wanted, for people."""
    lines = []
    for name in ("routes", "rules", "ways"):
        lines += _differing(name, getattr(wanted.sight, name), getattr(there.sight, name))
    for name in ("record", "files", "view"):
        lines += _differing(name, getattr(wanted, name), getattr(there, name))
    return "\n".join(lines)


def _differing(name: str, wanted: Any, there: Any) -> list[str]:
    if wanted == there:
        return []
    if not isinstance(wanted, list):
        return [f"{name}: wanted {wanted}", f"{name}: there  {there}"]
    return [
        *(f"{name}: missing: {each}" for each in wanted if each not in there),
        *(f"{name}: surplus: {each}" for each in there if each not in wanted),
    ] or [f"{name}: in another order: {there}"]


def check_copies(state: State) -> None:
    """At rest, what the record calls displaced has its copy in the kernel, and nothing else has."""
    copies = state.sight.hops(BACKUP)
    assert copies == kept(state.record), (copies, state.record)
    twice = copies & state.sight.hops(*FOREIGN_PROTOCOLS)
    assert not twice, f"displaced, and there nevertheless: {twice}"


def wreck(stage: Stage, before: State, after: State) -> None:
    """What must hold at every moment between two states, with nobody there to mend anything."""
    there = stage.state()  # no torn record, no torn snapshot
    assert there.view in (before.view, after.view), "the snapshot is neither the old nor the new"
    whole(there, before, after)


def whole(there: State, before: State, after: State) -> None:
    """Nothing foreign is lost, and what can be reached before and after, can be reached now."""
    missing = set(ELSEWHERE) - there.sight.ways.keys()
    assert not missing, f"no way to {missing}: {there.sight.routes}"
    made = before.sight.hops(*FOREIGN_PROTOCOLS) | kept(before.record)
    held = there.sight.hops(*FOREIGN_PROTOCOLS, BACKUP) | kept(there.record)
    assert made <= held, f"lost: {made - held}"
    both = {r["dst"] for r in before.sight.routes} & {r["dst"] for r in after.sight.routes}
    lacking = both - {r["dst"] for r in there.sight.routes}
    assert not lacking, f"without a route meanwhile: {lacking}"


__all__ = ["Fork", "Quiet", "Stage", "State", "check_copies", "difference", "whole", "wreck"]
