"""What the commands share: options, errors, tables and the JSON they list."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

RUN_DIR = "/run/cni-route"
SOCKET_NAME = "agent.sock"
API_VERSION = "cli.cni-route/v1"

Function = TypeVar("Function", bound=Callable[..., Any])


class Failure(click.ClickException):
    """The command failed (exit 1): one sentence and a way out, for a person."""

    exit_code = 1


def run_dir_option(function: Function) -> Function:
    """Add --run-dir; the command gets it as `run_dir`."""
    return click.option(
        "--run-dir",
        envvar="CNI_ROUTE_RUN_DIR",
        default=RUN_DIR,
        show_default=True,
        metavar="DIR",
        help="Where the service's socket and the sandboxes' records are.",
    )(function)


def output_option(function: Function) -> Function:
    """Add -o text|json; the command gets it as `output`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="What to print: text for people, json for scripts.",
    )(function)


def print_items(items: Iterable[Mapping[str, object]]) -> None:
    """Print a list in the form that every `-o json` has."""
    body = {"apiVersion": API_VERSION, "items": list(items)}
    click.echo(json.dumps(body, indent=2, ensure_ascii=False))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned by blanks, two between them; an empty cell shows as `-`."""
    lines = [list(head), *([cell or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
