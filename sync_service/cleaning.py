"""Taking all that is ours out of one sandbox: what `cleanup` does, with and without a service."""

from __future__ import annotations

import errno
import os
from contextlib import closing

from cni_route import view
from cni_route.displace import is_backup
from cni_route.kernel import Kernel
from cni_route.model import KernelRoute, PolicyRule
from cni_route.namespace import NamespaceError, check_namespace, open_namespace
from cni_route.reconcile import Options, reconcile
from cni_route.record import Displaced, Record
from cni_route.sandbox import Sandboxes
from sync_service.house import Cleaned

__all__ = ["clean"]

PASSES = 3  # what a pass leaves to a later one (a table that changed under it) is tried at once


def clean(record: Record, kernel: Kernel, sandboxes: Sandboxes, options: Options) -> Cleaned:
    """Reconcile a sandbox (it has a record) with nothing wanted, and count what of ours is left.

    Displaced routes are restored. A namespace that is gone, or has become another's, holds nothing
    of ours. Nothing raises: what went wrong is in `error`.
    """
    nothing = Cleaned(record.container_id, record.namespace, record.name, 0, 0)
    try:
        descriptor = open_namespace(record.netns)
    except NamespaceError as error:
        gone = error.errno in (errno.ENOENT, errno.ENOTDIR)
        return nothing if gone else nothing._replace(error=str(error))
    try:
        if record.inode not in (0, check_namespace(descriptor)):
            return nothing
        return _clean(record, kernel, sandboxes, options, descriptor)
    except OSError as error:
        return nothing._replace(error=error.strerror or str(error))
    finally:
        os.close(descriptor)


def _clean(
    record: Record, kernel: Kernel, sandboxes: Sandboxes, options: Options, descriptor: int
) -> Cleaned:
    removed = 0
    for _ in range(PASSES):
        outcome = reconcile(
            record,
            view.EMPTY,
            kernel,
            sandboxes,
            namespace=descriptor,
            options=options._replace(bare=True),
        )
        removed += outcome.written
        if not outcome.retry:
            break
    left = _left(kernel, descriptor, options)
    error = outcome.error or _owed(outcome.owed)
    return Cleaned(record.container_id, record.namespace, record.name, removed, left, error)


def _owed(owed: tuple[Displaced, ...]) -> str:
    """Why a displaced route could not be put back: its NIC is away, or the kernel refuses it."""
    if not owed:
        return ""
    devs = " and ".join(dict.fromkeys(dev for each in owed for dev in each.devs if dev))
    return f"the displaced route to {owed[0].route.key.dst} cannot be put back yet on {devs}"


def _left(kernel: Kernel, descriptor: int, options: Options) -> int:
    """How many routes of the main table and policy rules are ours, by a look at the kernel."""
    with closing(kernel.open(descriptor)) as table:
        found: tuple[KernelRoute | PolicyRule, ...] = (*table.dump(), *table.rules())
    return sum(_is_ours(each, options) for each in found)


def _is_ours(found: KernelRoute | PolicyRule, options: Options) -> bool:
    if found.protocol == options.protocol:
        return True
    return isinstance(found, KernelRoute) and is_backup(found, options.backup_protocol)
