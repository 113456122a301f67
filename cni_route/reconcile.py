"""The one function that changes a pod: lock, look, resolve, plan, apply, and look again.

The service's loop, ADD, CHECK (dry), plans (dry, another view) and cleanup (an empty view) call
it with other arguments, so what a plan shows is what an apply does.
"""

from __future__ import annotations

from collections.abc import Iterable
from errno import EINVAL, ENOENT

from cni_route.displace import Shadow, adopted
from cni_route.kernel import Kernel, Table
from cni_route.memory import Marks, Memory, bound_shadow, named_shadow
from cni_route.model import (
    Batch,
    KernelRoute,
    Key,
    Operation,
    Pod,
    Refusal,
    Rule,
)
from cni_route.outcome import DEFAULTS, Options, Outcome
from cni_route.plan import Situation, Steps, plan
from cni_route.record import Displaced, Record
from cni_route.refused import STALE, Meaning, meaning
from cni_route.sandbox import Sandboxes
from cni_route.shape import Terms
from cni_route.view import View

_ROUNDS = 5  # looks at the table in one pass; what is not settled by then waits for the next


def reconcile(
    record: Record,
    view: View,
    kernel: Kernel,
    sandboxes: Sandboxes,
    *,
    namespace: int,
    options: Options = DEFAULTS,
    memory: Memory | None = None,
    lock_seconds: float = 10.0,
) -> Outcome:
    """Bring one pod's table to what the view wants, and say what became of each rule.

    `record` names the sandbox; the pass goes by the record as it stands on disk, read under the
    lock, and makes none where there is none: a sandbox that was removed does not come back.
    `namespace` is an open, checked descriptor. `memory` is what the last pass over this sandbox
    left, and is brought up to date; a dry pass leaves it alone. `lock_seconds`: how long to wait
    for another writer of the same sandbox.
    OSError where the namespace cannot be read, TimeoutError where another writer keeps the lock.
    """
    dry = options.dry or options.paused
    if memory is None or dry:
        memory = Memory()
    with sandboxes.lock(record.container_id, lock_seconds) as held:
        known = _known(record, sandboxes, memory)
        if known is None and not dry:
            gone = f"there is no record of sandbox {record.container_id}: it was removed"
            return Outcome(record, {}, {}, {}, {}, error=gone)
        held.keep(known is not None)
        work = _Pass(known or record, view, sandboxes, options, memory)
        if not work.is_due():
            return work.outcome()
        try:
            table = kernel.open(namespace)
            try:
                work.run(table)
            finally:
                table.close()
        except BaseException:
            memory.unsettle()  # what was resolved by now has not been written
            raise
        return work.outcome()


def _known(record: Record, sandboxes: Sandboxes, memory: Memory) -> Record | None:
    """The record as it stands on disk now (another may have written it), None without one."""
    stamp = sandboxes.stamp(record.container_id)
    if stamp is None:
        return None
    if stamp != memory.stamp or memory.record is None:
        memory.record = sandboxes.load(record.container_id)
        memory.stamp = stamp
        memory.is_fresh = True  # it may be a new one, which knows nothing of what is displaced
        memory.doubt()
    return memory.record


class _Pass:
    """One pass over one pod."""

    def __init__(
        self, record: Record, view: View, sandboxes: Sandboxes, options: Options, memory: Memory
    ) -> None:
        self.record = record
        self.view = view
        self.sandboxes = sandboxes
        self.options = options
        self.dry = options.dry or options.paused
        self.memory = memory
        found = view.find_pod(record.namespace, record.name, record.uid)
        self.pod = found or Pod(record.namespace, record.name, record.uid)
        rules = () if options.bare else _rules(record)
        self.terms = Terms(rules, options.paused, frozenset(), options.protocol)
        self.written = 0
        self.planned: tuple[Operation, ...] = ()
        self.again: frozenset[Key] = frozenset(memory.refused)  # keys to plan in any case
        self.everything = False  # whether all keys are to be planned
        self.resolved = False  # whether memory's resolution is that of this pass
        self.blocked: set[KernelRoute] = set()
        self.stale: dict[Key, Refusal] = {}  # own routes that did not fit what was looked at
        self.frozen = ""  # why nothing can be displaced in this pass
        self.unbound: tuple[Displaced, ...] = ()
        self.unfinished = False
        self.error = ""

    def is_due(self) -> bool:
        """Whether there is anything to do, or to look at."""
        if self.memory.doubtful or self.again:
            return True
        changed = self._resolve()
        self.resolved = True
        self.everything = changed is None
        self.again = changed or frozenset()
        return self.everything or bool(changed)

    def run(self, table: Table) -> None:
        memory = self.memory
        memory.refused = {}  # each pass tries again what was refused
        for _ in range(_ROUNDS):
            self.stale = {}
            keys = self._look(table)
            memory.refused.update(memory.contest.standing(memory.clock()))
            steps = self._plan(keys)
            if self.dry:
                self.planned = (*steps.backups, *steps.changes, *steps.releases)
                self._fail(steps)
                break
            settled = self._carry_out(steps, table)
            self._fail(steps)
            if settled and not steps.again:
                break
        else:
            self.unfinished = True
            for key, refusal in self.stale.items():
                # whatever keeps it from fitting does not show in a dump: then it is a refusal
                why = meaning(refusal, memory.name_of(refusal.operation.subject))
                memory.refused[key] = why._replace(passing=True)
        self._remember_applied()

    # ------------------------------------------------------------ look and resolve

    def _look(self, table: Table) -> frozenset[Key] | None:
        """Bring memory up to date; return the keys to plan, None for all."""
        memory, options = self.memory, self.options
        if memory.doubtful:
            marks = Marks(options.protocol, options.backup_protocol)
            self.everything = memory.look(table, marks) or self.everything
            self.resolved = False
        if not self.resolved:
            changed = self._resolve()
            self.everything = self.everything or changed is None
            self.again = self.again.union(changed or ())
            self.resolved = True
        return None if self.everything else self.again

    def _resolve(self) -> frozenset[Key] | None:
        terms = self.terms._replace(unfinished=self._left_alone())
        return self.memory.resolve(self.view, self.pod, self.record, terms)

    def _left_alone(self) -> frozenset[str]:
        """The NICs, of those just looked at, whose chain may still be at work."""
        names, finished = self.options.unfinished, self.options.finished
        if finished is None:
            return names
        links = self.memory.links.values()
        return names.union(
            link.name
            for link in links
            if not link.loopback and (link.name, link.ifindex) not in finished
        )

    def _plan(self, keys: frozenset[Key] | None) -> Steps:
        memory, options = self.memory, self.options
        shadow, self.unbound = bound_shadow(self.record.displaced, memory.links)
        if memory.is_fresh and memory.copies:
            shadow = adopted(shadow, memory.copies)
        situation = Situation(
            actual=memory.table,
            copies=memory.copies,
            shadow=shadow,
            previous=memory.previous,
            up=memory.up,
            blocked=frozenset(self.blocked),
            frozen=self.frozen,
            own=options.protocol,
            backup=options.backup_protocol,
        )
        return plan(memory.wanted(), situation, keys, options.only_add)

    def _fail(self, steps: Steps) -> None:
        for key, reason in steps.failures.items():
            self.memory.refused[key] = Meaning("CannotDisplace", reason, passing=True)

    # ------------------------------------------------------------ apply

    def _carry_out(self, steps: Steps, table: Table) -> bool:
        """Send the steps in their order; False where the table has to be looked at again."""
        if not self._record(steps.displaced):
            return False
        if steps.empty:
            return self._record(steps.kept)
        changes = steps.changes
        if steps.backups:
            uncopied = self._uncopied(self._send(table, steps.backups), steps)
            changes = tuple(op for op in changes if _key_of(op) not in uncopied)
        refused = self._send(table, changes)
        if refused:
            self.memory.doubt()
            self._judge(refused)
            return False
        self.memory.settle(steps.after)
        if steps.releases and self._send(table, steps.releases):
            self.memory.doubt()
            return False
        if not self._record(steps.kept):
            return False
        if steps.backups or steps.releases:
            # such passes are rare, and what was displaced may have hidden another route
            self.memory.doubt()
            return False
        return changes is steps.changes

    def _send(self, table: Table, operations: tuple[Operation, ...]) -> tuple[Refusal, ...]:
        if not operations:
            return ()
        refused = table.apply(Batch(table.namespace, operations))
        self.written += len(operations) - len(refused)
        return refused

    def _uncopied(self, refused: Iterable[Refusal], steps: Steps) -> set[Key]:
        """Keys whose displaced route got no copy: there, nothing may take its place now."""
        keys = set()
        refused = list(refused)
        if refused:
            self.unfinished = True
            self.memory.doubt()
        lost = {r.operation.subject for r in refused}
        for key, shades in steps.displaced.items():
            for shade in shades:
                copies = {s for s in lost if isinstance(s, KernelRoute) and s.key.dst == key.dst}
                if key in steps.after and any(c.hops == shade.route.hops for c in copies):
                    keys.add(key)
                    why = "the route in the way cannot be copied, so it is left alone"
                    self.memory.refused[key] = Meaning("CannotDisplace", why, passing=True)
        return keys

    def _judge(self, refused: Iterable[Refusal]) -> None:
        """Note what each refusal means."""
        own = self.options.protocol
        for refusal in refused:
            route = refusal.operation.subject
            if not isinstance(route, KernelRoute):
                continue
            if refusal.operation.verb == "delete":
                continue  # it is not there any more: the next look tells
            if refusal.errno in STALE and not route.nexthop_id:
                if route.protocol == own:
                    self.stale[route.key] = refusal
                continue  # something else is there by now: the next look tells
            if route.protocol == own:
                dev = self.memory.name_of(route)
                self.memory.refused[route.key] = meaning(refusal, dev)
            elif route.nexthop_id and refusal.errno in (EINVAL, ENOENT):
                self._forget(route)
            else:
                self.blocked.add(route)
                self.unfinished = True

    def _forget(self, route: KernelRoute) -> None:
        """Its nexthop object is gone: without us, the kernel would have removed it with that."""
        left = tuple(d for d in self.record.displaced if d.bound(self.memory.links) != route)
        self._save(self.record._replace(displaced=left))

    # ------------------------------------------------------------ the record

    def _record(self, shadow: Shadow) -> bool:
        """Let the record say what is displaced; False where the disk refuses."""
        if not shadow and not self.record.displaced:
            return True
        displaced = named_shadow(shadow, self.memory.links) + self._lasting_unbound()
        if displaced == self.record.displaced or self.dry:
            return True
        return self._save(self.record._replace(displaced=displaced))

    def _lasting_unbound(self) -> tuple[Displaced, ...]:
        """Displaced routes of a missing NIC: they last as long as their displacement.

        Nobody displaces them any more: then they went with their NIC, as they would have
        without us.
        """
        return tuple(d for d in self.unbound if d.route.key in self.memory.wanted())

    def _remember_applied(self) -> None:
        applied = self.memory.applied()
        if self.dry or applied is self.record.applied:
            return
        record = self.record._replace(applied=applied)
        if applied == self.record.applied:
            self.record = record  # the same keys, but the objects that all pods share
        else:
            self._save(record)

    def _save(self, record: Record) -> bool:
        try:
            self.sandboxes.save(record)
        except OSError as error:
            self.error = f"the record of {record.container_id} cannot be written: {error.strerror}"
            self.frozen = self.error
            self.unfinished = True
            return False
        self.record = record
        # at once, for this pass may not come to its end
        self.memory.record = record
        self.memory.stamp = self.sandboxes.stamp(record.container_id)
        return True

    def outcome(self) -> Outcome:
        memory = self.memory
        memory.record = self.record
        if self.unfinished:
            memory.unsettle()  # the next pass has more to do than what changes by then
        memory.finish()
        wanted = memory.wanted()
        displaced = self.record.displaced
        return Outcome(
            self.record,
            memory.verdicts(),
            wanted,
            memory.table,
            memory.links,
            self.written,
            self.planned,
            bool(self.unfinished or memory.refused or self.error),
            self.error,
            tuple(d for d in displaced if d.route.key not in wanted) if displaced else (),
        )


def _rules(record: Record) -> tuple[Rule, ...]:
    """The rules of the plugin's own configuration, of all the sandbox's attachments."""
    if not any(a.rules for a in record.attachments):
        return ()
    return tuple(rule for a in record.attachments for rule in a.rules)


def _key_of(operation: Operation) -> Key | None:
    subject = operation.subject
    return subject.key if isinstance(subject, KernelRoute) else None


__all__ = ["DEFAULTS", "Options", "Outcome", "reconcile"]
