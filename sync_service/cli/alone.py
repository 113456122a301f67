"""The cleanup that the command does itself, where no service runs."""

from __future__ import annotations

import os
from typing import Any

import click

from cni_route.netlink.table import NetlinkKernel
from cni_route.reconcile import Options
from cni_route.sandbox import Sandboxes
from sync_service.cleaning import clean
from sync_service.cli.common import Failure
from sync_service.configuration import SettingsError, load
from sync_service.queries import cleaned_item
from sync_service.settings import Settings


def cleanup(run_dir: str, config: str, cni_cache: str | None) -> list[dict[str, Any]]:
    """Clean every sandbox that is recorded, or that a CNI runtime's cache tells of.

    The items of `cleanup -o json`. Failure where the settings cannot be used, or without root.
    """
    if os.geteuid():
        raise Failure("Only root may take routes out of pods; try again as root.")
    settings = _settings(run_dir, config, cni_cache)
    options = Options(settings.protocol, settings.backup_protocol)
    sandboxes = Sandboxes(settings.run_dir, lambda text: click.echo(f"Note: {text}", err=True))
    kernel = NetlinkKernel()
    records = [record for each in sandboxes.ids() if (record := sandboxes.load(each))]
    records.sort(key=lambda record: (record.namespace, record.name, record.container_id))
    return [cleaned_item(clean(record, kernel, sandboxes, options)) for record in records]


def _settings(run_dir: str, config: str, cni_cache: str | None) -> Settings:
    flags = {"run_dir": os.path.abspath(run_dir)}
    if cni_cache is not None:
        flags["cni_cache"] = cni_cache
    try:
        return load(flags, os.environ, _documents, config).settings
    except SettingsError as error:
        raise Failure(str(error)) from None


def _documents(path: str) -> list[object]:
    from sync_service.manifest import ManifestError, load_text  # noqa: PLC0415 - seldom needed

    with open(path, encoding="utf-8") as file:
        text = file.read()
    try:
        return load_text(text, path)
    except ManifestError as error:
        raise ValueError(str(error)) from None
