"""The hand that kills: it counts as strace does, comes before the call, and misses no kind."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from tests.crash.strace import Call, inject, read, sample, why_not

OUTPUT = """\
20 openat(AT_FDCWD, "/a", O_RDONLY) = 3
21 write(1, "x", 1 <unfinished ...>
20 write(3, "y", 1)                  = 1
21 <... write resumed>)              = 1
21 openat(AT_FDCWD, "/b", O_WRONLY|O_CREAT, 0600) = 4
20 openat(AT_FDCWD, "/c", O_WRONLY|O_CREAT, 0600) = 4
9 write(2, "new", 3)                 = 3
20 --- SIGTERM {si_signo=SIGTERM} ---
20 +++ exited with 0 +++
"""


def test_calls_are_counted_by_thread_and_name(tmp_path: Path) -> None:
    """Those threads first that are known, in their order; one that came later has an id of any
    size."""
    (tmp_path / "calls").write_text(OUTPUT)
    calls = read(tmp_path / "calls", [20, 21])
    assert [call[:3] for call in calls] == [
        (0, "openat", 1),
        (1, "write", 1),
        (0, "write", 1),
        (1, "openat", 1),
        (0, "openat", 2),
        (2, "write", 1),
    ]
    assert [call.changes for call in calls] == [False, True, True, True, True, True]


def test_a_sample_has_every_kind_from_all_over(rng: random.Random) -> None:
    calls = [Call(0, name, n) for name, n in (("a", 90), ("b", 2), ("c", 1)) for n in range(n)]
    first, second, third = sample(calls, rng)
    assert [call.name for call in first] == ["a", "b", "c"]
    assert [call.name for call in second] == ["a", "b"]
    assert [call.name for call in third] == ["a"]
    numbers = sorted(chosen[0].number for chosen in (first, second, third))
    assert [number // 30 for number in numbers] == [0, 1, 2]


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_kill_comes_before_the_call(tmp_path: Path, number: int) -> None:
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.touch()
    call = Call(0, "unlinkat", number)
    command = ["strace", "-o", tmp_path / "killed", *inject(call), "rm", *files]
    code = subprocess.run(command, check=False).returncode
    assert code == (0 if number > len(files) else -9)
    assert [file.exists() for file in files] == [number <= place for place in (1, 2)]
