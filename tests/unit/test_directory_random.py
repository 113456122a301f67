"""However a folder was changed, following it ends where a fresh reading does."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from sync_service.sources.directory import RENEWED, Directory, Timing
from tests.fakes.sink import RememberingSink

NAMES = st.sampled_from(["a.yaml", "b.yml", "c.json", "d.yaml", ".e.yaml", "f.txt"])
SERVICES = st.lists(st.tuples(st.sampled_from("stuv"), st.integers(1, 3)), max_size=3)
BROKEN = st.sampled_from(["{", "a: b: c", "\x00", "apiVersion: v1\nkind: Sevice\n"])


def text(services: list[tuple[str, int]]) -> str:
    """A file of Services; with a name twice the file is a broken one."""
    return "\n---\n".join(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": "d"},
                "spec": {"clusterIP": f"10.96.0.{number}"},
            }
        )
        for name, number in services
    )


class FolderMachine(RuleBasedStateMachine):
    """Every operation that people and tools do to a folder, and a look at it now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="folder-"))
        self.folder = self.root / "routes.d"
        self.folder.mkdir()
        self.now = 100.0
        self.sink = RememberingSink()
        self.source = self.fresh(self.sink)
        self.count = 0

    def fresh(self, sink: RememberingSink) -> Directory:
        return Directory(str(self.folder), "n", sink, lambda: Timing(0, 60), lambda: self.now)

    @rule(name=NAMES, services=SERVICES)
    def write(self, name: str, services: list[tuple[str, int]]) -> None:
        self.put(name, text(services))

    @rule(name=NAMES, broken=BROKEN, services=SERVICES)
    def break_(self, name: str, broken: str, services: list[tuple[str, int]]) -> None:
        self.put(name, text(services) + "\n---\n" + broken)

    @rule(name=NAMES, services=SERVICES)
    def replace(self, name: str, services: list[tuple[str, int]]) -> None:
        (self.root / "new").write_text(text(services))
        with contextlib.suppress(OSError):
            (self.root / "new").rename(self.folder / name)

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        with contextlib.suppress(OSError):
            (self.folder / name).unlink()

    @rule(old=NAMES, new=NAMES)
    def rename(self, old: str, new: str) -> None:
        with contextlib.suppress(OSError):
            (self.folder / old).rename(self.folder / new)

    @rule(name=NAMES, other=NAMES)
    def link(self, name: str, other: str) -> None:
        with contextlib.suppress(OSError):
            (self.folder / name).symlink_to(other)

    @rule()
    def remove_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @rule()
    def move_folder(self) -> None:
        self.count += 1
        with contextlib.suppress(OSError):
            self.folder.rename(self.root / f"old{self.count}")

    @rule()
    def bring_folder_back(self) -> None:
        with contextlib.suppress(OSError):
            (self.root / f"old{self.count}").rename(self.folder)

    @rule()
    def make_folder(self) -> None:
        self.folder.mkdir(exist_ok=True)

    @rule(seconds=st.sampled_from([0.1, RENEWED]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def look(self) -> None:
        before = dict(self.sink.objects)
        self.source.scan()
        if not self.folder.is_dir():
            assert self.sink.objects == before, "nothing goes because a folder is away"

    @precondition(lambda self: self.folder.is_dir())
    @rule()
    def mend(self) -> None:
        """Nothing broken, somebody at home, and time: then all is as read for the first time."""
        for path in self.folder.iterdir():
            path.unlink()
        self.write("a.yaml", [("s", self.count % 5 + 1)])
        self.compare()

    def put(self, name: str, body: str) -> None:
        with contextlib.suppress(OSError):
            (self.folder / name).write_text(body)

    def compare(self) -> None:
        self.source.scan()
        self.now += RENEWED
        self.source.scan()
        sink = RememberingSink()
        with contextlib.closing(self.fresh(sink)) as fresh:
            fresh.scan()
        assert self.sink.objects == sink.objects
        assert self.sink.troubles == sink.troubles
        assert self.sink.completed[-1] == sink.completed[-1]

    def teardown(self) -> None:
        """Take the broken files away, and keep all that is good."""
        self.folder.mkdir(exist_ok=True)
        sink = RememberingSink()
        with contextlib.closing(self.fresh(sink)) as fresh:
            fresh.scan()
        for place in sink.troubles:
            with contextlib.suppress(OSError):
                (self.folder / place).unlink()
        self.put("z.yaml", "")
        self.compare()
        self.source.close()
        shutil.rmtree(self.root)


FolderMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=25)
TestFolder = FolderMachine.TestCase
