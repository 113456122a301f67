"""Settings: where a value comes from, what is refused and in which words."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from sync_service.configuration import SettingsError, changed, load, sample, show
from sync_service.settings import SETTINGS, Settings

SAMPLE = Path(__file__).parents[2] / "conf" / "cni-route.yaml"


def reader(text: str):  # type: ignore[no-untyped-def]
    return lambda _path: list(yaml.safe_load_all(text))


def refusal(
    text: str = "",
    flags: dict[str, str] | None = None,
    environment: dict[str, str] | None = None,
) -> str:
    with pytest.raises(SettingsError) as caught:
        load(flags or {}, environment or {}, reader(text), "c.yaml")
    return str(caught.value)


def test_the_table_and_the_tuple_name_the_same_settings() -> None:
    assert [s.name for s in SETTINGS] == list(Settings._fields)


def test_every_default_passes_its_own_check() -> None:
    for setting in SETTINGS:
        assert setting.kind.check(setting.default) == setting.default


def test_flag_beats_environment_beats_file_beats_default() -> None:
    file = "sweep: 11\nsettle: 0.1\nrescan: 12\n"
    loaded = load(
        {"sweep": "31"},
        {"CNI_ROUTE_SWEEP": "21", "CNI_ROUTE_SETTLE": "0.2"},
        reader(file),
        "c.yaml",
    )
    got = loaded.settings
    assert (got.sweep, got.settle, got.rescan, got.discover) == (31, 0.2, 12, 10)
    assert [loaded.origins[n] for n in ("sweep", "settle", "rescan", "discover")] == [
        "--sweep",
        "CNI_ROUTE_SETTLE",
        "c.yaml: rescan",
        "default",
    ]


def test_the_environment_names_the_file() -> None:
    seen = []

    def read(path: str) -> list[object]:
        seen.append(path)
        return [{"paused": True}]

    assert load({}, {"CNI_ROUTE_CONFIG": "/a"}, read).settings.paused is True
    load({}, {"CNI_ROUTE_CONFIG": "/a"}, read, "/b")
    assert seen == ["/a", "/b"]


def test_the_node_is_the_host_unless_named() -> None:
    loaded = load({}, {}, reader(""))
    assert loaded.settings.node == socket.gethostname()
    assert loaded.origins["node"] == "default (the host's name)"
    assert load({"node": "n1"}, {}, reader("")).settings.node == "n1"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sweeep: 1", "c.yaml: sweeep: is not a setting; did you mean sweep?"),
        ("run-dir: /x", "c.yaml: run-dir: is not a setting; did you mean runDir?"),
        ("RUN_DIR: /x", "c.yaml: RUN_DIR: is not a setting; did you mean runDir?"),
        (
            "sweep: fast",
            "c.yaml: sweep: 'fast' is not a number of seconds from 1 to 86400; the default is 90.0",
        ),
        (
            "sweep: '90'",
            "c.yaml: sweep: '90' is not a number of seconds from 1 to 86400; the default is 90.0",
        ),
        (
            "sweep: 0.5",
            "c.yaml: sweep: 0.5 is not a number of seconds from 1 to 86400; the default is 90.0",
        ),
        (
            "sweep: .nan",
            "c.yaml: sweep: NaN is not a number of seconds from 1 to 86400; the default is 90.0",
        ),
        (
            "sweep: true",
            "c.yaml: sweep: true is not a number of seconds from 1 to 86400; the default is 90.0",
        ),
        (
            "protocol: 4",
            "c.yaml: protocol: 4 is not a route protocol from 20 to 255; the default is 114",
        ),
        (
            "protocol: 114.5",
            "c.yaml: protocol: 114.5 is not a route protocol from 20 to 255; the default is 114",
        ),
        ("paused: 1", "c.yaml: paused: 1 is not true or false; the default is false"),
        (
            "logFormat: xml",
            "c.yaml: logFormat: 'xml' is not text or json; the default is \"text\"",
        ),
        (
            "runDir: run",
            "c.yaml: runDir: 'run' is not an absolute path; the default is \"/run/cni-route\"",
        ),
        (
            "cniCache: [/a, b]",
            'c.yaml: cniCache: ["/a", "b"] is not a list of absolute paths (in a flag or variable'
            ' with commas); the default is ["/var/lib/cni/results", "/var/lib/cni/multus/results"]',
        ),
        (
            "source: /etc",
            "c.yaml: source: '/etc' is not dir:FOLDER with an absolute path;"
            ' the default is "dir:/etc/cni-route/routes.d"',
        ),
        (
            "backupProtocol: 114",
            "protocol and backupProtocol: both are 114; give them two numbers,"
            " or our routes could not be told from the copies of displaced ones",
        ),
        (
            "backoffBase: 31",
            "backoffBase: 31 is more than backoffCap (30);"
            " the first pause cannot be longer than the longest",
        ),
        ("- a", "c.yaml: is not one document of settings (key: value lines)"),
        (
            "paused: true\n---\npaused: false",
            "c.yaml: is not one document of settings (key: value lines)",
        ),
        (
            "zzz: 1",
            "c.yaml: zzz: is not a setting; there are " + ", ".join(s.key for s in SETTINGS),
        ),
    ],
)
def test_what_a_person_reads_about_a_bad_file(text: str, sentence: str) -> None:
    assert refusal(text) == sentence


def test_flags_and_variables_are_named_as_the_place() -> None:
    assert refusal(flags={"sweep": "x"}).startswith("--sweep: 'x' is not a number")
    assert refusal(environment={"CNI_ROUTE_PAUSED": "maybe"}) == (
        "CNI_ROUTE_PAUSED: 'maybe' is not true or false; the default is false"
    )


def test_all_complaints_come_at_once() -> None:
    assert len(refusal("a1: 1\nsweep: x\npaused: x").splitlines()) == 3


def test_a_file_that_cannot_be_read_or_parsed_is_said() -> None:
    def missing(path: str) -> list[object]:
        raise FileNotFoundError(2, "No such file or directory", path)

    def broken(path: str) -> list[object]:
        raise ValueError(f"{path}: line 3: is not YAML")

    with pytest.raises(SettingsError, match=r"^/x: cannot be read: No such file or directory$"):
        load({}, {}, missing, "/x")
    with pytest.raises(SettingsError, match=r"^/x: line 3: is not YAML$"):
        load({}, {}, broken, "/x")


def test_a_null_is_no_value() -> None:
    assert load({}, {}, reader("sweep:\npaused: null"), "c.yaml").settings.sweep == 90


def test_lists_in_text_have_commas() -> None:
    assert load({"cni_cache": "/a,/b"}, {}, reader("")).settings.cni_cache == ("/a", "/b")
    assert load({}, {}, reader("cniCache: /a"), "c").settings.cni_cache == ("/a",)


def test_variables_of_a_cluster_service_are_let_be_and_misspelt_ones_are_said() -> None:
    notes = load(
        {}, {"CNI_ROUTE_PORT_80_TCP": "tcp://10.0.0.1:80", "CNI_ROUTE_SWEPE": "1"}, reader("")
    ).notes
    assert notes == ("CNI_ROUTE_SWEPE: is not a setting; did you mean CNI_ROUTE_SWEEP?",)


def test_the_sample_is_the_defaults() -> None:
    assert SAMPLE.read_text() == sample(), "write it: python -m sync_service.configuration"
    loaded = load(
        {}, {}, lambda path: list(yaml.safe_load_all(Path(path).read_text())), str(SAMPLE)
    )
    assert loaded.settings == load({}, {}, reader("")).settings


def test_what_print_config_shows_is_a_file_that_gives_the_same_settings() -> None:
    loaded = load({"paused": "true", "node": "no", "source": "dir:/a b#c"}, {}, reader(""))
    text = show(loaded)
    assert load({}, {}, reader(text), "c.yaml").settings == loaded.settings
    assert [line.partition("  # ")[2] for line in text.splitlines() if "paused" in line] == [
        "--paused"
    ]


def test_a_reload_tells_what_needs_a_restart() -> None:
    old = load({}, {}, reader("")).settings
    live, restart = changed(old, old._replace(paused=True, run_dir="/x", sweep=5.0))
    assert [s.key for s in live] == ["paused", "sweep"]
    assert [s.key for s in restart] == ["runDir"]
