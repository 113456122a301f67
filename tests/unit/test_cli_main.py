"""The command as a process: how it ends, what it says, what it imports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sync_service.cli import common
from sync_service.cli.main import COMMANDS, Place, main

PROGRAM = [sys.executable, "-c", "from sync_service.cli.main import main; main()"]
WAIT_SECONDS = 20.0


def ended(code: object, *arguments: str) -> None:
    """Run the command in this process and see its exit code."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["-h"], 0),
        (["--version"], 0),
        ([], 2),
        (["nothing"], 2),
        (["pods", "--nothing"], 2),
        (["pods", "more"], 2),
        (["pods", "-o", "yaml"], 2),
        (["show"], 2),
        (["exec"], 2),
    ],
)
def test_exit_codes_of_usage(
    arguments: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ended(code, *arguments)
    out, err = capsys.readouterr()
    assert out or err
    assert "Traceback" not in out + err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    ended(0, "--help")
    out = capsys.readouterr().out
    for name, place in COMMANDS.items():
        assert f"  {name} " in out
        assert place.help in out


def test_a_bug_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "bug", Place("json", "dumps", ""))
    ended(1, "bug")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: AssertionError")
    assert err.count("\n") == 1
    monkeypatch.setenv("CNI_ROUTE_DEBUG", "1")
    with pytest.raises(AssertionError):
        main(["bug"])


def test_ctrl_c_ends_it_quietly(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "agent.sock"))
        server.listen()
        process = subprocess.Popen(
            [*PROGRAM, "pods", "--run-dir", str(tmp_path)],
            stderr=subprocess.PIPE,
            # a shell's background jobs have it ignored, and hand that on
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        server.settimeout(WAIT_SECONDS)
        connection, _ = server.accept()  # it waits for an answer now
        with connection:
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_a_reader_that_has_gone_ends_it_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as pipe:
        done = subprocess.run(
            [*PROGRAM, "--help"], stdout=pipe, stderr=subprocess.PIPE, check=False,
            timeout=WAIT_SECONDS,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize(
    ("arguments", "dear"),
    [
        ("--help", "yaml json cni_route sync_service.queries"),
        ("pods --run-dir /nowhere", "yaml sync_service.queries cni_route.view"),
        ("show web --run-dir /nowhere", "yaml sync_service.queries cni_route.view"),
        ("exec web --run-dir /nowhere", "yaml cni_route.view sync_service.queries ctypes"),
    ],
)
def test_a_command_imports_what_it_needs(arguments: str, dear: str) -> None:
    code = (
        "import sys\nfrom sync_service.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "sys.stderr.write('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments.split()],
        capture_output=True, text=True, check=True, timeout=WAIT_SECONDS,
    )  # fmt: skip
    imported = set(done.stderr.splitlines()[-1].split())
    assert "click" in imported
    assert not imported & {*dear.split(), "kubernetes", "pyroute2", "prometheus_client"}


def test_tables() -> None:
    assert common.table(("A", "LONG"), [("x", ""), ("wide", "y")]) == (
        "A     LONG\nx     -\nwide  y"
    )
    assert common.table(("A",), []) == "A"


def test_nobody_writes_on_a_persons_terminal() -> None:
    assert common.table(("NIC",), [("eth\x1b[2J\udc80",)]) == "NIC\neth\\x1b[2J\\udc80"
