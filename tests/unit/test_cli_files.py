"""`validate` and `convert`, run as the command line runs them, and the samples in conf/."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cni_route.document import parse, to_document
from sync_service.cli.main import main
from sync_service.manifest import load_text, read

CONF = Path(__file__).resolve().parents[2] / "conf"
ROUTE = "apiVersion: k8s.ovn.org/v1\nkind: Route\nmetadata: {name: %s}\nspec: %s\n"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command: exit code, standard output, standard error."""

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert isinstance(ended.value.code, int)
        return (ended.value.code, *capsys.readouterr())

    return run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of files, and the working directory."""
    monkeypatch.chdir(tmp_path)
    rules = "{route: [{dst: 10.0.0.0/8, dev: eth1}], svc: [{namespace: a, name: b, dev: eth1}]}"
    (tmp_path / "good.yaml").write_text(ROUTE % ("good", rules))
    (tmp_path / "Short_one.json").write_text('{"svc": "default/nginx1", "dev": "eth0"}')
    (tmp_path / "bad.yaml").write_text(
        ROUTE % ("bad", "{route: [{dst: 172.16.0.1/16, dev: eth1}, {dst: 10.0.0.0/8, dev: eth1}]}")
        + "---\n"
        + ROUTE % ("worse", "{fliter: {}}")
        + "---\nkind: Secret\n"
    )
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "mixed.yaml").write_text(
        ROUTE % ("a", "{}")
        + "---\n"
        + ROUTE % ("b", "{priority: 1}")
        + "---\n{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {clusterIP: 10.0.0.1}}\n"
    )
    return tmp_path


BAD = """\
bad.yaml[1]: spec.route[0].dst: '172.16.0.1/16' has host bits set; did you mean 172.16.0.0/16?
bad.yaml[2]: spec: unknown key 'fliter'; did you mean filter? (until then no rule of this Route \
applies)
bad.yaml[3]: kind 'Secret' is not read here; known: Route, List, Service, Pod, Namespace, \
Deployment, ReplicaSet, DaemonSet, StatefulSet, Job, CronJob
"""


@pytest.mark.usefixtures("files")
def test_good_files_get_a_line(run: Run) -> None:
    assert run("validate", "good.yaml", "Short_one.json", "mixed.yaml") == (
        0,
        "good.yaml: ok, 1 Route, 2 rules\n"
        "Short_one.json: ok, 1 Route, 1 rule\n"
        "mixed.yaml: ok, 2 Routes, 0 rules, 1 other object\n",
        "",
    )


@pytest.mark.usefixtures("files")
def test_each_problem_gets_a_line(run: Run) -> None:
    code, out, err = run("validate", "bad.yaml", "good.yaml", "gone.yaml", "broken.yaml")
    assert code == 1
    assert out == "good.yaml: ok, 1 Route, 2 rules\n"
    head, broken = err.rstrip("\n").rsplit("\n", 1)
    assert head + "\n" == BAD + "gone.yaml: cannot be read: No such file or directory\n"
    assert broken.startswith("broken.yaml: line 2, column 1: is not YAML: ")


@pytest.mark.usefixtures("files")
def test_validation_as_json(run: Run) -> None:
    code, out, err = run("validate", "-o", "json", "good.yaml", "bad.yaml", "gone.yaml")
    assert (code, err) == (1, "")
    answer = json.loads(out)
    assert answer["apiVersion"] == "cli.cni-route/v1"
    good, bad, gone = answer["items"]
    assert good == {
        "file": "good.yaml",
        "ok": True,
        "routes": 1,
        "rules": 2,
        "objects": 0,
        "problems": [],
    }
    assert (bad["ok"], bad["routes"], bad["rules"]) == (False, 2, 1)
    assert bad["problems"][0] == {
        "document": 1,
        "path": "spec.route[0].dst",
        "message": "'172.16.0.1/16' has host bits set; did you mean 172.16.0.0/16?",
    }
    assert [problem["document"] for problem in bad["problems"]] == [1, 2, 3]
    assert gone["problems"] == [
        {"document": None, "path": "", "message": "cannot be read: No such file or directory"}
    ]


def test_standard_input_is_a_file_too(run: Run) -> None:
    good = '{"svc": "default/nginx1", "dev": "eth0"}'
    assert run("validate", "-", stdin=good) == (0, "-: ok, 1 Route, 1 rule\n", "")
    code, _, err = run("validate", "-", stdin="{svc: x, dev: eth0}")
    assert (code, err) == (
        1,
        "stdin: svc: 'x' does not name a Service; write namespace/name, like default/nginx\n",
    )


@pytest.mark.parametrize("command", ["validate", "convert"])
def test_no_file_is_a_mistake_of_usage(run: Run, command: str) -> None:
    code, out, err = run(command)
    assert (code, out) == (2, "")
    assert "Missing argument" in err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("command", ["validate", "convert"])
def test_every_command_takes_run_dir(run: Run, command: str) -> None:
    assert run(command, "--run-dir", "/nowhere", "good.yaml")[0] == 0


@pytest.mark.usefixtures("files")
def test_the_short_form_becomes_a_route_named_after_the_file(run: Run) -> None:
    assert run("convert", "Short_one.json") == (
        0,
        "apiVersion: k8s.ovn.org/v1\n"
        "kind: Route\n"
        "metadata: {name: short-one}\n"
        "spec:\n"
        "  svc:\n"
        "  - {namespace: default, name: nginx1, dev: eth0}\n",
        "",
    )


@pytest.mark.usefixtures("files")
def test_what_is_converted_reads_back_as_the_same(run: Run) -> None:
    """In either output; and what is converted again stays as it is."""
    for output in ("text", "json"):
        code, out, _ = run("convert", "-o", output, "good.yaml")
        assert code == 0
        assert parse(load_text(out, "good.yaml"), "good.yaml") == read("good.yaml")
        assert run("convert", "-o", output, "-", stdin=out) == (0, out, "")


def test_what_a_server_added_is_left_out(run: Run) -> None:
    text = (
        "{apiVersion: k8s.ovn.org/v1, kind: Route, metadata: {name: a, uid: u, generation: 3, "
        "creationTimestamp: 2026-01-31T12:00:00Z}, spec: {}, status: {status: Ready}}"
    )
    code, out, _ = run("convert", "-o", "json", "-", stdin=text)
    assert code == 0
    assert json.loads(out)["metadata"] == {"name": "a"}
    assert "status" not in json.loads(out)


@pytest.mark.usefixtures("files")
def test_several_routes_are_several_documents_or_a_list(run: Run) -> None:
    note = "Note: left out beside the Routes: 1 object.\n"
    code, out, err = run("convert", "mixed.yaml")
    assert (code, err) == (0, note)
    documents = load_text(out, "out")
    code, out, err = run("convert", "-o", "json", "mixed.yaml")
    assert (code, err) == (0, note)
    assert json.loads(out) == {"apiVersion": "v1", "kind": "List", "items": documents}
    assert [route.name for route in parse([json.loads(out)], "out").routes] == ["a", "b"]


@pytest.mark.usefixtures("files")
def test_nothing_is_printed_of_a_file_in_which_something_is_wrong(run: Run) -> None:
    assert run("convert", "bad.yaml") == (1, "", BAD)
    assert run("convert", "gone.yaml") == (
        1,
        "",
        "gone.yaml: cannot be read: No such file or directory\n",
    )


def test_a_file_without_routes_cannot_be_converted(run: Run) -> None:
    code, out, err = run("convert", "-", stdin="# nothing\n")
    assert (code, out) == (1, "")
    assert err == "Error: - holds no Route and no rules; there is nothing to convert.\n"


# ---------------------------------------------------------------- conf/


def samples() -> list[Path]:
    """The samples of Routes."""
    return [*sorted(CONF.glob("cr-config.*")), *sorted(CONF.glob("route-*.yaml"))]


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.name)
def test_samples_are_right(path: Path) -> None:
    parsed = read(str(path))
    assert parsed.every_problem() == ()
    assert parsed.routes


def test_there_are_samples() -> None:
    names = {path.name for path in samples()}
    assert {"cr-config.yaml", "cr-config.json", "route-filter.yaml"} <= names


def test_both_forms_of_the_sample_are_the_same_rules(run: Run) -> None:
    (whole,) = read(str(CONF / "cr-config.yaml")).routes
    code, out, _ = run("convert", str(CONF / "cr-config.json"))
    assert code == 0
    (short,) = parse(load_text(out, "converted"), "converted").routes
    assert short.rules == whole.rules
    assert short.name == "cr-config"
    assert to_document(short)["spec"] == to_document(whole)["spec"]
