"""Writes the plugin's two executables, `cni-route` and `cni-route-alone`, into a folder.

cni-route is client.py, with its own compiled code beside the text: compiling it at every start
would cost a tenth of the start. cni-route-alone is an archive of this package, compiled, with the
sources for an interpreter that does not take the code. Both name the interpreter that runs this.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import fcntl
import importlib.resources
import importlib.util
import io
import json
import marshal
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator

from cni_route.cni.settings import DEFAULT_SOCKET, MAX_SOCKET

__all__ = ["ALONE", "PLUGIN", "InstallError", "alone_program", "install", "plugin_program"]

PLUGIN = "cni-route"
ALONE = "cni-route-alone"
_ISOLATED = "-IS"  # one argument: the kernel splits no more off an interpreter's line
_MAX_LINE = 127  # bytes of that line, by kernels before 5.1
_LEFT_OUT = frozenset(("cni/client.py", "cni/install.py"))
_CHECK_SECONDS = 60
_WAY_OUT = "name a folder that the runtime looks for plugins in, usually /opt/cni/bin"


class InstallError(Exception):
    """The plugin was not (wholly) written; one sentence with a way out."""


def install(
    folder: str,
    *,
    interpreter: str = sys.executable,
    socket: str = DEFAULT_SOCKET,
    state_dir: str = "/var/lib/cni-route",
) -> tuple[str, ...]:
    """Write what differs, each file at once by rename; the paths of both. InstallError.

    `socket` is the service's for configurations that name none, `state_dir` holds its snapshot.
    cni-route-alone comes first and is run once: cni-route must always find a sound one.
    """
    if len(os.fsencode(socket)) > MAX_SOCKET:
        raise InstallError(
            f"the socket's path {socket} is longer than {MAX_SOCKET} bytes; "
            "name a shorter --run-dir, to the service too"
        )
    programs = {
        ALONE: alone_program(interpreter, socket, state_dir),
        PLUGIN: plugin_program(interpreter, socket),
    }
    try:
        with _locked(folder) as handle:
            for name in os.listdir(folder):
                if name.startswith(f".{PLUGIN}") and name.endswith(".tmp"):
                    os.unlink(os.path.join(folder, name))
            for name, program in programs.items():
                _place(folder, name, program)
            os.fsync(handle)
    except OSError as error:
        raise InstallError(_sentence(folder, error)) from None
    return tuple(os.path.join(folder, name) for name in programs)


# ---------------------------------------------------------------- the programs


def plugin_program(interpreter: str, socket: str) -> bytes:
    """The text of cni-route; its socket's path is `socket` where the configuration has none."""
    text = importlib.resources.files("cni_route.cni").joinpath("client.py").read_text("utf-8")
    default = f"\nSOCKET = {_literal(DEFAULT_SOCKET)}\n"
    assert text.count(default) == 1
    text = text.replace(default, f"\nSOCKET = {_literal(socket)}\n")
    code = compile(text, PLUGIN, "exec", dont_inherit=True, optimize=2)
    return (
        f"{_first_lines(interpreter, text=True)}"
        f"# The CNI plugin, written by `cni-route install-plugin`. TEXT is the program, CODE the\n"
        f"# same, compiled by one interpreter, which starts faster.\n"
        f"import marshal\nimport sys\n\n"
        f"TEXT = r'''{text}'''\n\n"
        f"CODE = {marshal.dumps(code)!r}\n\n"
        f"exec(marshal.loads(CODE) if sys.version == {sys.version!r} else TEXT)\n"
    ).encode()


def alone_program(interpreter: str, socket: str, state_dir: str) -> bytes:
    """The archive that is cni-route-alone; the same bytes for the same sources."""
    sources = {f"cni_route/{path}": source for path, source in _package_sources()}
    places = {"socket": _literal(socket), "state_dir": _literal(state_dir)}
    sources["cni_route_alone.py"] = _ENTRY.format_map(places).encode()
    sources["__main__.py"] = _MAIN
    buffer = io.BytesIO()
    buffer.write(_first_lines(interpreter, text=False).encode())
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path, source in sorted(sources.items()):
            # zipimport takes the compiled one first, and the source where that does not fit
            _add(archive, f"{path}c", _compiled(path, source))
            _add(archive, path, source)
    return buffer.getvalue()


# What client.py imports from the archive, and what the archive starts by itself.
_ENTRY = """\
import gc

gc.disable()  # nothing lives long enough here


def main(stdin):
    from cni_route.cni.alone import main

    return main(stdin, {socket}, {state_dir})
"""
_MAIN = b"""\
import posix

try:
    from cni_route_alone import main

    code = main(None)
except Exception as error:
    words = f"a mistake in cni-route: {type(error).__name__}: {error}"
    plain = "".join(c for c in words if c.isalnum() or c in " :.,_-/").encode()
    posix.write(1, b'{"cniVersion": "1.1.0", "code": 999, "msg": "%b"}' % plain)
    code = 1
posix._exit(code)
"""


def _package_sources() -> Iterator[tuple[str, bytes]]:
    """Path below cni_route and text of each module that the plugin alone can need."""
    pending = [("", importlib.resources.files("cni_route"))]
    while pending:
        above, folder = pending.pop()
        for each in folder.iterdir():
            path = f"{above}{each.name}"
            if each.is_dir() and each.name != "__pycache__":
                pending.append((f"{path}/", each))
            elif path.endswith(".py") and path not in _LEFT_OUT:
                yield path, each.read_bytes()


def _compiled(path: str, source: bytes) -> bytes:
    """A .pyc that is taken without a look at its source (PEP 552, unchecked)."""
    tree = ast.fix_missing_locations(_Bare().visit(ast.parse(source, path)))
    code = compile(tree, path, "exec", dont_inherit=True, optimize=2)
    unchecked = (1).to_bytes(4, "little")
    head = importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


class _Bare(ast.NodeTransformer):
    """Takes annotations away: with them each field of each NamedTuple compiles a piece of text."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module == "__future__" else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.copy_location(ast.Name("object", ast.Load()), node.annotation)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), data)  # its date is always 1980, so nothing differs


def _literal(text: str) -> str:
    """A string of Python, in double quotes as the sources have it."""
    literal = json.dumps(text)
    if "'''" in literal:
        raise InstallError(f"{text} cannot be written into the plugin; name a path without quotes")
    return literal


def _first_lines(interpreter: str, *, text: bool) -> str:
    """What makes the kernel run a program by an interpreter, isolated and without site."""
    path = os.path.realpath(interpreter) if interpreter else ""
    if not path or not os.path.isfile(path):
        raise InstallError(
            "this Python does not know its own path; run the command by the interpreter's full path"
        )
    line = f"#!{path} {_ISOLATED}\n"
    plain = not any(c.isspace() for c in path)
    if plain and len(line.encode("utf-8", "surrogateescape")) <= _MAX_LINE:
        return line
    if any(c in path for c in "'\"\\\n\r") or not path.isprintable():
        raise InstallError(
            f"the interpreter's path {path!r} cannot be written into a program; "
            "run the command by a Python whose path has no quotes, backslashes or odd characters"
        )
    # the shell has no bound on its words; to Python the text's second line begins a string
    if text:
        return f"#!/bin/sh\n'''exec' '{path}' {_ISOLATED} \"$0\" \"$@\"\n' '''\n"
    return f'#!/bin/sh\nexec \'{path}\' {_ISOLATED} "$0" "$@"\n'


# ---------------------------------------------------------------- files


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[int]:
    """Hold the folder against another install-plugin; whoever is second waits for it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _place(folder: str, name: str, program: bytes) -> None:
    path = os.path.join(folder, name)
    if _is_there(path, program):
        return
    descriptor, temporary = tempfile.mkstemp(".tmp", f".{name}.", folder)
    try:
        with open(descriptor, "wb") as file:
            file.write(program)
            file.flush()
            os.fchmod(descriptor, 0o755)
            os.fsync(descriptor)
        if name == ALONE:
            _check_runs(temporary, path)
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _is_there(path: str, program: bytes) -> bool:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o7777
            return mode == 0o755 and not os.path.islink(path) and file.read() == program
    except OSError:
        return False


def _check_runs(program: str, path: str) -> None:
    """Ask the program for its versions, as a runtime would."""
    try:
        done = subprocess.run(
            [os.path.abspath(program)],
            env={"CNI_COMMAND": "VERSION"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_CHECK_SECONDS,
            check=False,
        )
        if done.returncode == 0 and b'"supportedVersions"' in done.stdout:
            return
        lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        words = lines[-1] if lines else f"exit code {done.returncode}"
    except PermissionError:
        words = "permission denied; is the folder mounted noexec?"
    except (OSError, subprocess.TimeoutExpired) as error:
        words = str(error)
    raise InstallError(
        f"{path} was not written, because it cannot be run there: {words} "
        "(try another folder, or another Python)"
    )


def _sentence(folder: str, error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"{folder} does not exist; make it first, or {_WAY_OUT}"
    if error.errno == errno.ENOTDIR:
        return f"{folder} is not a folder; {_WAY_OUT}"
    if error.errno == errno.EROFS:
        return f"{folder} is read-only; mount it writable, or {_WAY_OUT}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{folder} may not be written by this user; run the command as root, or {_WAY_OUT}"
    if error.errno == errno.EISDIR:
        return f"{error.filename2 or error.filename} is a folder; remove it and try again"
    return f"{folder} cannot be written: {error.strerror}; mend that, or {_WAY_OUT}"
