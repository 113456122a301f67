"""DEL, GC, STATUS and VERSION: what they do to records, and what they never do."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from cni_route.cni.protocol import VERSIONS
from tests.cases.conflists import ENVELOPE, NOT_JSON, OWN_KEYS, Wrong
from tests.cni.site import GOOD, RESULT, Site
from tests.kernel.namespaces import needs_root

pytestmark = needs_root

# ---------------------------------------------------------------- DEL


@pytest.mark.parametrize("version", VERSIONS)
def test_del_takes_the_record_away(site: Site, version: str) -> None:
    site.result("ADD", {"cniVersion": version})
    for _ in range(2):
        assert site.result("DEL", {"cniVersion": version, "prevResult": RESULT}) is None
        assert site.sandboxes.ids() == []
    assert site.forgotten == ["pod1"]
    assert os.listdir(site.sandboxes.folder) == []


def test_del_takes_one_interface_at_a_time(site: Site) -> None:
    site.attach("pod1", ("net", "eth0"), ("ovn", "eth1"), ("net", "eth1"))
    site.result("DEL", {"name": "ovn"}, CNI_IFNAME="eth1")
    assert site.attachments("pod1") == [("net", "eth0"), ("net", "eth1")]
    assert site.forgotten == []
    site.result("DEL", {"name": "net"}, CNI_IFNAME="eth0")
    site.result("DEL", {"name": "net"}, CNI_IFNAME="eth7")
    assert site.attachments("pod1") == [("net", "eth1")]
    site.result("DEL", {"name": "net"}, CNI_IFNAME="eth1")
    assert site.attachments("pod1") is None
    assert site.forgotten == ["pod1"]


DEGENERATE: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"CNI_NETNS": ""}),
    ({}, {"CNI_NETNS": "-"}),
    ({}, {"CNI_NETNS": "/run/netns/gone"}),
    ({}, {"CNI_NETNS": "/proc/self/ns/net"}),
    ({}, {"CNI_ARGS": "-", "CNI_PATH": "-"}),
    ({"prevResult": None}, {}),
    ({"prevResult": []}, {}),
    ({"name": None}, {}),
    ({"cniVersion": None}, {}),
    ({"type": None}, {}),
    ({"failurePolicy": "Fail", "socket": 5, "routes": "x", "timeoutMs": -1}, {}),
    *((json.loads(wrong.text), {}) for wrong in ENVELOPE + OWN_KEYS),
]


@pytest.mark.parametrize(("stdin", "variables"), DEGENERATE, ids=range(len(DEGENERATE)))
def test_del_succeeds_whatever_it_is_given(
    site: Site, stdin: dict[str, Any], variables: dict[str, str]
) -> None:
    site.attach("pod1", (stdin.get("name", "net"), "eth0"))
    for _ in range(2):
        assert site.result("DEL", {"logFile": "", **stdin}, -1, **variables) is None
    assert site.passes == []


@pytest.mark.parametrize("name", [None, "", "../net", 5])
def test_del_without_a_usable_name_goes_by_the_interface(site: Site, name: object) -> None:
    site.attach("pod1", ("net", "eth0"), ("ovn", "eth1"))
    site.result("DEL", {"name": name})
    assert site.attachments("pod1") == [("ovn", "eth1")]


@pytest.mark.parametrize("wrong", NOT_JSON, ids=lambda wrong: wrong.sentence[:50])
def test_del_fails_only_for_its_own_input(site: Site, wrong: Wrong) -> None:
    assert site.error("DEL", wrong.text) == (wrong.code, wrong.sentence)
    assert site.error("DEL", {}, CNI_CONTAINERID="") == (4, "DEL needs CNI_CONTAINERID: is missing")


def test_del_waits_for_a_lock_no_longer_than_it_may(site: Site) -> None:
    site.attach("pod1", ("net", "eth0"))
    with site.sandboxes.lock("pod1", 1):
        began = time.monotonic()
        assert site.result("DEL") is None
        assert time.monotonic() - began < 1
    assert any("the record stays for now: another writer keeps" in line for line in site.log)
    site.result("DEL")
    assert site.sandboxes.ids() == []


def test_del_succeeds_without_a_disk(site: Site, tmp_path: Path) -> None:
    for name in os.listdir(tmp_path / "sandboxes"):
        (tmp_path / "sandboxes" / name).unlink()
    (tmp_path / "sandboxes").rmdir()
    assert site.result("DEL") is None
    assert site.result("DEL", {}, CNI_CONTAINERID="a" * 300) is None
    assert not (tmp_path / "sandboxes").exists()  # no lock file for what has no record
    (tmp_path / "sandboxes").touch()
    assert site.result("DEL") is None


def test_del_of_an_unreadable_record(site: Site) -> None:
    with open(f"{site.sandboxes.folder}/pod1.json", "w") as file:
        file.write("{")
    assert site.result("DEL") is None
    assert site.sandboxes.ids() == []


# ---------------------------------------------------------------- GC


def known(site: Site) -> None:
    """Three sandboxes, one with two networks."""
    site.attach("a", ("net", "eth0"), ("ovn", "eth1"))
    site.attach("b", ("net", "eth0"))
    site.attach("c", ("ovn", "eth1"))


def valid(*pairs: tuple[str, str]) -> list[dict[str, str]]:
    """The list as libcni sends it."""
    return [{"containerID": container_id, "ifname": ifname} for container_id, ifname in pairs]


def everything(site: Site) -> dict[str, list[tuple[str, str]] | None]:
    """All records' attachments."""
    return {container_id: site.attachments(container_id) for container_id in site.sandboxes.ids()}


@pytest.mark.parametrize("key", ["cni.dev/valid-attachments", "cni.dev/attachments"])
def test_gc_takes_what_is_not_valid_of_its_own_network(site: Site, key: str) -> None:
    known(site)
    assert site.result("GC", {key: valid(("b", "eth0"), ("x", "eth0"))}) is None
    assert everything(site) == {
        "a": [("ovn", "eth1")],
        "b": [("net", "eth0")],
        "c": [("ovn", "eth1")],
    }
    assert site.forgotten == []
    assert site.result("GC", {key: []}) is None
    assert everything(site) == {"a": [("ovn", "eth1")], "c": [("ovn", "eth1")]}
    assert site.forgotten == ["b"]


def test_gc_with_both_keys_keeps_what_either_has(site: Site) -> None:
    known(site)
    lists = {
        "cni.dev/valid-attachments": valid(("a", "eth0")),
        "cni.dev/attachments": valid(("b", "eth0")),
    }
    site.result("GC", lists)
    assert len(everything(site)) == 3


UNUSABLE: list[dict[str, Any]] = [
    {},
    {"cni.dev/valid-attachments": None},
    {"cni.dev/valid-attachments": {}},
    {"cni.dev/valid-attachments": [None]},
    {"cni.dev/valid-attachments": [{"containerID": "a"}]},
    {"cni.dev/valid-attachments": [{"containerID": 5, "ifname": "eth0"}]},
    {"cni.dev/valid-attachments": [], "cni.dev/attachments": "x"},
]


@pytest.mark.parametrize("stdin", UNUSABLE, ids=range(len(UNUSABLE)))
def test_gc_cleans_nothing_by_a_list_that_it_cannot_read(site: Site, stdin: dict[str, Any]) -> None:
    """A missing key is not an empty list."""
    known(site)
    before = everything(site)
    assert site.result("GC", stdin) is None
    assert everything(site) == before
    assert any("nothing is cleaned" in line for line in site.log)


def test_gc_goes_on_after_an_error_and_tells_it(site: Site) -> None:
    for name in "abc":
        site.attach(name, ("net", "eth0"))
    with site.sandboxes.lock("b", 1):
        code, sentence = site.error("GC", {"cni.dev/valid-attachments": []})
    assert code == 5
    assert sentence.startswith("records stay for now: b: another writer keeps ")
    assert list(everything(site)) == ["b"]


def test_gc_without_a_disk(site: Site, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "sandboxes")
    assert site.result("GC", {"cni.dev/valid-attachments": []}) is None
    (tmp_path / "sandboxes").touch()
    code, sentence = site.error("GC", {"cni.dev/valid-attachments": []})
    assert code == 5
    assert sentence.endswith("sandboxes: Not a directory")


def test_gc_needs_no_lock_of_what_stays(site: Site) -> None:
    known(site)
    with site.sandboxes.lock("b", 1), site.sandboxes.lock("c", 1):
        assert site.result("GC", {"cni.dev/valid-attachments": valid(("b", "eth0"))}) is None


def test_gc_overlooks_wrong_own_keys(site: Site) -> None:
    for wrong in OWN_KEYS:
        stdin = {**json.loads(wrong.text), "logFile": "", "cni.dev/valid-attachments": []}
        assert site.result("GC", stdin) is None


# ---------------------------------------------------------------- STATUS and the rest


def test_status_is_not_ready_only_where_an_add_would_fail(site: Site) -> None:
    site.context = {"not_ready": "there is no snapshot"}
    for policy in ("Ignore", "Fail"):
        stdin = {"failurePolicy": policy}
        add, status = site.call("ADD", stdin), site.call("STATUS", stdin)
        assert (status.exit_code == 0) == (add.exit_code == 0)
    assert site.error("STATUS", {"failurePolicy": "Fail"}) == (50, "there is no snapshot")
    site.context = {}
    assert site.result("STATUS", {"failurePolicy": "Fail"}) is None


@pytest.mark.parametrize("wrong", NOT_JSON + ENVELOPE + OWN_KEYS, ids=lambda w: w.sentence[:50])
def test_status_tells_what_would_make_an_add_fail(site: Site, wrong: Wrong) -> None:
    assert site.error("STATUS", wrong.text) == (wrong.code, wrong.sentence)


def test_verbs_without_a_container_need_none(site: Site) -> None:
    nothing = dict.fromkeys(("CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"), "-")
    assert site.call("STATUS", {}, -1, **nothing) == (0, b"")
    assert site.call("GC", {"cni.dev/valid-attachments": []}, -1, **nothing) == (0, b"")
    assert site.call("VERSION", b"", -1, **nothing).exit_code == 0


def test_version(site: Site) -> None:
    body = {"cniVersion": "0.4.0", "supportedVersions": list(VERSIONS)}
    assert json.loads(site.call("VERSION", b'{"cniVersion": "0.4.0"}').stdout) == body


def test_a_mistake_in_a_verb_is_an_error_but_for_del(site: Site) -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError(f"no {name}")

    site.context = {"sandboxes": Broken()}
    for verb in ("CHECK", "GC"):
        code, sentence = site.error(
            verb, {"failurePolicy": "Fail", "cni.dev/valid-attachments": []}
        )
        assert code == 999
        assert sentence.startswith("a mistake in cni-route: RuntimeError: no ")
    assert site.call("DEL", GOOD) == (0, b"")


def test_standard_output_is_all_that_is_said(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    for verb in ("ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "NONE"):
        site.call(verb)
    assert capfd.readouterr() == ("", "")
