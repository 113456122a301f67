"""What all tests share: tiers by folder, one seed, and no silent skips in CI."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Generator
from pathlib import Path

import hypothesis
import pytest

HERE = Path(__file__).parent
TIERS = (
    "unit",
    "contract",
    "kernel",
    "cni",
    "service",
    "node",
    "gap",
    "crash",
    "hostile",
    "runtime",
    "house",
)
IN_CI = os.environ.get("CI", "").lower() not in ("", "0", "false")
SOAK = os.environ.get("CNI_ROUTE_SOAK", "") not in ("", "0")
SEED = int(os.environ.get("CNI_ROUTE_SEED") or random.SystemRandom().randrange(2**32))

hypothesis.settings.register_profile(
    "default",
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    """A marker for each tier: pytest -m "unit or contract"."""
    for tier in TIERS:
        config.addinivalue_line("markers", f"{tier}: the tests under tests/{tier}")


def pytest_report_header() -> list[str]:
    """The seed of this run, and how to have it again."""
    return [f"seed: {SEED} (again with CNI_ROUTE_SEED={SEED})", f"soak: {SOAK}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with the tier whose folder it is in."""
    for item in items:
        tier = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
        if tier in TIERS:
            item.add_marker(tier)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the seed with a failure; in CI a skip is a failure."""
    report = yield
    if report.failed:
        report.sections.append(("seed", f"CNI_ROUTE_SEED={SEED}"))
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not accept: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """In CI a module that skips itself is a failure too."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"
    return report


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that are the same again for the same seed and test."""
    return random.Random(f"{SEED} {request.node.nodeid}")


@pytest.fixture(scope="session")
def soak() -> bool:
    """Whether this is the long run, with full counts."""
    return SOAK


@pytest.fixture(scope="session")
def figure() -> Callable[[str, str], None]:
    """Hand in something measured: figure("UDP packets lost", "0 of 20,000").

    It is printed, and stands in the summary of `make test` and `make soak`.
    """
    path = os.environ.get("CNI_ROUTE_FIGURES")

    def record(name: str, value: str) -> None:
        print(f"{name}: {value}")
        if path:
            with open(path, "a", encoding="utf-8") as out:
                out.write(json.dumps({"name": name, "value": value}) + "\n")

    return record
