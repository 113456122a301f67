"""What ADD, DEL and GC do to the records of sandboxes; each under the sandbox's lock."""

from __future__ import annotations

from collections.abc import Callable, Collection

from cni_route.record import Attachment, Record
from cni_route.sandbox import Sandboxes

__all__ = ["attach", "collect", "detach"]

_DEL_WAIT = 0.1  # seconds, the longest that a DEL waits for anything (GC the same, a sandbox)


def attach(
    sandboxes: Sandboxes, found: Record, attachment: Attachment, timeout_seconds: float
) -> Record:
    """Record one ADD of the sandbox that `found` identifies; OSError where that fails.

    A second ADD of the same attachment replaces the first. Under another inode than the recorded
    one the id names a new namespace: nothing that was known of the old one holds.
    """
    with sandboxes.lock(found.container_id, timeout_seconds):
        old = sandboxes.load(found.container_id)
        if old is None or old.inode not in (0, found.inode):
            old = Record(found.container_id)
        kept = tuple(attachment if _same(each, attachment) else each for each in old.attachments)
        record = old._replace(
            netns=found.netns,
            inode=found.inode,
            namespace=found.namespace or old.namespace,
            name=found.name or old.name,
            uid=found.uid or old.uid,
            attachments=kept if attachment in kept else (*kept, attachment),
        )
        if record != old:
            sandboxes.save(record)
        return record


def detach(sandboxes: Sandboxes, container_id: str, leaves: Callable[[Attachment], bool]) -> bool:
    """Take the attachments for which `leaves` holds out of a record, the last one with it.

    Returns whether a record was removed. OSError where the lock or the disk refuses.
    """
    if not sandboxes.has_traces(container_id):
        return False
    with sandboxes.lock(container_id, _DEL_WAIT):
        record = sandboxes.load(container_id)
        if record is None:
            if sandboxes.stamp(container_id) is None:
                sandboxes.remove(container_id)  # what a writer that was killed has left
            return False
        stay = tuple(each for each in record.attachments if not leaves(each))
        if not stay:
            sandboxes.remove(container_id)
            return True
        if stay != record.attachments:
            sandboxes.save(record._replace(attachments=stay))
        return False


def collect(
    sandboxes: Sandboxes,
    network: str,
    valid: Collection[tuple[str, str]],
    forget: Callable[[str], None],
) -> list[str]:
    """GC: take out the network's attachments that are not in `valid`, (container id, ifname) each.

    Returns sentences about what could not be done; that stops nothing.
    """
    troubles = []
    for container_id in sandboxes.ids():

        def leaves(each: Attachment, container_id: str = container_id) -> bool:
            return each.network == network and (container_id, each.ifname) not in valid

        record = sandboxes.load(container_id)
        if record is None or not any(map(leaves, record.attachments)):
            continue
        try:
            if detach(sandboxes, container_id, leaves):
                forget(container_id)
        except OSError as error:
            troubles.append(f"{container_id}: {error.strerror or error}")
    return troubles


def _same(one: Attachment, other: Attachment) -> bool:
    return (one.network, one.ifname) == (other.network, other.ifname)
