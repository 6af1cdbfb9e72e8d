"""Events that make a probe run now: a process that exits, a file that changes."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from inotify_simple import INotify, flags

from model.plugin import FileChange, ProcessExit

WISHES_MAX: Final = 1024

Event = ProcessExit | FileChange

_CHANGES: Final = flags.CREATE | flags.DELETE | flags.MOVED_TO | flags.MOVED_FROM | flags.CLOSE_WRITE


class Watches:
    """Keeps a pidfd or a directory watch open for each wish, on the loop's selector.

    Wishes belong to a key; each new set of wishes replaces the key's earlier one. ``notify`` is called
    with the key when something that it wished for happened. A directory is watched instead of the
    file, because the file may not exist yet.
    """

    def __init__(self, selector: selectors.BaseSelector, notify: Callable[[object], None]) -> None:
        self._selector = selector
        self._notify = notify
        self._pidfds: dict[int, int] = {}
        self._directories: dict[str, int] = {}
        self._by_wish: dict[Event, set[object]] = {}
        self._by_key: dict[object, frozenset[Event]] = {}
        self._inotify = INotify(nonblocking=True)
        selector.register(self._inotify.fileno(), selectors.EVENT_READ, self._files)

    def wish(self, key: object, wishes: Iterable[Event]) -> None:
        """Replace what the key wishes for; what cannot be watched is left to the next slot."""
        wanted = frozenset(list(wishes)[:WISHES_MAX])
        before = self._by_key.get(key, frozenset())
        if wanted == before:
            return
        self._by_key[key] = wanted
        for wish in before - wanted:
            self._forget(wish, key)
        for wish in wanted - before:
            self._by_wish.setdefault(wish, set()).add(key)
            if isinstance(wish, ProcessExit):
                self._watch_process(wish, key)
            else:
                self._watch_directory(wish)

    def drop(self, key: object) -> None:
        """Forget everything that the key wished for."""
        self.wish(key, ())
        self._by_key.pop(key, None)

    def close(self) -> None:
        """Close every watch."""
        for key in list(self._by_key):
            self.drop(key)
        self._selector.unregister(self._inotify.fileno())
        self._inotify.close()

    def _watch_process(self, wish: ProcessExit, key: object) -> None:
        if wish.pid in self._pidfds:
            return
        try:
            fd = os.pidfd_open(wish.pid)
        except ProcessLookupError:
            self._notify(key)  # It died between the probe's look and ours.
            return
        except OSError:
            return  # Out of descriptors or an old kernel: the next slot sees it.
        self._pidfds[wish.pid] = fd
        self._selector.register(fd, selectors.EVENT_READ, lambda: self._exited(wish))

    def _exited(self, wish: ProcessExit) -> None:
        for key in list(self._by_wish.get(wish, ())):
            self._by_key[key] -= {wish}
            self._forget(wish, key)
            self._notify(key)

    def _watch_directory(self, wish: FileChange) -> None:
        directory = str(Path(wish.path).parent)
        if directory not in self._directories:
            try:
                self._directories[directory] = self._inotify.add_watch(directory, _CHANGES)
            except OSError:
                return  # The directory is not there: the next slot sees it.

    def _files(self) -> None:
        names = {number: directory for directory, number in self._directories.items()}
        for event in self._inotify.read(timeout=0):
            if event.mask & flags.IGNORED:
                self._directories.pop(names.get(event.wd, ""), None)
                continue
            wish = FileChange(str(Path(names.get(event.wd, "")) / event.name))
            for key in list(self._by_wish.get(wish, ())):
                self._notify(key)

    def _forget(self, wish: Event, key: object) -> None:
        keys = self._by_wish.get(wish, set())
        keys.discard(key)
        if keys:
            return
        self._by_wish.pop(wish, None)
        if isinstance(wish, ProcessExit):
            fd = self._pidfds.pop(wish.pid, None)
            if fd is not None:
                self._selector.unregister(fd)
                os.close(fd)
        elif not any(_beside(other, wish) for other in self._by_wish):
            number = self._directories.pop(str(Path(wish.path).parent), None)
            if number is not None:
                self._inotify.rm_watch(number)


def _beside(other: Event, wish: FileChange) -> bool:
    return isinstance(other, FileChange) and Path(other.path).parent == Path(wish.path).parent
