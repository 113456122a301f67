"""The `cni-route` command: a group that imports a command's module only when it is run.

Importing click is most of a command's start; `--help` and each command import nothing else that
they do not need. So the one-line helps stand here, beside the names.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

import click

PROGRAM = "cni-route"
DEBUG_VARIABLE = "CNI_ROUTE_DEBUG"  # set: an unexpected error shows its traceback
INTERRUPTED = 130  # what a shell reports for SIGINT: 128 + 2


class Place(NamedTuple):
    """Where a command lives, and its line in `cni-route --help`."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "sync": Place("sync_service.cli.sync", "sync", "Run the node's sync service."),
    "pods": Place("sync_service.cli.pods", "pods", "List this node's pods and their state."),
    "routes": Place("sync_service.cli.routes", "routes", "List the Routes and their status."),
    "show": Place("sync_service.cli.show", "show", "Show a pod's wanted and actual routes."),
    "exec": Place("sync_service.cli.exec_", "exec_", "Run a command in a pod's network."),
    "cleanup": Place("sync_service.cli.cleanup", "cleanup", "Take all our routes out of all pods."),
    "validate": Place("sync_service.cli.files", "validate", "Check files of Routes."),
    "convert": Place("sync_service.cli.files", "convert", "Print the Route a short form means."),
    "install-plugin": Place(
        "sync_service.cli.plugin", "install_plugin", "Write the CNI plugin into a folder."
    ),
}


class LazyGroup(click.Group):
    """A group whose commands are named in COMMANDS and imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands in the order of COMMANDS: first what is used most."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command; None for a name that is none."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        command = getattr(importlib.import_module(place.module), place.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The list under `Commands:`, from COMMANDS alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.help) for name, place in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
def group() -> None:
    """Decides which network leaves a pod by which of its NICs.

    POD is [NAMESPACE/]NAME. Every command takes --run-dir. Exit codes: 0 done, 1 it failed or
    there is a difference, 2 usage.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code; whatever goes wrong is said in one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name in the kernel need not be text
            stream.reconfigure(errors="backslashreplace")
    try:
        code = group.main(arguments, prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # the reader (head, less) has gone; nothing is left to be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        click.echo(f"Error: {_unexpected(error)}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _unexpected(error: Exception) -> str:
    """A sentence about an error that the command did not know itself."""
    if isinstance(error, PermissionError):
        return f"{error.filename or 'This'}: {error.strerror}; try again as root."
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part) + "."
    return (
        f"{type(error).__name__}: {error}. This should not happen: please report it with the"
        f" traceback that {DEBUG_VARIABLE}=1 shows."
    )
