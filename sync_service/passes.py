"""One pass over one pod: enter its namespace, reconcile, write down what came of it."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from errno import ENOENT, ETIMEDOUT
from typing import Literal, NamedTuple

from cni_route.kernel import Kernel
from cni_route.memory import Memory
from cni_route.reconcile import Options, Outcome, reconcile
from cni_route.record import Record
from cni_route.sandbox import Sandboxes, check_namespace, open_namespace
from cni_route.view import EMPTY, View
from sync_service.agenda import Calm
from sync_service.house import Cleaned
from sync_service.ledger import Ledger, PodState, state_of

__all__ = ["Door", "Passes", "Pod", "Result", "Situation"]

Result = Literal[
    "done",  # nothing is left to be done
    "retry",  # something is not as wanted, and may be mended later
    "gone",  # there is no such sandbox any more
]
_LOCK_SECONDS = 10.0  # what a call or a query waits for another pass on the same pod
_MOMENT = 0.05  # seconds; what the loop waits for one
_CLEANING_ROUNDS = 3
_MANY = 10_000  # namespaces that are remembered as checked
_log = logging.getLogger(__name__)


class Situation(NamedTuple):
    """By what a pass goes; replaced whole when anything of it changes."""

    view: View = EMPTY
    options: Options = Options(only_add=True)


class Pod:
    """What the service keeps of a sandbox between passes; `lock` is held by whoever makes one."""

    __slots__ = ("calm", "failures", "heard", "lock", "memory", "record", "said", "written")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.memory = Memory()
        self.lock = threading.Lock()
        self.calm = Calm()
        self.failures = 0  # passes in a row that left something to be tried again
        self.heard = False  # its namespace's events reach us
        self.said = ""  # what was last logged of it
        self.written = 0  # operations acknowledged in the last pass

    @property
    def name(self) -> str:
        """namespace/name, or the container id where they are not known."""
        record = self.record
        return f"{record.namespace}/{record.name}" if record.name else record.container_id

    def renew(self, record: Record) -> None:
        """Go by this record from now on; another namespace means that nothing else holds."""
        if record.inode != self.record.inode:
            self.memory = Memory()
            self.heard = False
        self.record = record


class Door(NamedTuple):
    """How a namespace is entered and left: by its path to a descriptor and its inode."""

    enter: Callable[[str], tuple[int, int]]
    leave: Callable[[int], None]


def door() -> Door:
    """The way into real namespaces; each is checked when it is entered for the first time.

    What was another's namespace than ours and PID 1's once stays so: both live as long as this
    process, so no other gets their inode.
    """
    checked: set[tuple[int, int]] = set()

    def enter(path: str) -> tuple[int, int]:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            descriptor = open_namespace(path)  # says what is wrong
        found = os.fstat(descriptor)
        if (found.st_dev, found.st_ino) not in checked:
            try:
                check_namespace(descriptor, path)
            except OSError:
                os.close(descriptor)
                raise
            if len(checked) > _MANY:
                checked.clear()
            checked.add((found.st_dev, found.st_ino))
        return descriptor, found.st_ino

    return Door(enter, os.close)


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
        way: Door | None = None,
    ) -> None:
        self._kernel = kernel
        self._sandboxes = sandboxes
        self._ledger = ledger
        self._gone = gone
        self._heard = heard
        self._door = way or door()
        self.situation = Situation()

    def run(self, pod: Pod) -> Result:
        """A pass; whatever goes wrong with one pod stays with it."""
        if not pod.lock.acquire(timeout=_MOMENT):
            return "retry"  # an ADD or a query is at it: others must not wait for that
        try:
            return self._run(pod)
        finally:
            pod.lock.release()

    def pass_over(self, pod: Pod, record: Record, descriptor: int, dry: bool) -> Outcome:
        """The same on an open, checked descriptor, for a CNI call; raises OSError."""
        with _held(pod):
            pod.renew(record)
            outcome = self._reconcile(pod, descriptor, dry)
            if not dry:
                self._note(pod, outcome)
            return outcome

    def look(self, pod: Pod, pending: bool) -> PodState | None:
        """What the pod has and should have, now; what is `pending` is done before."""
        with _held(pod):
            if pending and self._run(pod) == "gone":
                return None
            known = self._ledger.get(pod.record.container_id)
            try:
                with self._inside(pod.record) as descriptor:
                    seen = state_of(self._reconcile(pod, descriptor, True), time.time())
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
            pod.memory.doubt()
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
                outcome = self._reconcile(pod, descriptor, False, _MOMENT)
        except OSError as error:
            if self._was_removed(pod.record.container_id) or self._is_gone(pod.record):
                return "gone"
            return self._fail(pod, _words(error))
        except Exception as error:  # a mistake of ours that one pod's table brings out
            _log.exception("%s: a pass ended in a mistake", pod.name)
            return self._fail(pod, f"a mistake in cni-route: {type(error).__name__}: {error}")
        return self._note(pod, outcome)

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

    def _reconcile(
        self, pod: Pod, descriptor: int, dry: bool, lock_seconds: float = _LOCK_SECONDS
    ) -> Outcome:
        if not pod.heard:
            # before the table is read, so that nothing happens between the two unheard
            pod.heard = self._heard(pod.record.container_id, descriptor)
        view, options = self.situation
        return reconcile(
            pod.record,
            view,
            self._kernel,
            self._sandboxes,
            namespace=descriptor,
            options=options._replace(dry=True) if dry else options,
            memory=pod.memory,
            lock_seconds=lock_seconds,
        )

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
