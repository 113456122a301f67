"""`cni-route cleanup`: all that is ours out of all pods, by the service or without one."""

from __future__ import annotations

from typing import Any

import click

from sync_service.cli import common

HEAD = ("NAMESPACE", "NAME", "REMOVED", "LEFT", "WHY")
CLEANUP_SECONDS = 120.0


@click.command()
@click.option(
    "--config",
    metavar="FILE",
    default="",
    help="The service's configuration; read only where no service runs.",
)
@click.option(
    "--cni-cache",
    metavar="DIR[,DIR]",
    default=None,
    help="Where to look for pods without a record; used only where no service runs.",
)
@common.output_option
@common.run_dir_option
@click.pass_context
def cleanup(
    context: click.Context, run_dir: str, output: str, config: str, cni_cache: str | None
) -> None:
    """Take all our routes and policy rules out of all pods, and restore what they displaced.

    A running service does it and then stays paused, until it is started again or gets SIGHUP.
    Without one the command does it itself. Exit code 0 only when nothing of ours is left.
    """
    try:
        items = common.ask(run_dir, {"query": "cleanup"}, CLEANUP_SECONDS)["items"]
        paused = True
    except common.ServiceAway:
        items = _alone(run_dir, config, cni_cache)
        paused = False
    if output == "json":
        common.print_items(items)
    elif items:
        click.echo(common.table(HEAD, map(_row, items)))
    unclean = [item for item in items if item["left"] or item["error"]]
    click.echo(_conclusion(len(items), len(unclean), paused), err=output == "json")
    context.exit(1 if unclean else 0)


def _alone(run_dir: str, config: str, cni_cache: str | None) -> list[dict[str, Any]]:
    from sync_service.cli import alone  # noqa: PLC0415 - needed only where no service runs

    return alone.cleanup(run_dir, config, cni_cache)


def _row(item: dict[str, Any]) -> list[str]:
    left = "?" if item["error"] and not item["left"] else str(item["left"])
    return [item["namespace"], item["name"], str(item["removed"]), left, item["error"]]


def _conclusion(pods: int, unclean: int, paused: bool) -> str:
    if unclean:
        said = f"Not clean yet: {unclean} of {common.counted(pods, 'pod')}; see why, and try again."
    else:
        said = f"Nothing of ours is left in {common.counted(pods, 'pod')}."
    return said + (" The service is paused until it is started again." if paused else "")
