"""`cni-route install-plugin`: what it writes, what it refuses, and how it says so."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from cni_route.cni import install as installing
from cni_route.cni.install import InstallError, alone_program, install, plugin_program
from cni_route.cni.protocol import VERSIONS
from tests.cni.programs import Programs
from tests.kernel.namespaces import needs_root

WAY_OUT = "name a folder that the runtime looks for plugins in, usually /opt/cni/bin"
NAMES = ["cni-route", "cni-route-alone"]
ANSWER = {"cniVersion": "1.1.0", "supportedVersions": list(VERSIONS)}


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    path = tmp_path / "bin"
    path.mkdir()
    return path


def versions(program: Path) -> object:
    """What the program says to VERSION."""
    done = subprocess.run(
        [program], env={"CNI_COMMAND": "VERSION"}, input=b"", capture_output=True, check=True
    )
    assert done.stderr == b""
    return json.loads(done.stdout)


def state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What would change if a file were written again: inode, time, mode."""
    found = {path.name: path.stat() for path in folder.iterdir()}
    return {name: (s.st_ino, s.st_mtime_ns, s.st_mode & 0o7777) for name, s in found.items()}


def refused(folder: Path | str, **more: str) -> str:
    """The sentence of an installation that fails."""
    with pytest.raises(InstallError) as raised:
        install(str(folder), **more)
    return str(raised.value)


def test_the_command(tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    for _ in range(2):
        done = programs.install()
        paths = [programs.folder / name for name in reversed(NAMES)]
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.decode().splitlines() == [str(path) for path in paths]
    assert sorted(state(programs.folder)) == NAMES
    for path in paths:
        assert versions(path) == ANSWER


def test_the_commands_errors(tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    programs.folder.rmdir()
    done = programs.install()
    sentence = f"Error: {programs.folder} does not exist; make it first, or {WAY_OUT}\n"
    assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", sentence)
    assert programs.install("--no-such-option").returncode == 2


def test_the_interpreters_line(bin_dir: Path) -> None:
    install(str(bin_dir))
    for name in NAMES:
        first = (bin_dir / name).read_bytes().partition(b"\n")[0]
        assert first == f"#!{os.path.realpath(sys.executable)} -IS".encode()


def test_what_is_the_same_is_not_written_again(bin_dir: Path) -> None:
    install(str(bin_dir))
    before = state(bin_dir)
    install(str(bin_dir))
    assert state(bin_dir) == before
    (bin_dir / "cni-route").chmod(0o700)
    install(str(bin_dir))
    after = state(bin_dir)
    assert after["cni-route-alone"] == before["cni-route-alone"]
    assert after["cni-route"][2] == 0o755


def test_what_differs_is_replaced_and_others_are_let_be(bin_dir: Path) -> None:
    names = (".cni-route.abc.tmp", ".cni-route-alone.x.tmp")
    for name in (*NAMES, *names, "bridge", ".cni.tmp"):
        (bin_dir / name).write_text("old")
    (bin_dir / "target").write_text("old")
    (bin_dir / "cni-route").unlink()
    (bin_dir / "cni-route").symlink_to("target")
    install(str(bin_dir))
    assert sorted(state(bin_dir)) == [".cni.tmp", "bridge", *NAMES, "target"]
    assert {(bin_dir / name).read_text() for name in (".cni.tmp", "bridge", "target")} == {"old"}
    assert not (bin_dir / "cni-route").is_symlink()
    assert versions(bin_dir / "cni-route") == ANSWER


def test_many_at_once(bin_dir: Path) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            install(str(bin_dir), state_dir=f"/var/lib/{number}")
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(state(bin_dir)) == NAMES
    assert versions(bin_dir / "cni-route") == ANSWER


# ---------------------------------------------------------------- what is refused


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    missing = tmp_path / "a" / "b"
    assert refused(missing) == f"{missing} does not exist; make it first, or {WAY_OUT}"
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        assert refused(path) == f"{path} is not a folder; {WAY_OUT}"


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_that_name(bin_dir: Path, name: str) -> None:
    (bin_dir / name / "kept").mkdir(parents=True)
    assert refused(bin_dir) == f"{bin_dir / name} is a folder; remove it and try again"
    assert not [path for path in bin_dir.iterdir() if path.name.endswith(".tmp")]


def test_a_path_that_is_too_long_for_a_socket(bin_dir: Path) -> None:
    socket = "/" + "x" * 107
    assert refused(bin_dir, socket=socket) == (
        f"the socket's path {socket} is longer than 107 bytes; "
        "name a shorter --run-dir, to the service too"
    )


def in_mount_namespace(code: str, *mounts: str) -> str:
    """What a Python program prints after these mounts, which nobody else sees."""
    script = " && ".join([*mounts, f'exec "{sys.executable}" -c "$CODE"'])
    done = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script],
        env={**os.environ, "CODE": code},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


TRY = """
import os
from cni_route.cni.install import InstallError, install
{before}
try:
    print(install({folder!r}, interpreter={interpreter!r}))
except InstallError as error:
    print(error)
"""


def attempt(folder: Path, before: str = "", interpreter: str = sys.executable) -> str:
    """A program that prints what an installation says."""
    return TRY.format(folder=str(folder), before=before, interpreter=interpreter)


@needs_root
def test_a_read_only_folder(bin_dir: Path) -> None:
    said = in_mount_namespace(attempt(bin_dir), f"mount -t tmpfs -o ro none '{bin_dir}'")
    assert said == f"{bin_dir} is read-only; mount it writable, or {WAY_OUT}"


@needs_root
def test_a_full_disk(bin_dir: Path) -> None:
    said = in_mount_namespace(attempt(bin_dir), f"mount -t tmpfs -o size=40k none '{bin_dir}'")
    assert said == (
        f"{bin_dir} cannot be written: No space left on device; mend that, or {WAY_OUT}"
    )


@needs_root
def test_a_folder_where_nothing_can_be_run(bin_dir: Path) -> None:
    said = in_mount_namespace(attempt(bin_dir), f"mount -t tmpfs -o noexec none '{bin_dir}'")
    assert said == (
        f"{bin_dir}/cni-route-alone was not written, because it cannot be run there: permission "
        "denied; is the folder mounted noexec? (try another folder, or another Python)"
    )


@needs_root
def test_another_users_folder(bin_dir: Path, tmp_path: Path) -> None:
    """By a user who may not even see our interpreter; the folder is what is asked about."""
    first = tmp_path / "first"
    first.mkdir()
    bin_dir.chmod(0o700)
    code = attempt(bin_dir, f"install({str(first)!r}); os.seteuid(65534)", "/bin/sh")
    assert in_mount_namespace(code, "true") == (
        f"{bin_dir} may not be written by this user; run the command as root, or {WAY_OUT}"
    )


def wrapper(path: Path, words: str = f'exec "{os.path.realpath(sys.executable)}" "$@"') -> str:
    """A program at `path` that stands for an interpreter."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{words}\n")
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_that_does_not_work(bin_dir: Path, tmp_path: Path) -> None:
    install(str(bin_dir))
    before = state(bin_dir)
    broken = wrapper(tmp_path / "python", "echo first >&2; echo broken >&2; exit 3")
    said = refused(bin_dir, interpreter=broken)
    assert said == (
        f"{bin_dir}/cni-route-alone was not written, because it cannot be run there: broken "
        "(try another folder, or another Python)"
    )
    assert state(bin_dir) == before


@pytest.mark.parametrize("path", ["", "/no/such/python", "/"])
def test_no_interpreter(bin_dir: Path, path: str) -> None:
    assert refused(bin_dir, interpreter=path) == (
        "this Python does not know its own path; run the command by the interpreter's full path"
    )


@pytest.mark.parametrize("name", ["py'thon", 'py"thon', "py\\thon", "py\nthon"])
def test_an_interpreters_path_that_cannot_be_written(
    bin_dir: Path, tmp_path: Path, name: str
) -> None:
    path = wrapper(tmp_path / f"{name} x" / "python")
    assert refused(bin_dir, interpreter=path) == (
        f"the interpreter's path {path!r} cannot be written into a program; "
        "run the command by a Python whose path has no quotes, backslashes or odd characters"
    )


@pytest.mark.parametrize("folder", ["a folder", "x" * 130, "ä $HOME `x` %s", "a'''b"])
def test_an_interpreters_odd_path(bin_dir: Path, tmp_path: Path, folder: str) -> None:
    """Blanks and lengths that the kernel's line does not take; the shell takes them."""
    interpreter = wrapper(tmp_path / folder / "python3")
    if "'" in folder:
        assert install(str(bin_dir), interpreter=interpreter)  # no blank: the kernel takes it
    else:
        assert install(str(bin_dir), interpreter=interpreter)
        assert (bin_dir / "cni-route").read_bytes().startswith(b"#!/bin/sh\n")
    for name in NAMES:
        assert versions(bin_dir / name) == ANSWER


# ---------------------------------------------------------------- the programs


def test_the_programs_are_the_same_for_the_same_sources() -> None:
    arguments = (sys.executable, "/run/s", "/var/lib/s")
    assert alone_program(*arguments) == alone_program(*arguments)
    assert plugin_program(*arguments[:2]) == plugin_program(*arguments[:2])


def test_a_path_with_quotes_cannot_end_the_text() -> None:
    with pytest.raises(InstallError, match="cannot be written into the plugin"):
        plugin_program(sys.executable, "/run/'''/s")


def test_every_module_of_the_archive_can_be_imported_from_its_code(bin_dir: Path) -> None:
    """Without annotations and with the standard library alone."""
    install(str(bin_dir))
    path = str(bin_dir / "cni-route-alone")
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".py")]
        assert {f"{name}c" for name in names} <= set(archive.namelist())
    modules = sorted(
        name[:-3].replace("/", ".").removesuffix(".__init__")
        for name in names
        if name != "__main__.py"
    )
    assert "cni_route.cni.alone" in modules
    assert "cni_route.cni.client" not in modules
    code = (
        f"import sys, importlib; sys.path.insert(0, {path!r})\n"
        f"for name in {modules!r}:\n"
        "    found = importlib.import_module(name).__file__\n"
        f"    assert found.startswith({path!r}) and found.endswith('.pyc'), found\n"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def interpreters() -> list[str]:
    """The Pythons of this machine that could run the plugin, this one among them."""
    paths = [Path(folder, f"python3.{n}") for folder in os.get_exec_path() for n in range(10, 20)]
    found = {os.path.realpath(sys.executable)}
    ask = ["-I", "-S", "-c", "import sys; print(sys.executable)"]
    for path in filter(Path.exists, paths):
        done = subprocess.run([path, *ask], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.add(os.path.realpath(done.stdout.strip()))
    return sorted(found)


def test_another_interpreter_than_the_one_that_compiled_it(bin_dir: Path) -> None:
    """An update of Python under our feet: the sources are taken."""
    for interpreter in interpreters():
        for name, program in (
            ("cni-route", plugin_program(interpreter, "/nowhere/agent.sock")),
            ("cni-route-alone", alone_program(interpreter, "/nowhere/agent.sock", "/nowhere")),
        ):
            (bin_dir / name).write_bytes(program)
            (bin_dir / name).chmod(0o755)
        for name in NAMES:
            assert versions(bin_dir / name) == ANSWER, interpreter


def test_code_that_does_not_fit_is_not_taken(bin_dir: Path) -> None:
    install(str(bin_dir))
    plugin, alone = (bin_dir / name for name in NAMES)
    text = plugin.read_text()
    assert repr(sys.version) in text
    code = text.index("CODE = ")
    plugin.write_text(
        text[:code]
        + "CODE = b'no code'\n"
        + text[text.index("\nexec(") :].replace(repr(sys.version), "'x'")
    )
    archive = alone.read_bytes()
    sources = zipfile.ZipFile(io.BytesIO(archive))
    magic = sources.read("__main__.pyc")[:4]
    start = archive.index(b"PK\x03\x04")
    with zipfile.ZipFile(alone, "w") as rewritten:
        for name in sources.namelist():
            data = sources.read(name)
            if name.endswith(".pyc"):
                assert data[:4] == magic
                data = b"\0\0\r\n" + data[4:]
            rewritten.writestr(name, data)
    alone.write_bytes(archive[:start] + alone.read_bytes())
    for path in (plugin, alone):
        assert versions(path) == ANSWER


def test_installed_from_an_archive_of_the_project(tmp_path: Path, bin_dir: Path) -> None:
    """The sources are found by importlib, wherever the project lies."""
    root = Path(installing.__file__).parents[2]
    with zipfile.ZipFile(tmp_path / "project.zip", "w") as archive:
        for path in sorted((root / "cni_route").rglob("*.py")):
            archive.write(path, path.relative_to(root))
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'project.zip')!r})\n"
        "from cni_route.cni.install import install\n"
        f"install({str(bin_dir)!r})\n"
    )
    subprocess.run([os.path.realpath(sys.executable), "-I", "-S", "-c", code], check=True)
    assert versions(bin_dir / "cni-route") == ANSWER
