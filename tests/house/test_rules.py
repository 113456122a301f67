"""The house rules that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("cni_route", "sync_service")
MODULE_LINES = 400
FUNCTION_LINES = 50


def modules(*folders: str) -> list[Path]:
    """All Python files under the folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function's name and its length in lines, decorators left out."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_module_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in modules(*PACKAGES, "tests")
        if (lines := len(path.read_text().splitlines())) > MODULE_LINES
    }
    assert not long, f"over {MODULE_LINES} lines: {long}"


def test_no_function_is_too_long() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{name}": lines
        for path in modules(*PACKAGES, "tests")
        for name, lines in functions(path)
        if lines > FUNCTION_LINES
    }
    assert not long, f"over {FUNCTION_LINES} lines: {long}"


def test_nothing_is_left_to_do_in_the_text() -> None:
    """What is not done is an issue, not a remark that nobody reads again."""
    remark = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text().splitlines()
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(lines, 1)
            if remark.search(line)
        ]
    assert not found


def tracked_files() -> list[Path]:
    """What git knows, or every file of ours where there is no git."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True)
    if done.returncode == 0:
        return [ROOT / name for name in done.stdout.decode().split("\0") if name]
    return modules(*PACKAGES, "tests")


def test_the_core_imports_the_standard_library_only() -> None:
    allowed = sys.stdlib_module_names | {"cni_route", "cni_route_alone"}
    strange = [
        f"{path.relative_to(ROOT)} {name}"
        for path in modules("cni_route")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if name.partition(".")[0] not in allowed
    ]
    assert strange == []


def test_the_plugins_fast_path_imports_only_what_is_built_in() -> None:
    tree = ast.parse((ROOT / "cni_route/cni/client.py").read_text())
    at_start = [name for node in tree.body for name in _imported(node)]
    assert at_start == ["_socket", "posix", "sys"]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""]
    return []
