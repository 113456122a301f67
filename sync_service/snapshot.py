"""The snapshot on disk: the last whole picture, for the next start and for a plugin alone.

One JSON object: `version`, `written` (unix seconds), `agent`, `protocol`, `backupProtocol`, and
the view as view.to_json has it. Written whole under another name, synced, renamed.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping

from cni_route.untrusted import short
from cni_route.view import View, from_json, to_json
from sync_service.store import Store

__all__ = ["Keeper", "Snapshot"]

VERSION = 1
READABLE = (1,)  # the last two, once there are two
RENEWAL = 3600.0  # seconds after which an unchanged one is written again: its age is judged
_SHARE = 20  # a pause is so many times as long as the writing before it
_LARGEST = 256 << 20  # bytes


class Snapshot:
    """`<state-dir>/snapshot.json`; `facts` stand beside the view, for the plugin alone."""

    def __init__(
        self, state_dir: str, facts: Mapping[str, object], report: Callable[[str], None]
    ) -> None:
        self._folder = state_dir
        self.path = os.path.join(state_dir, "snapshot.json")
        self._facts = dict(facts)
        self._report = report

    def load(self) -> View | None:
        """The picture, or None where there is none that can be used (then it is set aside)."""
        try:
            text = _read(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._report(f"{self.path}: cannot be read: {error.strerror}; it starts without")
            return None
        try:
            return _parse(text)
        except ValueError as error:
            self._set_aside(str(error))
            return None

    def save(self, view: View) -> None:
        """Write the picture; OSError where the disk refuses (the old one then stays)."""
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        temporary = f"{self.path}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            descriptor = os.open(temporary, flags, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.writelines(self._encoded(view))
                file.flush()
                os.fsync(descriptor)
            os.rename(temporary, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        _sync_folder(self._folder)

    def _encoded(self, view: View) -> Iterator[str]:
        """The text in small pieces: encoding all at once would keep every other thread waiting."""
        head = {"version": VERSION, "written": time.time(), **self._facts}
        yield _json(head)[:-1] + ',"view":{'
        for number, (name, value) in enumerate(to_json(view).items()):
            yield ("," if number else "") + _json(name) + ":"
            if not isinstance(value, list):
                yield _json(value)
                continue
            yield "["
            for place, item in enumerate(value):
                yield ("," if place else "") + _json(item)
            yield "]"
        yield "}}\n"

    def _set_aside(self, reason: str) -> None:
        aside = f"{self.path}.bad"
        try:
            os.rename(self.path, aside)
            self._report(f"{self.path}: {reason}; set aside as {aside}, and made anew")
        except OSError as error:
            self._report(f"{self.path}: {reason}; cannot be set aside: {error.strerror}")


class Keeper:
    """Writes the snapshot after changes: at once, then again after `interval` seconds at most.

    A small one is written again sooner: the pause is as long as it takes to spend a twentieth of
    the time on writing.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        store: Store,
        interval: Callable[[], float],
        well: Callable[[], bool],
        rest: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._snapshot = snapshot
        self._store = store
        self._interval = interval
        self._well = well  # whether the source is: only then an unchanged picture is fresh
        self._rest = rest  # waits until pods have what the picture wants: that goes first
        self._stopped = False
        self._written: View | None = None

    def run(self) -> None:
        """A thread's whole life; what is pending when it is stopped is written."""
        while True:
            due = self._store.wait_until(lambda: self._stopped or self._changed(), RENEWAL)
            if self._stopped:
                break
            if due or (self._store.complete and self._well()):
                self._rest(self._interval())
                began = time.monotonic()
                written = self._write()
                took = time.monotonic() - began if written else float("inf")
                pause = min(self._interval(), _SHARE * took)
                self._store.wait_until(lambda: self._stopped, pause)
        if self._changed():
            self._write()

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._stopped = True
        self._store.wake()

    def _changed(self) -> bool:
        return self._store.complete and self._store.view is not self._written

    def _write(self) -> bool:
        view = self._store.view
        try:
            self._snapshot.save(view)
        except OSError as error:
            words = f"{self._snapshot.path}: cannot be written: {error.strerror}"
            self._store.trouble("the snapshot", (words,))
            return False
        self._store.trouble("the snapshot", ())
        self._written = view
        return True


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _parse(text: bytes) -> View:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError("is not an object with a version")
    version = data.get("version")
    if version not in READABLE or isinstance(version, bool):
        known = ", ".join(map(str, READABLE))
        raise ValueError(f"version: {short(version)} is not one that is read here ({known})")
    try:
        return from_json(data.get("view"))
    except ValueError as error:
        raise ValueError(f"view: {error}") from None


def _read(path: str) -> bytes:
    # O_NONBLOCK: whatever lies there under the name must not hold the start up
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        return file.read(_LARGEST)


def _sync_folder(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
