"""One pass over one pod: enter its namespace, reconcile, write down what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOENT, ETIMEDOUT
from typing import Literal, NamedTuple

from cni_route.kernel import Kernel
from cni_route.memory import Memory
from cni_route.reconcile import Options, Outcome, reconcile
from cni_route.record import Record
from cni_route.sandbox import Sandboxes
from cni_route.view import EMPTY, View
from sync_service.chains import Lore, Nic, Waits
from sync_service.door import Door, door
from sync_service.house import Cleaned
from sync_service.ledger import Ledger, PodState, state_of
from sync_service.pod import Pod

__all__ = ["Passes", "Pod", "Result", "Situation"]

Result = Literal[
    "done",  # nothing is left to be done
    "busy",  # another pass was at it: nothing was looked at
    "retry",  # something is not as wanted, and may be mended later
    "gone",  # there is no such sandbox any more
]
_LOCK_SECONDS = 10.0  # what a call or a query waits for another pass on the same pod
_MOMENT = 0.05  # seconds; what the loop waits for one
_CLEANING_ROUNDS = 3
_log = logging.getLogger(__name__)


class Situation(NamedTuple):
    """By what a pass goes; replaced whole when anything of it changes."""

    view: View = EMPTY
    options: Options = Options(only_add=True)


class Passes:
    """Makes passes, each by the `situation` at that moment.

    `gone` confirms that a record's namespace is no longer there; `heard` makes a namespace's
    events reach us (container id, descriptor), and says whether it could.
    """

    def __init__(
        self,
        kernel: Kernel,
        sandboxes: Sandboxes,
        ledger: Ledger,
        *,
        gone: Callable[[Record], bool],
        heard: Callable[[str, int], bool],
        waits: Callable[[], Waits] = lambda: Waits(0, 0),
        way: Door | None = None,
    ) -> None:
        self._kernel = kernel
        self._sandboxes = sandboxes
        self._ledger = ledger
        self._gone = gone
        self._heard = heard
        self._waits = waits
        self._lore = Lore()
        self._door = way or door()
        self.situation = Situation()

    def run(self, pod: Pod) -> Result:
        """A pass; whatever goes wrong with one pod stays with it."""
        if not pod.lock.acquire(timeout=_MOMENT):
            return "busy"  # an ADD or a query is at it: others must not wait for that
        try:
            return self._run(pod)
        finally:
            pod.lock.release()

    def pass_over(self, pod: Pod, record: Record, descriptor: int, dry: bool) -> Outcome:
        """The same on an open, checked descriptor, for a CNI call; raises OSError."""
        with _held(pod):
            called = {a.ifname for a in record.attachments}
            new = called - {a.ifname for a in pod.record.attachments} or called
            pod.renew(record)
            # all NICs are in place, but for those whose own ADD is still to come
            unfinished = frozenset(self._lore.called - called)
            view, options = self.situation
            options = options._replace(dry=dry, unfinished=unfinished)
            outcome = self._reconcile(pod, descriptor, Situation(view, options))
            if not dry:
                self._lore.call(new)
                self._note(pod, outcome)
                pod.chains.finish(lambda name: name not in unfinished)
                self._ask_again(pod, pod.chains.finished)
            return outcome

    def look(self, pod: Pod, pending: bool) -> PodState | None:
        """What the pod has and should have, now; what is `pending` is done before."""
        with _held(pod):
            if pending and self._run(pod) == "gone":
                return None
            known = self._ledger.get(pod.record.container_id)
            try:
                with self._inside(pod.record) as descriptor:
                    view, options = self._situation_of(pod)
                    dry = Situation(view, options._replace(dry=True))
                    seen = state_of(self._reconcile(pod, descriptor, dry), time.time())
            except OSError as error:
                return known and known._replace(state="failed", error=_words(error))
        # whether all is well is for the passes to say: a dry one has tried nothing
        return seen._replace(state=known.state, error=known.error) if known else seen

    def clean(self, pod: Pod) -> Cleaned:
        """Take out all that is ours and restore what it displaced, then count what is left."""
        options = self.situation.options._replace(bare=True, paused=False, only_add=False)
        record, removed = pod.record, 0

        def outcome_of(dry: bool) -> Outcome:
            with self._inside(record) as descriptor:
                return reconcile(
                    record,
                    EMPTY,
                    self._kernel,
                    self._sandboxes,
                    namespace=descriptor,
                    options=options._replace(dry=dry),
                )

        with _held(pod):
            pod.memory = Memory()  # what goes now was not taken from us by somebody else
            try:
                for _ in range(_CLEANING_ROUNDS):
                    outcome = outcome_of(False)
                    removed += outcome.written
                    if not outcome.retry:
                        break
                left, error = self._left(outcome_of(True))
                error = outcome.error or error
            except OSError as failure:
                if self._is_gone(record):
                    left, error = 0, ""
                else:
                    left, error = 0, _words(failure)
        return Cleaned(record.container_id, record.namespace, record.name, removed, left, error)

    def _left(self, outcome: Outcome) -> tuple[int, str]:
        options = self.situation.options
        marks = (options.protocol, options.backup_protocol)
        left = sum(route.protocol in marks for route in outcome.actual)
        owed = ", ".join(str(d.route.key.dst) for d in outcome.owed)
        return left, f"routes that ours displaced are not back: {owed}" if owed else ""

    # ------------------------------------------------------------ inside a pass

    def _run(self, pod: Pod) -> Result:
        pod.written = 0
        try:
            with self._inside(pod.record) as descriptor:
                situation = self._situation_of(pod)
                outcome = self._reconcile(pod, descriptor, situation, _MOMENT)
        except OSError as error:
            if self._was_removed(pod.record.container_id) or self._is_gone(pod.record):
                return "gone"
            return self._fail(pod, _words(error))
        except Exception as error:  # a mistake of ours that one pod's table brings out
            _log.exception("%s: a pass ended in a mistake", pod.name)
            return self._fail(pod, f"a mistake in cni-route: {type(error).__name__}: {error}")
        result = self._note(pod, outcome)
        self._ask_again(pod, situation.options.finished)
        return result

    @contextmanager
    def _inside(self, record: Record) -> Iterator[int]:
        """The record's namespace, open; OSError where it is not that one any more."""
        descriptor, inode = self._door.enter(record.netns)
        try:
            if record.inode not in (0, inode):
                raise OSError(ENOENT, f"the network namespace {record.netns!r} is another one now")
            yield descriptor
        finally:
            self._door.leave(descriptor)

    def _situation_of(self, pod: Pod) -> Situation:
        """As it is now, for a pass that is no ADD's: new NICs are left alone for a while."""
        situation = self.situation
        if pod.links is None and self._is_settled(pod.record.container_id):
            return situation
        if pod.due is not None:
            pod.chains.wait(self._lore, self._waits(), time.monotonic())
        return Situation(situation.view, situation.options._replace(finished=pod.chains.finished))

    def _is_settled(self, container_id: str) -> bool:
        """Whether the record is old enough for every chain to have come to its end."""
        try:
            stamp = self._sandboxes.stamp(container_id)
        except OSError:
            return True
        return stamp is None or time.time() - stamp[1] / 1e9 > self._waits().longest

    def _reconcile(
        self, pod: Pod, descriptor: int, situation: Situation, lock_seconds: float = _LOCK_SECONDS
    ) -> Outcome:
        view, options = situation
        if not pod.heard:
            # before the table is read, so that nothing happens between the two unheard
            pod.heard = self._heard(pod.record.container_id, descriptor)
        outcome = reconcile(
            pod.record,
            view,
            self._kernel,
            self._sandboxes,
            namespace=descriptor,
            options=options,
            memory=pod.memory,
            lock_seconds=lock_seconds,
        )
        if outcome.links_by_name is not pod.links and not (options.dry or options.paused):
            self._see_links(pod, outcome, options)
        return outcome

    def _see_links(self, pod: Pod, outcome: Outcome, options: Options) -> None:
        """Note which NICs are new; those of a sandbox whose ADDs came before us are not."""
        first, pod.links = pod.links is None, outcome.links_by_name
        pod.chains.see(outcome.links, time.monotonic())
        called = {a.ifname for a in outcome.record.attachments}
        if first and options.finished is None and not options.unfinished:
            pod.chains.finish(lambda _: True)
            self._lore.silence({link.name for link in outcome.links} - called)
        elif first:
            pod.chains.finish(called.__contains__)

    def _ask_again(self, pod: Pod, finished: frozenset[Nic] | None) -> None:
        """When the NICs that are still left alone have waited long enough.

        `finished`: those that the pass went by; now, if more are by what it has seen.
        """
        now = time.monotonic()
        pod.due = pod.chains.wait(self._lore, self._waits(), now)
        if finished is not None and pod.chains.finished != finished:
            pod.due = now

    def _note(self, pod: Pod, outcome: Outcome) -> Result:
        if outcome.error and self._was_removed(pod.record.container_id):
            return "gone"
        pod.renew(outcome.record)
        pod.written = outcome.written
        self._ledger.note(outcome, time.time())
        if outcome.retry or pod.said:
            self._say(pod, outcome.error or _first_failure(outcome))
        return "retry" if outcome.retry else "done"

    def _fail(self, pod: Pod, error: str) -> Result:
        record = pod.record
        known = self._ledger.get(record.container_id) or PodState(
            record.container_id, record.namespace, record.name, record.uid, record.netns
        )
        self._ledger.put(known._replace(state="failed", error=error, updated=time.time()))
        pod.memory.doubt()
        self._say(pod, error)
        return "retry"

    def _was_removed(self, container_id: str) -> bool:
        """Whether there is no record any more (a DEL, say); a pass leaves a lock file then."""
        try:
            if self._sandboxes.stamp(container_id) is not None:
                return False
            with self._sandboxes.lock(container_id, _MOMENT):
                if self._sandboxes.stamp(container_id) is not None:
                    return False
                self._sandboxes.remove(container_id)
        except OSError:
            return False
        return True

    def _is_gone(self, record: Record) -> bool:
        """Whether the namespace is no longer there; then its record goes, too."""
        try:
            if not self._gone(record):
                return False
            with self._sandboxes.lock(record.container_id):
                now = self._sandboxes.load(record.container_id)
                if now is not None and (now.netns, now.inode) == (record.netns, record.inode):
                    self._sandboxes.remove(record.container_id)
            return now is None or now.inode == record.inode
        except OSError:
            return False  # not known for sure: the pass failed, and is tried again

    def _say(self, pod: Pod, sentence: str) -> None:
        """Log what is wrong with a pod when it changes, not whenever it is tried again."""
        if sentence == pod.said:
            return
        if sentence:
            _log.warning("%s: %s", pod.name, sentence)
        else:
            _log.info("%s: is well again", pod.name)
        pod.said = sentence


@contextmanager
def _held(pod: Pod) -> Iterator[None]:
    if not pod.lock.acquire(timeout=_LOCK_SECONDS):
        raise TimeoutError(ETIMEDOUT, f"another pass over {pod.name} does not come to its end")
    try:
        yield
    finally:
        pod.lock.release()


def _first_failure(outcome: Outcome) -> str:
    for verdict in outcome.verdicts:
        if verdict.outcome == "failed":
            return f"{verdict.route} {verdict.path}: {verdict.reason}"
    return ""


def _words(error: OSError) -> str:
    words = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {words}" if error.filename else words
