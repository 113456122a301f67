"""What a bench measures, and the table it is shown in."""

from __future__ import annotations

import gc
import math
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple


class Timing(NamedTuple):
    """One measurement: seconds by the clock, and of processor time."""

    wall: float
    cpu: float


class Row(NamedTuple):
    """One line; `peer` ran in alternation with it, in the same run."""

    what: str
    samples: Sequence[Timing]
    peer: str = ""
    peer_samples: Sequence[Timing] = ()
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
    count: int, ours: Callable[[int], Timing], peer: Callable[[int], Timing]
) -> tuple[list[Timing], list[Timing]]:
    """Run both in turns, so that what the machine does meanwhile hits both.

    Each callable times itself: what it prepares does not count.
    """
    mine, theirs = [], []
    for number in range(count):
        mine.append(ours(number))
        theirs.append(peer(number))
    return mine, theirs


def timed(work: Callable[[], object]) -> Timing:
    """What a call takes, the programs that it waits for included."""
    began, used = time.perf_counter(), cpu_seconds()
    work()
    return Timing(time.perf_counter() - began, cpu_seconds() - used)


def cpu_seconds() -> float:
    """Processor time of this process and of those it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def show(seconds: float) -> str:
    """A time in milliseconds, three figures."""
    milliseconds = seconds * 1000
    digits = 2 if milliseconds < 10 else 1 if milliseconds < 100 else 0
    return f"{milliseconds:.{digits}f}"


HEAD = (
    f"{'what':47} {'p50 ms':>7} {'p99 ms':>7} {'cpu ms':>7} {'n':>3} {'ratio':>6} {'of cpu':>6}  "
    f"{'budget':16} peer (p50 ms)"
)


def middle(samples: Sequence[Timing], what: str = "wall") -> float:
    """The median of the clock's or the processor's times."""
    return percentile([getattr(sample, what) for sample in samples], 50)


def line(row: Row | Fact) -> str:
    """A line of the table; a budget that was missed is marked."""
    if isinstance(row, Fact):
        value = f"{row.value:.3g} {row.unit}"
        budget = "" if row.most is None else f"<= {row.most:g} {row.unit}"
        return f"{row.what:47} {value:>15} {'':26} {mark(budget, is_over(row))}".rstrip()
    budgets = [] if row.most_seconds is None else [f"<= {row.most_seconds * 1000:g} ms"]
    budgets += [] if row.most_ratio is None else [f"<= {row.most_ratio:g} x"]
    last = percentile([sample.wall for sample in row.samples], 99)
    peer = f"{row.peer} ({show(middle(row.peer_samples))})" if row.peer_samples else ""
    return (
        f"{row.what:47} {show(middle(row.samples)):>7} {show(last):>7} "
        f"{show(middle(row.samples, 'cpu')):>7} {len(row.samples):3} "
        f"{ratio(row, 'wall'):>6} {ratio(row, 'cpu'):>6}  "
        f"{mark(', '.join(budgets), is_over(row)):16} {peer}"
    ).rstrip()


def ratio(row: Row, what: str) -> str:
    """Ours by the peer's, where there is one."""
    if not row.peer_samples:
        return ""
    return f"{middle(row.samples, what) / middle(row.peer_samples, what):.2f}"


def mark(budget: str, over: bool) -> str:
    """A budget, and whether it was missed."""
    return f"{budget} OVER" if over else budget


def is_over(row: Row | Fact) -> bool:
    """Whether a budget was missed, judged by the medians."""
    if isinstance(row, Fact):
        return row.most is not None and row.value > row.most
    wall = middle(row.samples)
    if row.most_seconds is not None and wall > row.most_seconds:
        return True
    return row.most_ratio is not None and wall > row.most_ratio * middle(row.peer_samples)
