"""The one image that the pods need, made from a static busybox: nothing is pulled."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

NAME = "docker.io/local/busybox:1"
BUSYBOX = Path("/bin/busybox")
APPLETS = ("sh", "ip", "cat", "mv", "sleep")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(target: Path, machine: str) -> None:
    """A docker-archive of the image; `machine` as `uname -m` has it."""
    layer = _layer()
    config = json.dumps(
        {
            "os": "linux",
            "architecture": ARCHITECTURES.get(machine, machine),
            "config": {"Entrypoint": ["/bin/sleep", "2147483647"], "Env": ["PATH=/bin"]},
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            },
        }
    ).encode()
    manifest = [{"Config": "config.json", "RepoTags": [NAME], "Layers": ["layer.tar"]}]
    with tarfile.open(target, "w") as archive:
        _add(archive, "manifest.json", json.dumps(manifest).encode())
        _add(archive, "config.json", config)
        _add(archive, "layer.tar", layer)


def _layer() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add(tar, "bin/busybox", BUSYBOX.read_bytes(), mode=0o755)
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    archive.addfile(entry, io.BytesIO(data))
