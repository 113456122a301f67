"""`cni-route sync`: the node's service, in the foreground."""

from __future__ import annotations

import os
from typing import Any

import click

from sync_service.cli.common import Failure
from sync_service.configuration import Loaded, SettingsError, load, read_documents, show
from sync_service.rundir import RunDirError
from sync_service.settings import SETTINGS, Setting

_HELP = """Run the node's sync service: follow the source, keep the pods' routes as it wants them.

SIGTERM ends it and leaves all routes in place; SIGHUP reads the settings again. Every setting can
also stand in the environment and in the file (conf/cni-route.yaml shows them all).
"""


def _sync(config: str, print_config: bool, **values: Any) -> int:
    flags = {name: text for name, value in values.items() if (text := _text(value)) is not None}

    def read() -> Loaded:
        return load(flags, os.environ, read_documents, config)

    try:
        loaded = read()
    except SettingsError as error:
        raise Failure(str(error)) from None
    if print_config:
        click.echo(show(loaded), nl=False)
        return 0
    if os.geteuid():
        raise Failure("The service works in pods' networks, which only root may; run it as root.")
    from sync_service.service import Service  # noqa: PLC0415 - --help and --print-config do without

    try:
        return Service(loaded, read).run()
    except RunDirError as error:
        raise Failure(str(error)) from None


def _text(value: object) -> str | None:
    """A flag's value as text; None where it was not given."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or None
    return None if value is None else str(value)


def _option(setting: Setting) -> click.Option:
    flag = setting.flag
    if setting.kind.form == "switch":
        declared = [f"{flag}/--no{flag[1:]}"]
        return click.Option(declared, default=None, help=setting.help)
    word = setting.name.split("_")[-1].upper()
    several = setting.kind.form == "list"
    return click.Option([flag], metavar=word, multiple=several, help=_help(setting))


def _help(setting: Setting) -> str:
    default = setting.default
    words = ",".join(default) if isinstance(default, tuple) else str(default)
    return f"{setting.help}  [default: {words}]" if words else setting.help


sync = click.Command(
    "sync",
    callback=_sync,
    help=_HELP,
    params=[
        click.Option(["--config"], metavar="FILE", default="", help="The configuration (YAML)."),
        click.Option(
            ["--print-config"],
            is_flag=True,
            help="Show every setting and where its value comes from, and end.",
        ),
        *map(_option, SETTINGS),
    ],
)
