"""`validate` and `convert`: what files of Routes say; nothing is asked and nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from cni_route.document import Parsed, to_document
from cni_route.model import Problem, Route
from sync_service.cli.common import Failure, output_option, print_items, run_dir_option
from sync_service.manifest import ManifestError, dump_text, read

__all__ = ["convert", "validate"]


@click.command()
@run_dir_option
@output_option
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def validate(run_dir: str, output: str, files: tuple[str, ...]) -> int:  # noqa: ARG001
    """Check files of Routes, in any form that `sync` reads; - is standard input.

    A good file gets a line on standard output, each problem one on standard error.
    """
    items = []
    for file in files:
        parsed, problems = _check(file)
        items.append(_item(file, parsed, problems))
        if output == "text":
            _print_problems(problems)
            if not problems:
                click.echo(f"{_shown(file)}: ok, {_counts(parsed)}")
    if output == "json":
        print_items(items)
    return 0 if all(item["ok"] for item in items) else 1


@click.command()
@run_dir_option
@output_option
@click.argument("file", metavar="FILE")
def convert(run_dir: str, output: str, file: str) -> None:  # noqa: ARG001
    """Print the Route that FILE stands for, ready for kubectl; - is standard input.

    The short form becomes a Route named after the file. Nothing is printed of a file in which
    something is wrong.
    """
    parsed, problems = _check(file)
    if problems:
        _print_problems(problems)
        raise click.exceptions.Exit(1)
    if not parsed.routes:
        raise Failure(f"{_shown(file)} holds no Route and no rules; there is nothing to convert.")
    left_out = _objects(parsed)
    if left_out:
        click.echo(f"Note: left out beside the Routes: {_plural(left_out, 'object')}.", err=True)
    documents = [_for_kubectl(route) for route in parsed.routes]
    if output == "text":
        click.echo(dump_text(documents), nl=False)
    else:
        listed = {"apiVersion": "v1", "kind": "List", "items": documents}
        whole = documents[0] if len(documents) == 1 else listed
        click.echo(json.dumps(whole, indent=2, ensure_ascii=False))


def _check(file: str) -> tuple[Parsed, tuple[Problem, ...]]:
    """What a file says, and all that is wrong with it."""
    try:
        parsed = read(file)
    except ManifestError as error:
        return Parsed(), (error.problem,)
    return parsed, parsed.every_problem()


def _item(file: str, parsed: Parsed, problems: Iterable[Problem]) -> dict[str, object]:
    listed = [
        {"document": problem.document, "path": problem.path, "message": problem.message}
        for problem in problems
    ]
    return {
        "file": _shown(file),
        "ok": not listed,
        "routes": len(parsed.routes),
        "rules": sum(len(route.rules) for route in parsed.routes),
        "objects": _objects(parsed),
        "problems": listed,
    }


def _print_problems(problems: Iterable[Problem]) -> None:
    for problem in problems:
        click.echo(str(problem), err=True)


def _counts(parsed: Parsed) -> str:
    """ "2 Routes, 3 rules", and other objects where there are some."""
    counts = [
        _plural(len(parsed.routes), "Route"),
        _plural(sum(len(route.rules) for route in parsed.routes), "rule"),
    ]
    others = _objects(parsed)
    return ", ".join(counts + ([_plural(others, "other object")] if others else []))


def _objects(parsed: Parsed) -> int:
    """How many objects there are that are no Routes."""
    return len(parsed.services + parsed.pods + parsed.namespaces + parsed.workloads)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _shown(file: str) -> str:
    return click.format_filename(file)


def _for_kubectl(route: Route) -> dict[str, object]:
    """The document without what an API server gave it."""
    return to_document(route._replace(uid="", generation=0, created=""))
