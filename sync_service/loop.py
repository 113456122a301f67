"""Dirty pods, one after another, for ever: the only place from where running pods are changed.

Level-triggered: whatever happens only marks pods, and a marked pod goes through the same pass.
One thread makes the passes; an ADD makes its own in its caller's thread, and goes first.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from cni_route.reconcile import Options, Outcome
from cni_route.record import Record
from cni_route.view import View
from sync_service.agenda import Agenda, Calm, pause
from sync_service.house import Cleaned
from sync_service.ledger import Ledger, PodState
from sync_service.passes import Passes, Pod, Result, Situation
from sync_service.store import News

__all__ = ["Loop", "Timing"]

_ADDS_FIRST = 0.05  # seconds that the loop stands aside for ADDs before each pod, at most
_SOON = 0.02  # seconds until a pod that another pass was at is taken up again
_EVERYBODY = ("", "lost")  # on the agenda: all pods
_log = logging.getLogger(__name__)


class Timing(NamedTuple):
    """Seconds; asked for anew each time, as they may change while running."""

    backoff_base: float
    backoff_cap: float
    sweep: float


class Loop:
    """Every method may be called from any thread; `run` is a thread's whole life.

    `forgotten` is told the container id of each sandbox that is no longer there.
    """

    def __init__(
        self,
        passes: Passes,
        ledger: Ledger,
        timing: Callable[[], Timing],
        options: Options,
        *,
        paused: bool = False,
        forgotten: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._passes = passes
        self._ledger = ledger
        self._timing = timing
        self._options = options
        self._forgotten = forgotten
        self._random = random.Random()
        self._work = threading.Condition()  # guards all below
        self._pods: dict[str, Pod] = {}
        self._dirty: dict[str, None] = {}  # in the order in which they were marked
        self._agenda: Agenda[tuple[str, str]] = Agenda()  # (container id, why)
        self._calm = Calm()  # after lost events
        self._adds = 0  # ADDs that are being made
        self._busy = False  # a batch is in hand
        self._complete = False
        self._paused = paused
        self._cleaned = False
        self._stopped = False
        self._set_situation(None)  # before anything is known a pause is one already

    # ------------------------------------------------------------ what happens

    def see(self, news: News) -> None:
        """Another picture: pods that it may concern are dirty."""
        with self._work:
            old = self._passes.situation.view
            turned = news.complete != self._complete
            self._complete = news.complete
            self._set_situation(news)
            if turned:  # what was withheld until now is due, in every pod
                for pod in self._pods.values():
                    pod.memory.doubt()
            if turned or news.touched is None:
                self._mark(self._pods)
            elif news.touched:
                self._mark(self._of(news.touched, (old, news.view)))

    def adopt(self, record: Record) -> None:
        """A sandbox with its record; one that is known already, and as it was, is fine."""
        with self._work:
            pod = self._pods.get(record.container_id)
            if pod is None or (pod.record.netns, pod.record.inode) != (record.netns, record.inode):
                self._new(record)
            elif pod.record[3:7] == record[3:7]:  # whose it is, and its attachments
                return  # what else a record tells, passes read for themselves
            self._mark((record.container_id,))

    def event(self, container_id: str, link_changed: bool = False) -> None:
        """Something happened in the pod's namespace: look again, soon.

        `link_changed`: a link or an address, so that the kernel may have taken routes itself.
        """
        now = time.monotonic()
        with self._work:
            pod = self._pods.get(container_id)
            if pod is None:
                return
            pod.memory.doubt(link_changed)
            pod.chains.event(now)
            key = (container_id, "event")
            if container_id in self._dirty or key in self._agenda:
                return
            when = pod.calm.event(now)
            if when <= now:
                self._mark((container_id,))
            else:
                self._agenda.add(key, when)
                self._work.notify_all()

    def doubt_all(self) -> None:
        """Events were lost: look again everywhere, but not for every flood that a pod makes."""
        now = time.monotonic()
        with self._work:
            for pod in self._pods.values():
                pod.memory.doubt(link_changed=True)
            if _EVERYBODY not in self._agenda:
                self._agenda.add(_EVERYBODY, self._calm.event(now))
                self._work.notify_all()

    def check(self, container_id: str) -> None:
        """The record was changed or removed by others."""
        with self._work:
            if container_id in self._pods:
                self._mark((container_id,))

    def rest(self, seconds: float) -> None:
        """Wait until nothing is to be done for any pod, so long at most."""
        with self._work:
            self._work.wait_for(
                lambda: self._stopped or not (self._busy or self._dirty or self._adds), seconds
            )

    def knows(self, container_id: str) -> bool:
        """Whether the sandbox is among those that are looked after."""
        return container_id in self._pods

    # ------------------------------------------------------------ what is asked for

    def pass_over(self, record: Record, descriptor: int, dry: bool) -> Outcome:
        """reconcile for a CNI call, before everything that is dirty; OSError as reconcile has."""
        with self._first():
            with self._work:
                pod = self._pods.get(record.container_id) or self._new(record)
                if not dry:
                    self._dirty.pop(record.container_id, None)
            try:
                outcome = self._passes.pass_over(pod, record, descriptor, dry)
            except BaseException:
                self.check(record.container_id)
                raise
        if not dry:
            self._done(pod, "retry" if outcome.retry else "done")
        return outcome

    @property
    def paused(self) -> bool:
        """Whether nothing is written: by the setting, or since a cleanup."""
        return self._paused or self._cleaned

    def set_paused(self, paused: bool) -> None:
        """The setting, read again (SIGHUP); that ends the rest after a cleanup, too."""
        with self._work:
            self._paused = paused
            self._cleaned = False
            self._set_situation(None)
            self._mark(self._pods)

    def look(self, container_id: str) -> PodState | None:
        """What the pod has and should have now, as house.Loop has it."""
        with self._work:
            pod = self._pods.get(container_id)
            pending = container_id in self._dirty
        if pod is None:
            return None
        try:
            return self._passes.look(pod, pending)
        except TimeoutError:
            return self._ledger.get(container_id)

    def cleanup(self) -> tuple[Cleaned, ...]:
        """Take everything of ours out of every pod and stay paused, as house.Loop has it."""
        with self._work:
            self._cleaned = True
            self._set_situation(None)
            pods = list(self._pods.values())
        _log.info("cleanup: taking all our routes out of %d pods, paused from now on", len(pods))
        cleaned = []
        for pod in pods:
            try:
                cleaned.append(self._passes.clean(pod))
            except TimeoutError as error:
                r = pod.record
                cleaned.append(
                    Cleaned(r.container_id, r.namespace, r.name, 0, 0, str(error.strerror))
                )
        with self._work:
            self._mark(self._pods)
        return tuple(cleaned)

    # ------------------------------------------------------------ the thread

    def run(self) -> None:
        """Make passes over dirty pods until `stop`."""
        while (batch := self._next()) is not None:
            began = time.monotonic()
            written: list[tuple[Pod, int]] = []
            for pod in batch:
                if self._adds:
                    self._stand_aside()
                if self._stopped:
                    return
                self._done(pod, self._passes.run(pod))
                if pod.written:
                    written.append((pod, pod.written))
            _report(written, time.monotonic() - began)

    def stop(self) -> None:
        """Let `run` end behind the pod in hand; routes stay where they are."""
        with self._work:
            self._stopped = True
            self._work.notify_all()

    def _next(self) -> list[Pod] | None:
        """The pods that are dirty or due, waited for; None: stop."""
        with self._work:
            self._busy = False
            while not self._stopped:
                now = time.monotonic()
                for container_id, why in self._agenda.take(now):
                    self._due(container_id, why, now)
                if self._dirty:
                    batch = [self._pods[key] for key in self._dirty]
                    self._dirty.clear()
                    self._busy = True
                    return batch
                self._work.notify_all()  # whoever waits for this rest
                when = self._agenda.next()
                self._work.wait(None if when is None else when - now)
            return None

    def _due(self, container_id: str, why: str, now: float) -> None:
        if (container_id, why) == _EVERYBODY:
            self._mark(self._pods)
            return
        pod = self._pods[container_id]
        if why == "sweep":
            pod.memory.doubt(link_changed=True)
            self._agenda.add((container_id, why), now + self._sweep_time())
        self._dirty[container_id] = None

    def _stand_aside(self) -> None:
        with self._work:
            self._work.wait_for(lambda: not self._adds or self._stopped, _ADDS_FIRST)

    def _done(self, pod: Pod, result: Result) -> None:
        """What a pass left to be done; hot, so a pod in which all is well costs nothing."""
        if result == "done" and not pod.failures and pod.due is None:
            return
        container_id = pod.record.container_id
        with self._work:
            if result == "busy":
                # a key of its own: the pass that was at it must not count for this one
                if self._pods.get(container_id) is pod:
                    self._agenda.add((container_id, "busy"), time.monotonic() + _SOON)
                    self._work.notify_all()
                return
            if pod.due is not None and self._pods.get(container_id) is pod:
                self._agenda.add((container_id, "chain"), pod.due)
                self._work.notify_all()
            if result == "done":
                pod.failures = 0
                self._agenda.drop((container_id, "retry"))
            elif result == "retry":
                pod.failures += 1
                base, cap, _ = self._timing()
                wait = pause(pod.failures, base, cap, self._random)
                if self._pods.get(container_id) is pod:
                    self._agenda.add((container_id, "retry"), time.monotonic() + wait)
                    self._work.notify_all()
            elif self._pods.get(container_id) is pod:
                self._forget(container_id)

    # ------------------------------------------------------------ with the lock held

    def _set_situation(self, news: News | None) -> None:
        view = self._passes.situation.view if news is None else news.view
        options = self._options._replace(only_add=not self._complete, paused=self.paused)
        self._passes.situation = Situation(view, options)

    def _of(self, uids: frozenset[str], views: Iterable[View]) -> list[str]:
        """The sandboxes of these pods; by name too, as a static pod's record has another UID."""
        pods = [view.pods.get(uid) for uid in uids for view in views]
        names = {(pod.namespace, pod.name) for pod in pods if pod is not None}
        return [
            container_id
            for container_id, pod in self._pods.items()
            if pod.record.uid in uids or (pod.record.namespace, pod.record.name) in names
        ]

    def _new(self, record: Record) -> Pod:
        pod = self._pods[record.container_id] = Pod(record)
        # the first sweep comes any time, so that those of pods found together spread
        wait = self._random.random() * self._sweep_time()
        self._agenda.add((record.container_id, "sweep"), time.monotonic() + wait)
        self._ledger.put(
            PodState(record.container_id, record.namespace, record.name, record.uid, record.netns)
        )
        return pod

    def _sweep_time(self) -> float:
        return self._timing().sweep * self._random.uniform(0.9, 1.1)

    def _mark(self, container_ids: Iterable[str]) -> None:
        self._dirty.update(dict.fromkeys(container_ids))
        self._work.notify_all()

    def _forget(self, container_id: str) -> None:
        del self._pods[container_id]
        self._dirty.pop(container_id, None)
        for why in ("sweep", "retry", "event", "chain", "busy"):
            self._agenda.drop((container_id, why))
        self._ledger.drop(container_id)
        self._forgotten(container_id)

    @contextmanager
    def _first(self) -> Iterator[None]:
        """While an ADD is made the loop stands aside."""
        with self._work:
            self._adds += 1
        try:
            yield
        finally:
            with self._work:
                self._adds -= 1
                self._work.notify_all()


def _report(written: list[tuple[Pod, int]], seconds: float) -> None:
    """One line for a batch in which anything was written, however many pods it had."""
    if not written:
        return
    operations = sum(count for _, count in written)
    where = written[0][0].name if len(written) == 1 else f"{len(written)} pods"
    _log.info("%s: %d operations in %.1f ms", where, operations, seconds * 1000)
