"""`cni-route routes`: the Routes and the words of their status."""

from __future__ import annotations

from typing import Any

import click

from sync_service.cli import common

HEAD = ("NAME", "RULES", "PODS", "STATUS")
UNEXPLAINED = ("Degraded", "Pending")  # their status has a code only; one pod's reason is added


@click.command()
@common.output_option
@common.run_dir_option
def routes(run_dir: str, output: str) -> None:
    """List the Routes and their status on this node.

    PODS is how many pods have all of a Route, of those that it is for. STATUS begins with one of
    Ready, NoMatch, Pending, Progressing, Observed, Conflict, Degraded, Invalid.
    """
    items = common.ask(run_dir, {"query": "routes"})["items"]
    if output == "json":
        common.print_items(items)
    elif items:
        click.echo(common.table(HEAD, map(_row, items)))
    else:
        click.echo("The service's source has no Route.", err=True)


def _row(item: dict[str, Any]) -> list[str]:
    pods = item["pods"]
    said = item["status"]
    if item["state"] in UNEXPLAINED and item["failures"]:
        said += f" ({item['failures'][0]['pod']}: {item['failures'][0]['reason']})"
    return [
        item["name"],
        str(item["rules"]),
        f"{pods['ready']}/{pods['total']}",
        "; ".join([said, *item["notes"]]),
    ]
