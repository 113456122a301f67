"""The folder source: a folder of manifests as a little API server.

Level-triggered: whatever inotify tells only makes the folder be looked at again, and what is
there is compared with what was told before. So events may be lost or doubled, and the end is the
same as that of a fresh start.
"""

from __future__ import annotations

import logging
import os
import select
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

from cni_route.document import Parsed, parse
from cni_route.model import Pod
from sync_service.manifest import ManifestError, load_text
from sync_service.sources.foldernotices import FolderNotices
from sync_service.sources.sink import Identity, Object, Sink, identity
from sync_service.sources.wholefile import Busy, Signature, read_whole, signature

__all__ = ["Directory", "Timing"]

SUFFIXES = (".yaml", ".yml", ".json")
RENEWED = 1.0  # seconds that a folder made anew has to be filled before what it lacks is gone
_BUSY = 0.1  # seconds after which a file that was being written is tried again
_LONG = 2.0  # seconds of being written that are worth a word
_log = logging.getLogger(__name__)
_ROUNDS = 5  # how often a folder that changes while it is read is read again at once


class Timing(NamedTuple):
    """Seconds; asked for anew each time, as they may change while running."""

    settle: float
    rescan: float


class _File(NamedTuple):
    """What one file held when it was last good."""

    seen: Signature | None = None  # None: to be read again, whatever it looks like
    things: Mapping[Identity, Object] = {}
    sentences: tuple[str, ...] = ()
    whole: bool = False  # no: a part could not be read, and has its last good state in `things`
    busy_since: float | None = None


class Directory:
    """Follows one folder and tells a sink; `run` is a thread's whole life.

    A file or folder that is broken, busy or away keeps what it held; only what is seen to be
    deleted is told as gone.
    """

    def __init__(
        self,
        folder: str,
        node: str,
        sink: Sink,
        timing: Callable[[], Timing],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = os.path.normpath(folder)
        self._node = node
        self._sink = sink
        self._timing = timing
        self._clock = clock
        self._notices = FolderNotices(self._folder)
        self._files: dict[str, _File] = {}
        self._told: dict[Identity, Object] = {}
        self._reported: dict[str, tuple[str, ...]] = {}
        self._identity: tuple[int, int] | None = None  # of the folder; None: it cannot be read
        self._renewed: float | None = None  # when another folder took its place, or changed then
        self._whole: bool | None = None  # what was last said with `complete`
        self.unfinished = False  # a file was busy, or a folder made anew has to be waited for

    def run(self, stop: int) -> None:
        """Tell everything, then every change, until the descriptor `stop` is readable."""
        poll = select.poll()
        poll.register(stop, select.POLLIN)
        poll.register(self._notices, select.POLLIN)
        try:
            while True:
                self.scan()
                if not self._wait(poll, stop):
                    return
        finally:
            self.close()

    def close(self) -> None:
        """Stop watching; `run` does it at its end."""
        self._notices.close()

    def _wait(self, poll: select.poll, stop: int) -> bool:
        """Until the folder is worth a look and has come to rest; False: stop."""
        timing = self._timing()
        end = self._clock() + timing.rescan
        if self.unfinished:
            end = min(end, self._clock() + _BUSY)
        while (left := end - self._clock()) > 0:
            ready = [descriptor for descriptor, _ in poll.poll(left * 1000)]
            if stop in ready:
                return False
            if ready and self._notices.drain():
                self._notices.settle(timing.settle)
                break
        return True

    def scan(self) -> None:
        """Look at the folder and tell what differs from what was told."""
        self.unfinished = False
        for _ in range(_ROUNDS):
            self._notices.watch()
            names, sentence = self._list()
            if names is None:
                break
            for name in names:
                self._files[name] = self._examine(name)
            # a file that was renamed meanwhile may have been overlooked under both names
            if not self._notices.drain():
                break
        if names is not None:
            sentence = self._forget_missing(names)
        self._tell(sentence)

    # ------------------------------------------------------------ the folder

    def _list(self) -> tuple[list[str] | None, str]:
        """The names of the manifests, sorted; None and a sentence where it cannot be read."""
        try:
            found = os.stat(self._folder)
            names = sorted(name for name in os.listdir(self._folder) if _is_manifest(name))
        except OSError as error:
            self._identity = None
            return None, self._sentence(f"cannot be read: {error.strerror}")
        if self._identity != (found.st_dev, found.st_ino):
            self._identity = (found.st_dev, found.st_ino)
            self._renewed = self._clock() if self._files else None
        return names, ""

    def _forget_missing(self, names: Collection[str]) -> str:
        """Files that are not there are deleted; a sentence where that is not believed.

        A folder that was removed and made again is empty at first, and so is the place where a
        volume is not mounted yet: what such a folder lacks is deleted only when something has
        been put into it and it has then been left alone for a while.
        """
        missing = self._files.keys() - set(names)
        if self._renewed is not None and missing:
            if not names:
                return self._sentence("was made anew and is empty")
            if self._clock() < self._renewed + RENEWED:
                self.unfinished = True
                return ""
        self._renewed = None
        for name in missing:
            del self._files[name]
        return ""

    def _sentence(self, what: str) -> str:
        kept = "; what was read from it before stays" if self._told else ""
        return f"the folder {self._folder} {what}{kept}"

    # ------------------------------------------------------------ one file

    def _examine(self, name: str) -> _File:
        """The file as it is now, or as it was last good."""
        old = self._files.get(name, _File())
        path = os.path.join(self._folder, name)
        seen: Signature | None = None
        try:
            if signature(path) == old.seen:
                return old
            seen, text = read_whole(path)
            return self._read(name, parse(load_text(text, name), name), seen, old)
        except Busy:
            return self._busy(name, old)
        except ManifestError as error:
            return _File(seen, old.things, (str(error),))
        except FileNotFoundError:
            if not os.path.islink(path):  # deleted since it was listed
                self.unfinished = True
                return old._replace(seen=None)
            return _File(None, old.things, (f"{name}: is a link to nothing",))
        except OSError as error:
            return _File(None, old.things, (f"{name}: cannot be read: {error.strerror}",))
        except Exception as error:  # one file must not end the service, whatever it brings out
            _log.exception("%s: reading it ended in a mistake", name)
            words = f"{name}: a mistake in cni-route: {type(error).__name__}: {error}"
            return _File(seen, old.things, (words,))

    def _busy(self, name: str, old: _File) -> _File:
        self.unfinished = True
        since = old.busy_since or self._clock()
        sentences = old.sentences
        if self._clock() >= since + _LONG:
            sentences = (f"{name}: is open for writing; what it held before stays until then",)
        return old._replace(seen=None, sentences=sentences, busy_since=since)

    def _read(self, name: str, parsed: Parsed, seen: Signature, old: _File) -> _File:
        things: dict[Identity, Object] = {}
        sentences = [str(problem) for problem in parsed.every_problem()]
        groups: Sequence[Sequence[Object]] = parsed[:5]
        for thing in (thing for group in groups for thing in group):
            if isinstance(thing, Pod) and thing.node not in ("", self._node):
                continue
            which = identity(thing)
            if which in things:
                sentences.append(f"{name}: {_words(which)} stands there twice; the first counts")
            things.setdefault(which, thing)
        if parsed.problems:  # what could not be read keeps its last good state
            things = {**old.things, **things}
        return _File(seen, things, tuple(sentences), not parsed.problems)

    # ------------------------------------------------------------ telling

    def _tell(self, folder_sentence: str) -> None:
        """Of an object in two files the one in the first file counts."""
        troubles: dict[str, tuple[str, ...]] = {}
        if folder_sentence:
            troubles[self._folder] = (folder_sentence,)
        now: dict[Identity, Object] = {}
        homes: dict[Identity, str] = {}
        for name in sorted(self._files):
            file = self._files[name]
            sentences = list(file.sentences)
            for which in file.things.keys() & now.keys():
                sentences.append(
                    f"{name}: {_words(which)} stands in {homes[which]} too, and that one counts"
                )
            if sentences:
                troubles[name] = tuple(sorted(sentences))
            fresh = {w: t for w, t in file.things.items() if w not in now}
            now.update(fresh)
            homes.update(dict.fromkeys(fresh, name))
        self._tell_troubles(troubles)
        self._tell_objects(now)

    def _tell_objects(self, now: dict[Identity, Object]) -> None:
        told, self._told = self._told, now
        changed = [thing for which, thing in now.items() if told.get(which) != thing]
        gone = [which for which in told if which not in now]
        for thing in changed:
            self._sink.put(thing)
        for which in gone:
            self._sink.gone(which)
        if self._identity is None and self._whole is None:
            return  # not read once: nothing is known, and nothing is complete
        whole = self._identity is not None and all(f.whole for f in self._files.values())
        if changed or gone or whole != self._whole:
            self._whole = whole
            self._sink.complete(whole)

    def _tell_troubles(self, troubles: dict[str, tuple[str, ...]]) -> None:
        for place in {**self._reported, **troubles}:
            sentences = troubles.get(place, ())
            if sentences != self._reported.get(place, ()):
                self._sink.trouble(place, sentences)
        self._reported = troubles


def _is_manifest(name: str) -> bool:
    """Editors' own files are hidden or end otherwise (`~`, `#`, `.swp`)."""
    return name.endswith(SUFFIXES) and name[0] not in ".#~"


def _words(which: Identity) -> str:
    kind, namespace, name = which
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"
