"""`cni-route exec`: a command in a pod's network namespace, found by the records alone."""

from __future__ import annotations

import errno
import os
import signal
from typing import NoReturn

import click

from cni_route.record import Record
from cni_route.sandbox import NamespaceError, Sandboxes, check_namespace, open_namespace
from sync_service.cli import common
from sync_service.podname import UnknownPod, find

CLONE_NEWNET = 0x40000000  # linux/sched.h


class NotFound(common.Failure):
    """There is no such command; the exit code is the one that shells have for it."""

    exit_code = 127


class NotExecutable(common.Failure):
    """The command is there but cannot be run; the exit code as a shell's."""

    exit_code = 126


@click.command("exec")
@click.argument("pod")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@common.run_dir_option
def exec_(run_dir: str, pod: str, command: tuple[str, ...]) -> None:
    """Run COMMAND in the network of POD, by default your shell: exec POD -- ip route

    The exit code is the command's own. Only the network is the pod's: files, users and processes
    stay the node's. The service need not be running.
    """
    records = _records(run_dir)
    try:
        namespace, name = find(pod, ((record.namespace, record.name) for record in records))
    except UnknownPod as error:
        raise common.Failure(str(error)) from None
    descriptor = _open([r for r in records if (r.namespace, r.name) == (namespace, name)])
    try:
        _enter(descriptor)
    finally:
        os.close(descriptor)
    _become(command or (os.environ.get("SHELL") or "/bin/sh",))


def _records(run_dir: str) -> list[Record]:
    """All records, the one written last first: of two sandboxes of a pod that is the new one."""
    sandboxes = Sandboxes(run_dir, lambda sentence: click.echo(f"Note: {sentence}", err=True))
    try:
        stamped = [(sandboxes.stamp(each), each) for each in sandboxes.ids()]
    except PermissionError:
        raise common.Failure(f"{sandboxes.folder} is for root only; try again as root.") from None
    stamped.sort(key=lambda pair: -(pair[0] or (0, 0))[1])
    loaded = (sandboxes.load(container_id) for _, container_id in stamped)
    return [record for record in loaded if record is not None]


def _open(records: list[Record]) -> int:
    """The descriptor of the first namespace that is still the recorded one."""
    reasons = []
    for record in records:
        if not record.netns:
            reasons.append("its network namespace is not known yet")
            continue
        try:
            descriptor = open_namespace(record.netns)
        except NamespaceError as error:
            reasons.append(str(error))
            continue
        if record.inode in (0, check_namespace(descriptor)):
            return descriptor
        os.close(descriptor)
        reasons.append(f"{record.netns} is another pod's by now")
    name = f"{records[0].namespace}/{records[0].name}"
    raise common.Failure(f"Pod {name} cannot be entered: {reasons[0]}.")


def _enter(descriptor: int) -> None:
    import ctypes  # noqa: PLC0415 - os.setns came with Python 3.12

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        if number == errno.EPERM:
            raise common.Failure("Only root may enter a pod's network; try again as root.")
        raise common.Failure(f"The pod's network cannot be entered: {os.strerror(number)}.")


def _become(command: tuple[str, ...]) -> NoReturn:
    # Python ignores these two, and a program would inherit that: `yes | head` would not end
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        kind = NotFound if missing else NotExecutable
        raise kind(f"{command[0]} cannot be run: {error.strerror}.") from None
