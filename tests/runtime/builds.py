"""The containerds that the tests run: the distribution's own, and a 2.x built from its Go module.

Run as a program it builds the second one, which is done once: `python -m tests.runtime.builds`.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

MODULE = "github.com/containerd/containerd/v2"
VERSION = "v2.2.3"
GO = (1, 24, 3)  # what that version's go.mod asks for
PROGRAMS = ("containerd", "containerd-shim-runc-v2")
TOOLS = ("runc", "ctr", "busybox")
TAGS = "no_btrfs,no_devmapper,no_zfs"


class Missing(Exception):
    """That containerd cannot be had here; the text says why."""


class Build(NamedTuple):
    """Where one version's programs are: `containerd` and its shim in `folder`."""

    name: str
    folder: Path


def distribution() -> Build:
    """The one that is installed; Missing where none is, or parts of it."""
    check_tools(*PROGRAMS)
    return Build("the distribution's", Path(shutil.which(PROGRAMS[0]) or "").parent)


def second() -> Build:
    """The 2.x, built now if it was not yet; Missing where there is no Go, or it does not build.

    It lies outside the checkout. Who comes while another builds it waits.
    """
    check_tools()
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cni-route"
    build = Build(VERSION, base / f"containerd-{VERSION}")
    base.mkdir(parents=True, exist_ok=True)
    with locked(base / "containerd.lock"):
        if not build.folder.exists():
            compile_into(build.folder)
    return build


def check_tools(*more: str) -> None:
    """Missing where what either needs is not installed: runc, ctr, and busybox for the image."""
    missing = [name for name in (*TOOLS, *more) if shutil.which(name) is None]
    if missing:
        raise Missing(
            f"not installed: {', '.join(missing)} (Debian's packages containerd and busybox-static)"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of that file."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def compile_into(folder: Path) -> None:
    """Build the programs; the folder appears when it is whole."""
    check_go()
    print(f"building containerd {VERSION}, once: this takes some minutes", flush=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        own = {"CGO_ENABLED": "0", "GOBIN": scratch, "GOFLAGS": "", "GOTOOLCHAIN": "local"}
        packages = [f"{MODULE}/cmd/{name}@{VERSION}" for name in PROGRAMS]
        command = ["go", "install", "-trimpath", "-tags", TAGS, "-ldflags", "-s -w", *packages]
        done = subprocess.run(
            command,
            cwd=scratch,
            env={**os.environ, **own},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Missing(f"containerd {VERSION} does not build: {done.stderr[-2000:]}")
        ready = folder.with_name(f".{folder.name}.new")
        ready.mkdir(exist_ok=True)
        for name in PROGRAMS:
            shutil.copy2(Path(scratch, name), ready)
    ready.rename(folder)


def check_go() -> None:
    """Missing where no Go is on PATH that is new enough; none is ever downloaded."""
    wanted = ".".join(map(str, GO))
    if shutil.which("go") is None:
        raise Missing(f"containerd {VERSION} is built with Go {wanted} or newer, and none is here")
    words = subprocess.run(
        ["go", "env", "GOVERSION"], check=True, capture_output=True, text=True
    ).stdout.strip()
    found = re.match(r"go(\d+)\.(\d+)(?:\.(\d+))?", words)
    if found is None or tuple(int(part or 0) for part in found.groups()) < GO:
        raise Missing(f"containerd {VERSION} is built with Go {wanted} or newer, here is {words}")


def main() -> int:
    """Build what is missing; say why where that cannot be, which is for the tests to judge."""
    try:
        second()
    except Missing as reason:
        print(reason, file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
