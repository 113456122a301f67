"""The samples in conf/ can be used as they are, and the documents name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cni_route.cni.protocol import VERSIONS, Code
from cni_route.cni.settings import DEFAULT_LOG, DEFAULT_SOCKET, DEFAULT_TIMEOUT, Settings, strict

ROOT = Path(__file__).parents[2]
LISTS = sorted((ROOT / "conf").glob("*.conflist"))
AUXILIARY = ROOT / "conf" / "aux" / "cni-route.conf"


def own_entry(path: Path) -> dict[str, Any]:
    """Our entry as the runtime hands it over."""
    config = json.loads(path.read_text())
    if path.suffix == ".conflist":
        assert set(config) == {"name", "cniVersion", "plugins"}
        assert all(isinstance(plugin["type"], str) for plugin in config["plugins"])
        entry = config["plugins"][-1]
        config = {"name": config["name"], "cniVersion": config["cniVersion"], **entry}
    assert config["type"] == "cni-route"
    assert config["cniVersion"] in VERSIONS
    return dict(config)


@pytest.mark.parametrize("path", [*LISTS, AUXILIARY], ids=lambda path: path.name)
def test_a_sample_can_be_used(path: Path) -> None:
    assert isinstance(strict(own_entry(path)), Settings)


def test_the_samples_are_those_of_the_document() -> None:
    text = (ROOT / "docs" / "chaining.md").read_text()
    named = set(re.findall(r"^\| `([a-z/.-]+)`: ", text, re.MULTILINE))
    assert named == {path.name for path in LISTS} | {"aux/cni-route.conf"}


def test_one_sample_has_every_key_at_its_default() -> None:
    assert own_entry(AUXILIARY) == {
        "name": "aux",
        "cniVersion": "0.3.1",
        "type": "cni-route",
        "socket": DEFAULT_SOCKET,
        "failurePolicy": "Ignore",
        "timeoutMs": DEFAULT_TIMEOUT,
        "logFile": DEFAULT_LOG,
    }
    assert strict(own_entry(AUXILIARY)) == Settings()


def test_every_code_is_documented() -> None:
    text = (ROOT / "docs" / "errors.md").read_text()
    documented = {
        int(code) for code in re.findall(r"^\| (\d+) \| (?:CNI|ours) \|", text, re.MULTILINE)
    }
    assert documented == {value for name, value in vars(Code).items() if name.isupper()}
    assert all(version in text for version in VERSIONS)


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs" / "chaining.md").read_text()
    keys = re.findall(r"^\| `([A-Za-z]+)` \| ", text, re.MULTILINE)
    assert keys == ["socket", "failurePolicy", "timeoutMs", "routes", "logFile"]
    assert all(f"`{default}`" in text for default in (DEFAULT_SOCKET, DEFAULT_LOG))
