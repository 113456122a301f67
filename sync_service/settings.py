"""Every setting of the service: flag, environment, file, default; where each value came from."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Settings"]


class Settings(NamedTuple):
    """The service's settings; times in seconds."""

    source: str = "dir:/etc/cni-route/routes.d"
    node: str = ""  # empty: the host's name
    run_dir: str = "/run/cni-route"
    state_dir: str = "/var/lib/cni-route"
    cni_cache: tuple[str, ...] = ("/var/lib/cni/results", "/var/lib/cni/multus/results")
    netns_dir: tuple[str, ...] = ("/run/netns", "/var/run/netns")
    log_format: str = "text"
    paused: bool = False
    protocol: int = 114
    backup_protocol: int = 115
