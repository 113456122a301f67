"""A containerd of the node's own: its root, state and socket lie in the node, and end with it."""

from __future__ import annotations

import platform
import subprocess
import sys
import uuid

import grpc

from tests.node.node import BIN_DIR, CONF_DIR, Node, until
from tests.runtime import image, keeper
from tests.runtime.builds import Build
from tests.runtime.cri import Cri

SOCKET = "/run/containerd/containerd.sock"
CONFIG = "/run/containerd-config.toml"
ARCHIVE = "/run/image.tar"
LOG = "/var/log/containerd.log"
PATIENCE = 60.0

# Everything in the node's own tmpfs. A process here may not lower its own oom_score_adj. The
# plugins left out want kernel modules, block devices or folders of the machine.
SETTINGS = """\
version = 2
root = "/run/containerd-root"
state = "/run/containerd"
disabled_plugins = [{disabled}]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{image}"
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_tcp_service = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{bin_dir}"
  conf_dir = "{conf_dir}"
  max_conf_num = 2
"""
DISABLED = (
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.tracing",
    "io.containerd.nri.v1.nri",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.tracing.processor.v1.otlp",
)


class Containerd:
    """A running containerd with the pods' image; close() ends it and all that came of it."""

    def __init__(self, node: Node, build: Build) -> None:
        self.node = node
        self.cgroup = f"cni-route-test-{uuid.uuid4().hex[:12]}"
        self._build = build
        self._settings = SETTINGS.format(
            disabled=", ".join(f'"{name}"' for name in DISABLED),
            socket=SOCKET,
            image=image.NAME,
            bin_dir=BIN_DIR,
            conf_dir=CONF_DIR,
        )
        self.cri = Cri(node.path(SOCKET), f"/{self.cgroup}")
        self._keeper: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, wait until it answers, and give it the image."""
        node = self.node
        node.write(CONFIG, self._settings)
        node.path("/run/tmp").mkdir(exist_ok=True)
        search = f"PATH={self._build.folder}:/usr/sbin:/usr/bin:/sbin:/bin"
        command = (sys.executable, "-I", keeper.__file__, self.cgroup)
        program = (str(self._build.folder / "containerd"), "--config", CONFIG)
        with node.path(LOG).open("ab") as log:
            self._keeper = node.popen(
                "env", search, "TMPDIR=/run/tmp", *command, *program,
                stdin=subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            until(self._answers, "containerd answers", PATIENCE)
            image.write(node.path(ARCHIVE), platform.machine())
            node.run("ctr", "--address", SOCKET, "-n", "k8s.io", "images", "import", ARCHIVE)
            until(lambda: self.cri.has_image(image.NAME), "the image is there", PATIENCE)
        except BaseException:
            print(self.log())
            self.close()
            raise

    def _answers(self) -> bool:
        assert self._keeper is not None
        if self._keeper.poll() is not None:
            raise RuntimeError(f"containerd ended\n{self.log()}")
        if not self.node.path(SOCKET).exists():
            return False
        try:
            return bool(self.cri.version())
        except grpc.RpcError:
            return False

    def log(self) -> str:
        """What it has written so far."""
        path = self.node.path(LOG)
        return path.read_text() if path.exists() else ""

    def close(self) -> None:
        """End it with its shims and containers; AssertionError where something is left."""
        self.cri.close()
        if self._keeper is None:
            return
        keeper, self._keeper = self._keeper, None
        assert keeper.stdin is not None
        keeper.stdin.close()
        code = keeper.wait(PATIENCE)
        assert code == 0, f"something outlived containerd\n{self.log()}"

    def __enter__(self) -> Containerd:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
