"""What a bench measures, and the table it is shown in."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple


class Row(NamedTuple):
    """One line. Times in seconds; `peer` ran in alternation with it, in the same run."""

    what: str
    samples: Sequence[float]
    peer: str = ""
    peer_samples: Sequence[float] = ()
    most_seconds: float | None = None  # budget
    most_ratio: float | None = None  # budget, of the medians


class Fact(NamedTuple):
    """A single number, with its unit and its budget."""

    what: str
    value: float
    unit: str
    most: float | None = None


def percentile(samples: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest sample that `percent` of them do not exceed."""
    ranked = sorted(samples)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


@contextmanager
def quiet() -> Iterator[None]:
    """No garbage collection in the middle of a measurement, for us and for the peer."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alternate(
    count: int, ours: Callable[[int], float], peer: Callable[[int], float]
) -> tuple[list[float], list[float]]:
    """Run both in turns, so that what the machine does meanwhile hits both; seconds of each.

    Each callable times itself: what it prepares does not count.
    """
    mine, theirs = [], []
    for number in range(count):
        mine.append(ours(number))
        theirs.append(peer(number))
    return mine, theirs


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def show(seconds: float) -> str:
    """A time in milliseconds, three figures."""
    milliseconds = seconds * 1000
    digits = 2 if milliseconds < 10 else 1 if milliseconds < 100 else 0
    return f"{milliseconds:.{digits}f}"


HEAD = f"{'what':52} {'p50 ms':>8} {'p99 ms':>8} {'n':>5} {'ratio':>6}  {'budget':16} peer (p50 ms)"


def line(row: Row | Fact) -> str:
    """A line of the table; a budget that was missed is marked."""
    if isinstance(row, Fact):
        value = f"{row.value:.3g} {row.unit}"
        budget = "" if row.most is None else f"<= {row.most:g} {row.unit}"
        return f"{row.what:52} {value:>17} {'':12} {mark(budget, is_over(row))}"
    middle = percentile(row.samples, 50)
    ratio = middle / percentile(row.peer_samples, 50) if row.peer_samples else None
    budgets = [] if row.most_seconds is None else [f"<= {row.most_seconds * 1000:g} ms"]
    budgets += [] if row.most_ratio is None else [f"<= {row.most_ratio:g} x"]
    shown = "" if ratio is None else f"{ratio:.2f}"
    peer = f"{row.peer} ({show(percentile(row.peer_samples, 50))})" if row.peer_samples else ""
    return (
        f"{row.what:52} {show(middle):>8} {show(percentile(row.samples, 99)):>8} "
        f"{len(row.samples):5} {shown:>6}  {mark(', '.join(budgets), is_over(row)):16} {peer}"
    ).rstrip()


def mark(budget: str, over: bool) -> str:
    """A budget, and whether it was missed."""
    return f"{budget} OVER" if over else budget


def is_over(row: Row | Fact) -> bool:
    """Whether a budget was missed, judged by the medians."""
    if isinstance(row, Fact):
        return row.most is not None and row.value > row.most
    middle = percentile(row.samples, 50)
    if row.most_seconds is not None and middle > row.most_seconds:
        return True
    if row.most_ratio is None:
        return False
    return middle > row.most_ratio * percentile(row.peer_samples, 50)
