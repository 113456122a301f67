"""`cni-route show`: what a pod should have beside what it has."""

from __future__ import annotations

import time
from typing import Any

import click

from sync_service.cli import common
from sync_service.cli.pods import age
from sync_service.sidebyside import DIFFERENCES

HEAD = ("", "DESTINATION", "WANTED", "ACTUAL", "VERDICT", "RULE", "REASON")
MARK = "!"
MAIN_TABLE = 254
PROTOCOLS = {2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp"}  # as ip route names them


@click.command()
@click.argument("pod")
@common.output_option
@common.run_dir_option
@click.pass_context
def show(context: click.Context, pod: str, run_dir: str, output: str) -> None:
    """Show the wanted and the actual routes of POD side by side.

    A line that begins with ! is a difference: then the exit code is 1. Routes of others are
    shown too (verdict: foreign) and make no difference.
    """
    answer = common.ask(run_dir, {"query": "show", "pod": pod})
    items, found = answer["items"], answer["pod"]
    differences = sum(item["state"] in DIFFERENCES for item in items)
    if output == "json":
        common.print_items(items)
    else:
        click.echo(_heading(found, time.time()))
        click.echo(common.table(HEAD, map(_row, items)))
    stale = answer["stale"]  # it could not be looked at
    if stale:
        click.echo(f"Note: this is what was last known. {found['why']}".rstrip(), err=True)
    context.exit(1 if differences or stale else 0)


def _heading(pod: dict[str, Any], now: float) -> str:
    when = age(pod["updated"], now)
    seen = f", looked at {when} ago" if when else ""
    return f"Pod {pod['namespace']}/{pod['name']} ({pod['netns'] or 'no namespace'}){seen}"


def _row(item: dict[str, Any]) -> list[str]:
    verdicts = item["verdicts"]
    return [
        MARK if item["state"] in DIFFERENCES else " ",
        item["destination"],
        _route(item, item["wanted"]),
        _route(item, item["actual"], protocol=True),
        _verdict(item),
        ", ".join(f"{v['route']} {v['path']}" for v in verdicts),
        "; ".join(_unique([*(_reason(v) for v in verdicts), item["note"]])),
    ]


def _verdict(item: dict[str, Any]) -> str:
    outcomes = _unique(verdict["outcome"] for verdict in item["verdicts"])
    if outcomes in ([], ["applied"]) and item["state"] != "same":
        return str(item["state"])
    return ", ".join(outcomes) or str((item["note"] and "backup") or item["state"])


def _reason(verdict: dict[str, Any]) -> str:
    return ": ".join(part for part in (verdict["code"], verdict["reason"]) if part)


def _unique(texts: Any) -> list[str]:
    return [text for text in dict.fromkeys(texts) if text]


def _route(item: dict[str, Any], route: dict[str, Any] | None, protocol: bool = False) -> str:
    """A route as `ip route` writes it, its destination left out."""
    if route is None:
        return ""
    words = [] if route["type"] == "unicast" else [route["type"]]
    words += [" + ".join(_hop(hop) for hop in route["hops"])]
    if protocol:
        words += [f"proto {PROTOCOLS.get(route['protocol'], route['protocol'])}"]
    if item["table"] not in (None, MAIN_TABLE):
        words += [f"table {item['table']}"]
    words += [f"{name} {item[name]}" for name in ("metric", "tos") if item[name]]
    words += [f"{name} {route[name]}" for name in ("src", "mtu") if route[name]]
    return " ".join(word for word in words if word)


def _hop(hop: dict[str, Any]) -> str:
    via = f" via {hop['via']}" if hop["via"] else ""
    return f"dev {hop['dev']}{via}{' onlink' if hop['onlink'] else ''}"
