"""Wiring only: which parts there are, what they tell each other, in which order they start and end.

source ──▶ collector ──▶ store ──▶ loop ──▶ passes ──▶ ledger ◀── queries
                                    ▲  ▲
            discovery, watch ───────┘  └─────── server (ADD, DEL, CHECK ...)
"""

from __future__ import annotations

import gc
import json
import logging
import os
import queue
import resource
import signal
import sys
from collections.abc import Callable, Set
from types import FrameType

from cni_route.cni import verbs
from cni_route.cni.frame import Answer, Request
from cni_route.netlink.events import Listener
from cni_route.netlink.table import NetlinkKernel
from cni_route.reconcile import Options
from cni_route.sandbox import Sandboxes
from sync_service import configuration, log, loop, queries
from sync_service.chains import Waits
from sync_service.collector import Collector
from sync_service.configuration import Loaded, SettingsError
from sync_service.discover import Discovery, is_gone
from sync_service.house import House
from sync_service.ledger import Ledger
from sync_service.passes import Passes
from sync_service.rundir import RunDir
from sync_service.server import Pool, Server
from sync_service.settings import Settings
from sync_service.snapshot import Keeper, Snapshot
from sync_service.sources import directory
from sync_service.store import News, Store
from sync_service.threads import Crew, Stop
from sync_service.watch import Watch

__all__ = ["Service"]

_END = 5.0  # seconds that all threads together get to come to their end
_log = logging.getLogger(__name__)


class Service:
    """The node's daemon. `reload` reads the settings again; `run` returns the exit code."""

    def __init__(self, loaded: Loaded, reload: Callable[[], Loaded]) -> None:
        self._settings = loaded.settings
        self._notes = loaded.notes
        self._reload = reload
        self._happened: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._pods: Set[str] = frozenset()  # UIDs that the source named last
        self._stop = Stop()
        self._crew = Crew(self._happened.put)
        settings = loaded.settings
        self._run_dir = RunDir(settings.run_dir)
        self._sandboxes = Sandboxes(settings.run_dir, _log.warning)
        self._ledger = Ledger()
        self._store = Store(self._see, _log.warning)
        self._collector = Collector(self._store)
        self._snapshot = Snapshot(settings.state_dir, _facts(settings), _log.warning)

    # ------------------------------------------------------------ the whole life

    def run(self) -> int:
        """Start everything, serve until SIGTERM or SIGINT, end in order; RunDirError, OSError."""
        log.configure(self._settings.log_format)
        for note in self._notes:
            _log.warning("%s", note)
        self._run_dir.hold()
        self._catch_signals()
        _make_room()
        self._build()
        known = self._snapshot.load()
        if known is not None:
            self._collector.start_from(known)
        self._sandboxes.tidy()
        self._discovery.look()
        self._start()
        _log.info(
            "cni-route follows %s for the pods of %s%s",
            self._settings.source,
            self._settings.node,
            ", paused" if self._settings.paused else "",
        )
        code = self._serve()
        self._end()
        return code

    def _build(self) -> None:
        """The parts that need root: the listener before anything is read, or events are missed."""
        settings = self._settings
        options = Options(settings.protocol, settings.backup_protocol)
        self._watch = Watch(Listener(), event=self._event, lost=self._lost)
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        passes = Passes(
            NetlinkKernel(home),
            self._sandboxes,
            self._ledger,
            gone=lambda record: is_gone(record, settings.netns_dir),
            heard=self._watch.learn,
            waits=lambda: Waits(self._settings.chain_settle, self._settings.chain_wait),
        )
        self._loop = loop.Loop(
            passes,
            self._ledger,
            self._loop_timing,
            options,
            paused=settings.paused,
            forgotten=self._forgotten,
        )
        self._keeper = Keeper(
            self._snapshot,
            self._store,
            lambda: self._settings.snapshot_interval,
            lambda: self._collector.whole,
            self._loop.rest,
        )
        self._discovery = Discovery(
            self._sandboxes,
            settings.cni_cache,
            settings.netns_dir,
            adopt=self._loop.adopt,
            view=lambda: self._store.view,
            interval=lambda: self._settings.discover,
        )
        self._source = directory.Directory(
            settings.source.removeprefix("dir:"),
            settings.node,
            self._collector,
            lambda: directory.Timing(self._settings.settle, self._settings.rescan),
        )
        self._calls = Pool(self._answer_call, self._patience)
        self._queries = Pool(self._answer_query, self._patience)
        self._server = Server(self._calls, self._queries, self._patience)

    def _start(self) -> None:
        start, stop = self._crew.start, self._stop.fileno()
        start("watch", lambda: self._watch.run(stop))
        start("loop", self._loop.run)
        start("source", lambda: self._source.run(stop))
        start("discovery", self._discovery.run)
        start("snapshot", self._keeper.run)
        for number in range(self._settings.workers):
            start(f"call-{number}", self._calls.work)
        for number in range(self._settings.query_workers):
            start(f"query-{number}", self._queries.work)
        start("server", self._listen)

    def _listen(self) -> None:
        """Be found only when there is something to decide an ADD by."""
        store = self._store
        while not self._stop.is_set:
            if store.wait_until(lambda: self._stop.is_set or store.ready, 60):
                break
        if self._stop.is_set:
            return
        listening = self._run_dir.listen()
        _log.info("the socket %s answers", self._run_dir.socket_path)
        self._server.run(listening, self._stop.fileno())

    def _serve(self) -> int:
        while True:
            what = self._happened.get()
            if what == "SIGHUP":
                self._read_again()
            elif what.startswith("SIG"):
                _log.info("%s: ending; all routes stay in place", what)
                return 0
            else:
                _log.critical("%s; ending, all routes stay in place", what)
                return 1

    def _end(self) -> None:
        """No new work, then what is in hand; what does not end is left to the process's end."""
        self._crew.stop()
        self._run_dir.withdraw()
        self._stop.set()
        self._store.wake()
        self._loop.stop()
        for part in (self._discovery, self._keeper, self._calls, self._queries):
            part.stop()
        for name in self._crew.join(_END):
            _log.warning("the thread %s does not come to its end", name)

    def _catch_signals(self) -> None:
        def note(number: int, _frame: FrameType | None) -> None:
            self._happened.put(signal.Signals(number).name)

        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, note)

    # ------------------------------------------------------------ what the parts tell each other

    def _see(self, news: News) -> None:
        self._loop.see(news)
        if not news.view.pods.keys() <= self._pods:
            self._discovery.soon()
        self._pods = news.view.pods.keys()

    def _event(self, container_id: str, link_changed: bool) -> None:
        self._loop.event(container_id, link_changed)

    def _lost(self) -> None:
        self._loop.doubt_all()

    def _forgotten(self, container_id: str) -> None:
        self._watch.forget(container_id)
        self._discovery.forget(container_id)

    def _loop_timing(self) -> loop.Timing:
        settings = self._settings
        return loop.Timing(settings.backoff_base, settings.backoff_cap, settings.sweep)

    def _patience(self) -> float:
        return self._settings.read_timeout

    # ------------------------------------------------------------ the socket

    def _answer_call(self, request: Request, descriptor: int) -> Answer:
        context = verbs.Context(
            self._sandboxes,
            self._loop.pass_over,
            self._store.find_pod,
            _log.info,
            self._loop.check,
            agent=_agent(self._settings.agent),
        )
        return verbs.handle(verbs.Call(request.environment, request.body, descriptor), context)

    def _answer_query(self, request: Request, _descriptor: int) -> Answer:
        try:
            query = json.loads(request.body)
        except (ValueError, RecursionError):
            query = None
        if not isinstance(query, dict):
            return _json({"error": "A query is a JSON object."})
        house = House(self._ledger, self._store, self._loop, self._settings)
        try:
            return _json(queries.answer(query, house))
        except Exception as error:
            _log.exception("a query could not be answered")
            return _json({"error": f"A mistake in cni-route: {type(error).__name__}: {error}"})

    # ------------------------------------------------------------ SIGHUP

    def _read_again(self) -> None:
        try:
            loaded = self._reload()
        except SettingsError as error:
            for complaint in str(error).splitlines():
                _log.error("SIGHUP: %s", complaint)
            _log.error("SIGHUP: nothing is changed, because the settings cannot be used")
            return
        live, later = configuration.changed(self._settings, loaded.settings)
        for note in loaded.notes:
            _log.warning("SIGHUP: %s", note)
        for setting in later:
            _log.warning("SIGHUP: %s changed, which needs a restart", setting.key)
        values = {setting.name: getattr(loaded.settings, setting.name) for setting in live}
        self._settings = self._settings._replace(**values)
        names = ", ".join(setting.key for setting in live) or "nothing"
        _log.info("SIGHUP: the settings are read again; changed: %s", names)
        self._loop.set_paused(self._settings.paused)


def _facts(settings: Settings) -> dict[str, object]:
    """What a plugin alone must know besides the view."""
    return {
        "agent": settings.agent,
        "protocol": settings.protocol,
        "backupProtocol": settings.backup_protocol,
    }


def _agent(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    return namespace, name


def _json(body: dict[str, object]) -> Answer:
    return Answer(int("error" in body), json.dumps(body).encode())


def _make_room() -> None:
    """Limits and habits of the interpreter, made for a daemon with one busy thread."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a node's pods, all at once
    # a pass makes some 30 system calls, and after each waits so long for a thread that computes
    sys.setswitchinterval(0.0005)
    # what lives here for long is made of tuples and never of cycles: look for those seldom
    gc.set_threshold(50_000, 20, 100)
