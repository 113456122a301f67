"""The documents say what is there: commands, targets, files and links that exist.

What the README shows of a node is run in one: tests/node/test_readme.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from cni_route.document import parse
from cni_route.model import Outcome, Route
from cni_route.summary import Word
from sync_service.cli.main import COMMANDS
from sync_service.manifest import load_text
from tests.readme import README, ROOT, blocks, links, matches

DOCUMENTS = [README, *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    assert [link for link in links(path) if link and not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(path: Path) -> None:
    named = re.findall(r"(?:^# |`)cni-route ([a-z][a-z-]*)", path.read_text(), re.MULTILINE)
    assert set(named) <= set(COMMANDS)


def test_every_command_of_the_readme_is_run() -> None:
    unmarked = [block.line for block in blocks() if block.language == "console" and not block.word]
    assert not unmarked, f"say where these are run: lines {unmarked}"
    assert {block.value for block in blocks() if block.word == "run"} == {"make", "node", "service"}


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks():
        if (block.word, block.value) == ("run", "make"):
            for command, output in block.commands:
                assert command.split()[0] == "make"
                assert set(command.split()[1:]) <= targets
                assert not output


def routes() -> list[Route]:
    """The Routes that the README's files hold."""
    found: list[Route] = []
    for block in blocks():
        if block.word == "file":
            parsed = parse(load_text(block.text, block.value), block.value)
            assert parsed.every_problem() == ()
            found += parsed.routes
    return found


def test_both_forms_are_the_same_rules() -> None:
    whole, short = routes()
    assert whole.name == "demo"
    bare = [{rule._replace(path="") for rule in route.rules} for route in (whole, short)]
    assert bare[0] == bare[1]


def test_the_readme_is_one_page() -> None:
    assert len(README.read_text().splitlines()) <= 200


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ("a  b\nc", "a b\nc\n", True),
        ("a ...\nc", "a b d\nc\n", True),
        ("a\n...\nc", "a\nb\nb\nc\n", True),
        ("a\nc", "a\nb\nc\n", False),
        ("a.c", "abc", False),
    ],
)
def test_output_is_compared(shown: str, real: str, same: bool) -> None:
    assert matches(shown, real) is same


def test_every_key_of_the_json_is_documented() -> None:
    said = set(re.findall(r"[`\"]([A-Za-z]+)[`\"]", (ROOT / "docs" / "cli.md").read_text()))
    for path in sorted((ROOT / "tests" / "unit" / "golden").glob("*.json")):
        assert set(re.findall(r'"(\w+)":', path.read_text())) <= said, path.name


def test_every_word_and_code_is_documented() -> None:
    said = set(re.findall(r"`([A-Za-z]+)`", (ROOT / "docs" / "routes.md").read_text()))
    assert set(get_args(Word)) <= said
    assert set(get_args(Outcome)) <= said
    codes: set[str] = set()
    for module in ("resolve", "view", "refused", "reconcile"):
        text = (ROOT / "cni_route" / f"{module}.py").read_text()
        codes |= set(re.findall(r'"([A-Z][a-z]+(?:[A-Z][a-z]+)+|Conflict|Paused|Refused)"', text))
    assert len(codes) > 8
    assert codes <= said


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_modules_exist(path: Path) -> None:
    folders = [ROOT, *(ROOT / name for name in ("cni_route", "sync_service"))]
    folders += [ROOT / "sync_service" / "sources"]
    named = set(re.findall(r"`([a-z_/]+\.py)`", path.read_text()))
    assert [n for n in named if not any((folder / n).exists() for folder in folders)] == []
