"""Runs the tiers of tests one after another, fastest first, and sums them up.

    tests/tiers.py [--summary FILE] [TIER...]

A failed tier does not hide the next one. With --summary a paragraph (commit, counts, figures) is
appended to FILE. Figures are what tests hand to the `figure` fixture.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
TIERS = {
    "unit": ("unit",),
    "contract": ("contract",),
    "kernel": ("kernel",),
    "cni": ("cni",),
    "service": ("service",),
    "node": ("node", "gap"),
    "crash": ("crash",),
    "hostile": ("hostile",),
    "runtime": ("runtime",),
}
NOTHING_COLLECTED = 5  # pytest's exit code


class Result(NamedTuple):
    tier: str
    passed: int
    failed: int
    skipped: int
    seconds: float
    figures: dict[str, str]
    ok: bool


def run(tier: str, scratch: Path) -> Result:
    """Run one tier's pytest; its output goes to the terminal as it comes."""
    report = scratch / f"{tier}.xml"
    figures = scratch / f"{tier}.figures"
    folders = [f"tests/{name}" for name in TIERS[tier] if any(ROOT.glob(f"tests/{name}/test_*.py"))]
    print(f"\n== {tier}", flush=True)
    if not folders:
        print(f"no tests in the tier {tier}")
        return Result(tier, 0, 0, 0, 0.0, {}, ok=False)
    began = time.monotonic()
    code = subprocess.call(
        [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *folders],
        cwd=ROOT,
        env={**os.environ, "CNI_ROUTE_FIGURES": str(figures)},
    )
    seconds = time.monotonic() - began
    passed, failed, skipped = count(report)
    if code == NOTHING_COLLECTED:
        print(f"no tests in the tier {tier}")
    return Result(tier, passed, failed, skipped, seconds, read_figures(figures), ok=code == 0)


def count(report: Path) -> tuple[int, int, int]:
    """Passed, failed (errors too) and skipped, from pytest's JUnit report."""
    if not report.exists():
        return 0, 0, 0
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    totals = [0, 0, 0]
    for suite in suites:
        tests, failures, errors, skipped = (
            int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")
        )
        totals[0] += tests - failures - errors - skipped
        totals[1] += failures + errors
        totals[2] += skipped
    return totals[0], totals[1], totals[2]


def read_figures(path: Path) -> dict[str, str]:
    """What the tests measured, by name; a later one replaces an earlier one."""
    if not path.exists():
        return {}
    lines = (json.loads(line) for line in path.read_text().splitlines())
    return {line["name"]: line["value"] for line in lines}


def table(results: list[Result]) -> str:
    """The final summary, one line a tier, figures below."""
    lines = [f"{'tier':10} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}"]
    for r in results:
        mark = "" if r.ok else "   <- failed"
        lines.append(f"{r.tier:10} {r.passed:7} {r.failed:7} {r.skipped:8} {r.seconds:8.1f}{mark}")
    seconds = sum(r.seconds for r in results)
    lines.append(
        f"{'all':10} {sum(r.passed for r in results):7} {sum(r.failed for r in results):7} "
        f"{sum(r.skipped for r in results):8} {seconds:8.1f}"
    )
    lines += [f"{name}: {value}" for r in results for name, value in r.figures.items()]
    return "\n".join(lines)


def git(*arguments: str) -> str:
    """A line from git, or nothing where this is no checkout."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return done.stdout.strip()


def append_summary(path: Path, results: list[Result]) -> None:
    """Add what this run measured to the document of measurements."""
    dirty = "+changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    when = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    where = (
        f"kernel {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    head = f"\n## Soak of {when}: commit {git('rev-parse', '--short', 'HEAD')}{dirty}\n\n{where}\n"
    with path.open("a", encoding="utf-8") as out:
        out.write(f"{head}\n```\n{table(results)}\n```\n")


def main() -> int:
    """Run the tiers named (all by default); 0 only when every one passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--summary", type=Path, metavar="FILE")
    parser.add_argument("tiers", nargs="*", metavar="TIER", help=", ".join(TIERS))
    arguments = parser.parse_args()
    unknown = set(arguments.tiers) - set(TIERS)
    if unknown:
        parser.error(f"no such tier: {', '.join(sorted(unknown))} (there are {', '.join(TIERS)})")
    with tempfile.TemporaryDirectory() as scratch:
        results = [run(tier, Path(scratch)) for tier in arguments.tiers or TIERS]
    print(f"\n== summary\n{table(results)}")
    if arguments.summary:
        append_summary(arguments.summary, results)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
