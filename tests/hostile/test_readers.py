"""Whatever bytes stand in a file or a message: read or refused in a sentence, and nothing else."""

from __future__ import annotations

import base64
import json
import os
import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from cni_route.record import Record, to_json
from tests.cases import documents, records
from tests.cases.records import CONTAINER
from tests.hostile import readers
from tests.hostile.guard import survive
from tests.hostile.mutate import Mutator, mixed
from tests.kernel.namespaces import bare, needs_root
from tests.unit.test_codec_hostile import SAMPLES
from tests.unit.test_discover import cached

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: renaming on a disk takes longer than all else."""
    if not os.path.isdir("/dev/shm"):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def count(soak: bool) -> int:
    """How many inputs each reader gets."""
    return 200_000 if soak else 20_000


def test_no_bytes_from_the_kernel_stop_a_pass_or_the_listener(
    rng: random.Random, count: int
) -> None:
    tally = survive(readers.netlink, Mutator(rng, SAMPLES).next, count)
    assert tally.taken > count // 20
    assert tally.refused > count // 20


KEYS = b"route svc filter include exclude selector dst dev via metric kind items rules mode".split()


def test_no_manifest_stops_the_service(memory: Path, rng: random.Random, count: int) -> None:
    texts = [case.text.encode() for case in documents.GOOD + documents.BAD + documents.OBJECTS]
    texts += [(ROOT / "conf" / name).read_bytes() for name in ("cr-config.yaml", "cr-config.json")]
    words = [key + b": " for key in KEYS] + [b"kind: Route\n", b"- {", b"}, {", b"default", b"auto"]
    mutator = Mutator(rng, texts, words)
    tally = survive(partial(readers.document, memory), mutator.next, count)
    assert tally.taken > count // 20
    assert tally.refused > count // 20


def test_no_record_stops_the_service(memory: Path, rng: random.Random, count: int) -> None:
    corpus = [json.dumps(records.RECORD).encode(), json.dumps(to_json(Record(CONTAINER))).encode()]
    next_input = mixed(rng, corpus, [b'"/proc/1/ns/net"', b"0.0.0.0/0", b"::/0"])
    tally = survive(partial(readers.record, memory), next_input, count)
    assert tally.taken > count // 20
    assert tally.refused > count // 20


@needs_root
def test_no_cache_file_of_a_runtime_stops_the_service(
    memory: Path, rng: random.Random, count: int
) -> None:
    with bare() as pod:
        path = f"/proc/self/fd/{pod.descriptor}"
        next_input = cache_files(rng, cached(path), cached(path, netns=None))
        tally = survive(partial(readers.cache, memory), next_input, count)
    assert tally.taken > count // 20
    assert tally.refused > count // 20


def cache_files(rng: random.Random, *files: dict[str, object]) -> Callable[[], bytes]:
    """Half of them are damaged, half have a damaged list inside, which is in base64."""
    outer = mixed(rng, [json.dumps(file).encode() for file in files], [b'"cniCacheV1"'])
    inner = mixed(rng, [base64.b64decode(str(files[0]["config"]))], [b'"cni-route"'])

    def next_input() -> bytes:
        if rng.random() < 0.5:
            return outer()
        config = base64.b64encode(inner()).decode()
        return json.dumps({**files[0], "config": config}).encode()

    return next_input


def test_no_snapshot_stops_the_service_or_the_plugin_alone(
    memory: Path, rng: random.Random, count: int
) -> None:
    whole = {
        "version": 1,
        "written": readers.NOW - 60,
        "agent": "kube-system/cni-route",
        "protocol": 114,
        "backupProtocol": 115,
        "view": records.BODY,
    }
    next_input = mixed(rng, [json.dumps(whole).encode()], [b'"written":', b'"version": 1, '])
    tally = survive(partial(readers.snapshot, memory), next_input, count)
    assert tally.taken > count // 20
    assert tally.refused > count // 20
