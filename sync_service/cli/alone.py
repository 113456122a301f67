"""The cleanup that the command does itself, where no service runs."""

from __future__ import annotations

import os
from typing import Any

import click

from cni_route.netlink.table import NetlinkKernel
from cni_route.reconcile import Options
from cni_route.record import Record
from cni_route.sandbox import Sandboxes
from cni_route.view import EMPTY
from sync_service.cli.common import Failure
from sync_service.configuration import SettingsError, load, read_documents
from sync_service.discover import Discovery, is_gone
from sync_service.ledger import Ledger
from sync_service.passes import Passes, Pod, Situation
from sync_service.queries import cleaned_item
from sync_service.settings import Settings


def cleanup(run_dir: str, config: str, cni_cache: str | None) -> list[dict[str, Any]]:
    """Clean every sandbox that is recorded, or that a CNI runtime's cache tells of.

    The items of `cleanup -o json`. Failure where the settings cannot be used, or without root.
    """
    if os.geteuid():
        raise Failure("Only root may take routes out of pods; try again as root.")
    settings = _settings(run_dir, config, cni_cache)
    sandboxes = Sandboxes(settings.run_dir, lambda text: click.echo(f"Note: {text}", err=True))
    passes = Passes(
        NetlinkKernel(),
        sandboxes,
        Ledger(),
        gone=lambda record: is_gone(record, settings.netns_dir),
        heard=lambda _container_id, _descriptor: False,
    )
    passes.situation = Situation(EMPTY, Options(settings.protocol, settings.backup_protocol))
    records = sorted(
        _records(sandboxes, settings), key=lambda r: (r.namespace, r.name, r.container_id)
    )
    return [cleaned_item(passes.clean(Pod(record))) for record in records]


def _records(sandboxes: Sandboxes, settings: Settings) -> list[Record]:
    """Those on disk, and new ones of sandboxes that only a CNI runtime's cache tells of."""
    found: dict[str, Record] = {}
    Discovery(
        sandboxes,
        settings.cni_cache,
        settings.netns_dir,
        adopt=lambda record: found.update({record.container_id: record}),
        view=lambda: EMPTY,
        interval=lambda: settings.discover,
    ).look()
    return list(found.values())


def _settings(run_dir: str, config: str, cni_cache: str | None) -> Settings:
    flags = {"run_dir": os.path.abspath(run_dir)}
    if cni_cache is not None:
        flags["cni_cache"] = cni_cache
    try:
        return load(flags, os.environ, read_documents, config).settings
    except SettingsError as error:
        raise Failure(str(error)) from None
