"""`cni-route pods`: the sandboxes of this node and their state."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

import click

from sync_service.cli import common

HEAD = ("NAMESPACE", "NAME", "NICS", "ROUTES", "STATE", "UPDATED", "WHY")


@click.command()
@common.output_option
@common.run_dir_option
def pods(run_dir: str, output: str) -> None:
    """List this node's pods and the state of their routes.

    ROUTES is how many of the routes asked for are there. STATE is ok, pending (something is
    waited for), failed (it is tried again), gone (the namespace is no more) or unknown (not
    looked at yet).
    """
    items = common.ask(run_dir, {"query": "pods"})["items"]
    if output == "json":
        common.print_items(items)
    elif items:
        click.echo(common.table(HEAD, [_row(item, time.time()) for item in items]))
    else:
        click.echo("No pod of this node is known yet.", err=True)


def _row(item: dict[str, Any], now: float) -> list[str]:
    routes = item["routes"]
    return [
        item["namespace"],
        item["name"],
        ",".join(_nic(nic) for nic in item["nics"]),
        f"{routes['applied']}/{routes['asked']}",
        item["state"],
        age(item["updated"], now),
        item["why"],
    ]


def _nic(nic: dict[str, Any]) -> str:
    if not nic["up"]:
        return f"{nic['name']}(down)"
    return nic["name"] if nic["carrier"] else f"{nic['name']}(no carrier)"


def age(timestamp: str, now: float) -> str:
    """How long ago an RFC 3339 time in UTC was: `5s`, `12m`, `3h`, `8d`; empty for none."""
    if not timestamp:
        return ""
    then = datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()
    seconds = max(0, int(now - then))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
