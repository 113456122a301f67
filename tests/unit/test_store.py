"""From what a source tells to the next View; what a snapshot keeps, and for how long."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from cni_route.address import Address, Prefix
from cni_route.model import Filter, LabelExpression, Pod, Route, Rule, Selector, Service
from cni_route.view import EMPTY, View, build, to_json
from sync_service.collector import EMPTY_SOURCE, Collector
from sync_service.snapshot import Keeper, Snapshot
from sync_service.sources.sink import identity
from sync_service.store import News, Store

DEADLINE = 10.0
NGINX = Service("d", "nginx", (Address.parse("10.96.0.1"),))
ROUTE = Route("r", (Rule("spec.svc[0]", "eth1", service=("d", "nginx")),))
WEB = Pod("d", "web", "u1", labels=(("a", "b"),))


class Desk:
    """A store, its collector, and what came out."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.said: list[str] = []
        self.store = Store(self.news.append, self.said.append)
        self.collector = Collector(self.store)

    def tell(self, *things: Route | Service | Pod, whole: bool = True) -> None:
        for thing in things:
            self.collector.put(thing)
        self.collector.complete(whole)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_what_is_told_counts_when_it_is_complete(desk: Desk) -> None:
    desk.collector.put(ROUTE)
    assert desk.news == []
    desk.collector.put(NGINX)
    desk.collector.complete()
    (news,) = desk.news
    assert (news.touched, news.complete) == (None, True)
    assert news.view.routes == {"r": ROUTE}
    assert news.view.services == {("d", "nginx"): NGINX}
    assert desk.store.view is news.view


def test_nothing_new_makes_no_new_view(desk: Desk) -> None:
    desk.tell()
    desk.tell()
    desk.tell(whole=False)
    assert len(desk.news) == 1


def test_a_pod_touches_itself_alone_and_a_service_all_who_may_have_it(desk: Desk) -> None:
    desk.tell(ROUTE, NGINX)
    desk.tell(WEB)
    assert desk.news[-1].touched == {"u1"}
    desk.tell(NGINX._replace(addresses=()))
    assert desk.news[-1].touched is None
    desk.tell(Service("d", "nobody-asks-for-it"))
    assert desk.news[-1].touched == frozenset()


def test_a_pod_made_again_under_its_name_replaces_the_old_one(desk: Desk) -> None:
    desk.tell(WEB)
    desk.tell(WEB._replace(uid="u2"))
    assert set(desk.store.view.pods) == {"u2"}
    assert desk.news[-1].touched == {"u1", "u2"}


def test_what_is_gone_is_gone(desk: Desk) -> None:
    desk.tell(ROUTE, NGINX)
    desk.collector.gone(identity(NGINX))
    desk.collector.gone(identity(WEB))
    desk.collector.complete()
    assert desk.store.view.services == {}
    assert desk.store.view.routes == {"r": ROUTE}


def test_a_snapshot_counts_until_the_source_was_read_whole(desk: Desk) -> None:
    desk.collector.start_from(build([ROUTE], [NGINX]))
    assert desk.news[-1].complete is False
    assert desk.store.complete is False
    desk.tell(WEB, whole=False)
    assert desk.news[-1].complete is True
    assert set(desk.store.view.routes) == {"r"}, "a part was not read: it may be in there"
    desk.tell(ROUTE._replace(priority=1))
    assert desk.store.view.routes["r"].priority == 1
    assert desk.store.view.services == {}
    assert set(desk.store.view.pods) == {"u1"}


def test_nothing_goes_because_the_source_is_empty(desk: Desk) -> None:
    desk.collector.start_from(build([ROUTE], [NGINX]))
    desk.tell()
    assert desk.store.complete is True
    assert desk.collector.whole is False
    assert set(desk.store.view.routes) == {"r"}
    assert desk.store.problems() == (EMPTY_SOURCE,)
    desk.tell(WEB)
    assert desk.store.view.routes == {}
    assert desk.store.problems() == ()


def test_a_part_never_read_lets_routes_only_come(desk: Desk) -> None:
    """Nobody knows what a broken file held: until it was read once, nothing is taken out."""
    desk.collector.complete(whole=False)
    assert desk.store.ready
    assert not desk.store.complete
    desk.collector.complete()
    assert desk.store.complete
    desk.collector.complete(whole=False)
    assert desk.store.complete


def test_an_empty_source_without_a_snapshot_is_complete(desk: Desk) -> None:
    desk.tell()
    assert desk.store.complete
    assert desk.store.problems() == ()


def test_a_deletion_in_a_source_that_then_is_empty_counts(desk: Desk) -> None:
    desk.tell(ROUTE)
    desk.collector.gone(identity(ROUTE))
    desk.collector.complete()
    assert desk.store.view.routes == {}


def test_trouble_is_said_once_and_when_it_is_over(desk: Desk) -> None:
    desk.collector.trouble("a.yaml", ["a.yaml: is broken"])
    desk.collector.trouble("a.yaml", ["a.yaml: is broken", "a.yaml: and how"])
    assert desk.store.problems() == ("a.yaml: and how", "a.yaml: is broken")
    desk.collector.trouble("a.yaml", [])
    desk.collector.trouble("a.yaml", [])
    assert desk.said == ["a.yaml: is broken", "a.yaml: and how", "a.yaml: is well again"]
    assert desk.store.problems() == ()


# ---------------------------------------------------------------- the pod of an ADD


def picky(*selectors: Selector) -> Route:
    return ROUTE._replace(filter=Filter(include=selectors))


LABELS = (LabelExpression("a", "Exists"),)


@pytest.mark.parametrize(
    "selector",
    [
        Selector("Pod", labels=LABELS),
        Selector("Deployment", name="web"),
        Selector("Job", labels=LABELS),
    ],
)
def test_a_pod_is_waited_for_where_a_filter_must_see_it(desk: Desk, selector: Selector) -> None:
    desk.tell(picky(Selector("Namespace"), selector))
    later = threading.Thread(target=desk.tell, args=(WEB,))
    began = time.monotonic()
    assert desk.store.find_pod("d", "nobody", "u9") is None
    assert time.monotonic() - began >= 0.19
    later.start()
    assert desk.store.find_pod("d", "web", "u1") == WEB
    later.join()


@pytest.mark.parametrize(
    "selector", [Selector("Namespace", labels=LABELS), Selector("Pod", "d", "x"), None]
)
def test_no_pod_is_waited_for_where_its_name_is_enough(
    desk: Desk, selector: Selector | None
) -> None:
    desk.tell(picky(selector) if selector else ROUTE)
    began = time.monotonic()
    for _ in range(20):
        assert desk.store.find_pod("d", "nobody", "u9") is None
    assert time.monotonic() - began < 1


# ---------------------------------------------------------------- the snapshot


def test_a_snapshot_gives_the_picture_back(tmp_path: Path) -> None:
    said: list[str] = []
    view = build([ROUTE, Route("s", (Rule("spec.route[0]", "eth0", Prefix.parse("10.0.0.0/8")),))],
                 [NGINX], [WEB])  # fmt: skip
    folder = tmp_path / "state"
    snapshot = Snapshot(str(folder), {"agent": "", "protocol": 114}, said.append)
    assert snapshot.load() is None
    snapshot.save(view)
    snapshot.save(view)
    loaded = snapshot.load()
    assert loaded is not None
    assert to_json(loaded) == to_json(view)
    assert said == []
    body = json.loads((folder / "snapshot.json").read_text())
    assert (body["version"], body["agent"], body["protocol"]) == (1, "", 114)
    assert abs(body["written"] - time.time()) < 60
    assert [p.name for p in folder.iterdir()] == ["snapshot.json"]
    assert (folder / "snapshot.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("{", "is not JSON: Expecting property name enclosed in double quotes"),
        ("[" * 100_000, "is not JSON: "),
        ("\xff\x00", "is not JSON: "),
        ("[]", "is not an object with a version"),
        ("null", "is not an object with a version"),
        ("{}", "version: None is not one that is read here (1)"),
        ('{"version": 2}', "version: 2 is not one that is read here (1)"),
        ('{"version": "1"}', "version: '1' is not one that is read here (1)"),
        ('{"version": true}', "version: True is not one that is read here (1)"),
        ('{"version": 1}', "view: "),
        ('{"version": 1, "view": []}', "view: "),
        ('{"version": 1, "view": {"version": 9}}', "view: version: 9 is not one"),
        ('{"version": 1, "view": {"version": 1, "routes": 3}}', "view: routes: 3 is not a list"),
    ],
)
def test_a_snapshot_that_cannot_be_read_is_set_aside(
    tmp_path: Path, text: str, sentence: str
) -> None:
    said: list[str] = []
    path = tmp_path / "snapshot.json"
    path.write_text(text, encoding="latin-1")
    snapshot = Snapshot(str(tmp_path), {}, said.append)
    assert snapshot.load() is None
    assert len(said) == 1
    assert said[0].startswith(f"{path}: {sentence}")
    assert said[0].endswith(f"; set aside as {path}.bad, and made anew")
    assert not path.exists()
    snapshot.save(EMPTY)
    assert snapshot.load() is not None


@pytest.mark.parametrize("kind", ["fifo", "folder", "link"])
def test_what_is_no_file_holds_nobody_up(tmp_path: Path, kind: str) -> None:
    said: list[str] = []
    path = tmp_path / "snapshot.json"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/proc/self/mem")
    assert Snapshot(str(tmp_path), {}, said.append).load() is None
    assert len(said) == 1


def test_the_keeper_writes_what_is_complete_and_not_too_often(tmp_path: Path, desk: Desk) -> None:
    writes = 0

    class Counting(Snapshot):
        def save(self, view: View) -> None:
            nonlocal writes
            writes += 1
            super().save(view)

    snapshot = Counting(str(tmp_path), {}, desk.said.append)
    keeper = Keeper(snapshot, desk.store, lambda: 600, lambda: True)
    thread = threading.Thread(target=keeper.run, daemon=True)
    thread.start()
    desk.collector.start_from(build([ROUTE]))
    desk.tell(WEB)
    end = time.monotonic() + DEADLINE
    while not (tmp_path / "snapshot.json").exists():
        assert time.monotonic() < end
        time.sleep(0.001)
    first = json.loads((tmp_path / "snapshot.json").read_text())
    assert len(first["view"]["pods"]) == 1
    for number in range(2, 50):
        desk.tell(WEB._replace(name=f"web{number}", uid=f"u{number}"))
    keeper.stop()
    thread.join(DEADLINE)
    assert not thread.is_alive()
    last = json.loads((tmp_path / "snapshot.json").read_text())
    assert len(last["view"]["pods"]) == 49
    assert writes < 10


def test_a_disk_that_refuses_is_said(tmp_path: Path, desk: Desk) -> None:
    (tmp_path / "state").write_text("a file in its place")
    snapshot = Snapshot(str(tmp_path / "state"), {}, desk.said.append)
    keeper = Keeper(snapshot, desk.store, lambda: 0, lambda: True)
    desk.tell(WEB)
    keeper.stop()
    keeper.run()
    path = tmp_path / "state" / "snapshot.json"
    assert desk.store.problems() == (f"{path}: cannot be written: File exists",)
