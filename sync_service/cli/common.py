"""What the commands share: options, errors, tables and the JSON they list."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import click

RUN_DIR = "/run/cni-route"
SOCKET_NAME = "agent.sock"
API_VERSION = "cli.cni-route/v1"
ANSWER_SECONDS = 10.0  # a service that is alive answers within milliseconds

Answer = dict[str, Any]  # {"items": [...], "notices": [...]}, as sync_service.queries makes it

Function = TypeVar("Function", bound=Callable[..., Any])


class Failure(click.ClickException):
    """The command failed (exit 1): one sentence and a way out, for a person."""

    exit_code = 1


class ServiceAway(Failure):
    """No service listens on the socket."""


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


def counted(number: int, word: str) -> str:
    """`1 pod`, `2 pods`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def visible(text: str) -> str:
    """The text with control characters escaped: whoever names a NIC in a pod may put in anything,
    and must not write on a person's terminal.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns aligned by blanks, two between them; an empty cell shows as `-`."""
    lines = [list(head), *([visible(cell) or "-" for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def ask(
    run_dir: str, query: Mapping[str, object], timeout_seconds: float = ANSWER_SECONDS
) -> Answer:
    """Ask the running service; Failure where it does not answer, or answers with an error.

    Its notices go to standard error. ServiceAway where none is running.
    """
    from cni_route.cni import frame  # noqa: PLC0415 - most commands ask nothing

    path = os.path.join(run_dir, SOCKET_NAME)
    try:
        answer = frame.ask(path, query, timeout_seconds)
    except (FileNotFoundError, ConnectionRefusedError):
        raise ServiceAway(
            f"The sync service does not answer on {path}; start it (cni-route sync), or name"
            " its --run-dir."
        ) from None
    except PermissionError:
        raise Failure(f"Only root may ask the service behind {path}; try again as root.") from None
    except TimeoutError:
        raise Failure(
            f"The service behind {path} gave no answer within {timeout_seconds:g} s; see its log."
        ) from None
    except (OSError, ValueError) as error:
        raise Failure(f"The service behind {path} cannot be asked: {error}.") from None
    return _checked(answer, path)


def _checked(answer: object, path: str) -> Answer:
    if isinstance(answer, dict) and "error" in answer:
        raise Failure(str(answer["error"]))
    if not isinstance(answer, dict) or not isinstance(answer.get("items"), list):
        raise Failure(f"What answers on {path} is not the sync service.")
    for notice in answer.get("notices", ()):
        click.echo(f"Note: {notice}", err=True)
    return answer
