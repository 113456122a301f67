"""make bench: the budgets' figures, as far as they need neither the relay nor a cluster.

Everything runs in a node of its own (this process becomes it). Absolute times move between
machines and hours; what lasts is the ratio to a peer that ran in turns with us.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable

from tests.bench import follow, passes, processes, resident, writers
from tests.bench.figures import HEAD, Fact, Row, is_over, line
from tests.bench.fleet import make_fleet
from tests.node.node import Node


def main() -> int:
    """Print the table; 1 where a measurement failed, not where a budget was missed."""
    if os.geteuid():
        print("The benches make network namespaces and need root: sudo make bench", file=sys.stderr)
        return 1
    node = Node.here()
    print(
        f"kernel {platform.release()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    )
    print(f"\n{HEAD}", flush=True)
    rows = show(processes.run(node))
    pods = make_fleet(node)
    rows += show(passes.run(pods))
    rows += show(writers.run(pods))
    rows += show(resident.run(node, pods))
    rows += show(follow.run())
    over = [row.what for row in rows if is_over(row)]
    print(f"\n{len(over)} of the budgets missed{': ' if over else ''}{'; '.join(over)}")
    return 0


def show(rows: Iterable[Row | Fact]) -> list[Row | Fact]:
    """Print each row as soon as it is measured."""
    done = []
    for row in rows:
        print(line(row), flush=True)
        done.append(row)
    return done


if __name__ == "__main__":
    sys.exit(main())
