"""What inotify tells of one folder: that something in it, or on the way to it, has changed."""

from __future__ import annotations

import os
import select
import time

from sync_service.sources import inotify
from sync_service.sources.inotify import Inotify

__all__ = ["FolderNotices"]

_NAMES = inotify.MOVED_FROM | inotify.MOVED_TO | inotify.CREATE | inotify.DELETE
_ABOVE = _NAMES | inotify.DELETE_SELF | inotify.MOVE_SELF
# never IN_MODIFY: a file that is still being written is of no interest
_FOLDER = _ABOVE | inotify.CLOSE_WRITE
_LONGEST = 20  # settle times that a folder which never rests is waited for


class FolderNotices:
    """Watches the folder, which need not exist, and the way to it. Used by one thread."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._inotify = Inotify()
        self._watches: dict[int, str] = {}  # watch -> the one name that matters there, '' for all

    def fileno(self) -> int:
        """Readable when there is something to drain."""
        return self._inotify.fileno()

    def watch(self) -> None:
        """Watch what is there now; to be called again after every change, as folders come and go.

        The folder is watched for all names, each one above it for the next name on the way.
        """
        wanted: dict[int, str] = {}
        path, name, mask = self._folder, "", _FOLDER
        while True:
            try:
                wanted[self._inotify.watch(path, mask)] = name
            except OSError:
                pass  # not there: a folder above tells when it comes
            above, name = os.path.split(path)
            if above == path:
                break
            path, mask = above, _ABOVE
        for watch in self._watches.keys() - wanted.keys():
            self._inotify.forget(watch)
        self._watches = wanted

    def drain(self) -> bool:
        """Take in what has been told; whether anything of it matters. Never blocks."""
        matters = False
        for notice in self._inotify.read():
            if notice.mask & inotify.OVERFLOW:
                matters = True
                continue
            on_the_way = self._watches.get(notice.watch)  # None: of a watch that is forgotten
            if on_the_way is not None and (not on_the_way or notice.name in ("", on_the_way)):
                matters = True
        return matters

    def settle(self, seconds: float) -> None:
        """Wait until nothing has been told for so long; a folder that never rests ends it too."""
        end = time.monotonic() + seconds * _LONGEST
        while select.select([self], [], [], seconds)[0] and time.monotonic() < end:
            self.drain()

    def close(self) -> None:
        """Stop watching."""
        self._inotify.close()
