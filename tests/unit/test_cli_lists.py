"""The commands that ask the service, through its socket: what they print and how they end.

Golden files: run with CNI_ROUTE_GOLDEN=write to write them anew, and read the difference.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sync_service.cli.main import COMMANDS, main
from sync_service.cli.pods import age
from sync_service.house import Cleaned, House
from sync_service.ledger import Ledger
from tests.unit.cli_house import (
    FixedStore,
    StillLoop,
    listening,
    sample_house,
    sample_view,
    serving,
)

GOLDEN = Path(__file__).parent / "golden"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command against a house (None: no service): exit code, standard output, error."""

    def run(house: House | None, *arguments: str) -> tuple[int, str, str]:
        def command() -> int:
            with pytest.raises(SystemExit) as ended:
                main([*arguments, "--run-dir", str(tmp_path)])
            assert isinstance(ended.value.code, int)
            return ended.value.code

        if house is None:
            code = command()
        else:
            with serving(tmp_path, house):
                code = command()
            (tmp_path / "agent.sock").unlink()
        out, err = capsys.readouterr()
        return code, out, err.replace(str(tmp_path), "RUN_DIR")

    return run


def golden(name: str, text: str) -> None:
    """Compare with a golden file."""
    path = GOLDEN / name
    if os.environ.get("CNI_ROUTE_GOLDEN") == "write":
        path.write_text(text)
    assert text == path.read_text()


LOOP = StillLoop(
    {},
    (
        Cleaned("a1", "default", "db", 0, 0),
        Cleaned("b2", "default", "web", 2, 0),
        Cleaned("c3", "prod", "web", 1, 1, "the kernel refused to delete 10.0.0.0/8"),
    ),
)


@pytest.mark.parametrize(
    ("name", "code", "arguments"),
    [
        ("pods", 0, ["pods"]),
        ("routes", 0, ["routes"]),
        ("show", 1, ["show", "prod/web"]),
        ("cleanup", 1, ["cleanup"]),
    ],
)
@pytest.mark.parametrize("form", ["txt", "json"])
def test_golden(run: Run, name: str, code: int, arguments: list[str], form: str) -> None:
    # text says how long ago, and must not depend on when this runs
    updated = time.time() - 3.5 * 86400 if form == "txt" else 1_700_000_000.0
    more = ["-o", "json"] if form == "json" else []
    ended, out, _ = run(sample_house(updated, loop=LOOP), *arguments, *more)
    assert ended == code
    golden(f"{name}.{form}", out)
    if form == "json":
        body = json.loads(out)
        assert list(body) == ["apiVersion", "items"]
        assert body["apiVersion"] == "cli.cni-route/v1"


def test_show_of_a_pod_that_is_as_it_should_be(run: Run) -> None:
    code, out, err = run(sample_house(), "show", "default/web")
    assert (code, err) == (0, "")
    assert "!" not in out


def test_show_of_an_unknown_pod(run: Run) -> None:
    code, out, err = run(sample_house(), "show", "default/wbe")
    assert (code, out) == (1, "")
    assert err == (
        "Error: There is no pod 'default/wbe' on this node; did you mean default/web or prod/web?\n"
    )


def test_cleanup_that_leaves_nothing(run: Run) -> None:
    loop = StillLoop({}, LOOP.cleaned[:2])
    code, out, err = run(sample_house(loop=loop), "cleanup")
    assert (code, err) == (0, "")
    assert out.endswith(
        "Nothing of ours is left in 2 pods. The service is paused until it is started again.\n"
    )
    code, out, err = run(sample_house(loop=loop), "cleanup", "-o", "json")
    assert (code, err.split(".")[0]) == (0, "Nothing of ours is left in 2 pods")


def test_nothing_to_list(run: Run) -> None:
    house = sample_house(ledger=Ledger(), store=FixedStore(sample_view()))
    assert run(house, "pods") == (0, "", "No pod of this node is known yet.\n")
    code, out, _ = run(house, "pods", "-o", "json")
    assert (code, json.loads(out)["items"]) == (0, [])


def test_notices_go_to_standard_error(run: Run) -> None:
    store = FixedStore(sample_view(), sentences=("x.yaml: is not YAML",))
    code, out, err = run(sample_house(store=store), "routes", "-o", "json")
    assert (code, err) == (0, "Note: x.yaml: is not YAML\n")
    json.loads(out)


@pytest.mark.parametrize("arguments", [["pods"], ["routes", "-o", "json"], ["show", "web"]])
def test_no_service(run: Run, arguments: list[str]) -> None:
    code, out, err = run(None, *arguments)
    assert (code, out) == (1, "")
    assert err == (
        "Error: The sync service does not answer on RUN_DIR/agent.sock; start it"
        " (cni-route sync), or name its --run-dir.\n"
    )


def test_a_socket_that_nobody_listens_on(run: Run, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "agent.sock"))
    code, _, err = run(None, "pods")
    assert code == 1
    assert "does not answer" in err


def test_a_run_dir_too_long_for_a_socket(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pods", "--run-dir", str(tmp_path / ("x" * 120))])
    assert ended.value.code == 1
    assert "path too long" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        (b"", "the peer closed the connection too early"),
        (b"HTTP/1.1 200 OK\r\n", "this speaks version 1 of the protocol, the peer 72"),
        (b"\1\0\0\0\0\0\0\2[]", "is not the sync service"),
        (b"\1\0\0\0\0\0\0\2{}", "is not the sync service"),
        (b"\1\0\0\0\0\0\0\1{", "the answer is not JSON"),
        (b'\1\1\0\0\0\0\0\x0f{"error": "No"}', "Error: No\n"),
    ],
)
def test_what_answers_is_something_else(
    run: Run, tmp_path: Path, sent: bytes, sentence: str
) -> None:
    def reply(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(sent)

    with listening(tmp_path, reply):
        code, out, err = run(None, "pods")
    assert (code, out) == (1, "")
    assert sentence in err
    assert "Traceback" not in err


def test_ages() -> None:
    def ago(seconds: float) -> str:
        return age("2023-11-14T22:13:20Z", 1_700_000_000 + seconds)

    assert [ago(s) for s in (-5, 0, 119, 120, 7199, 7200, 172799, 172800)] == [
        "0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d",
    ]  # fmt: skip
    assert age("", 5.0) == ""


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_and_a_run_dir(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert "--run-dir" in capsys.readouterr().out
