"""What changes in folders, as the system tells of it."""

from __future__ import annotations

import logging
import os
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Event

from watchfiles import Change, watch
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from indexer.folders import known_folders
from indexer.library.library import Library
from indexer.library.settings import Settings
from indexer.scanning import PHOTO_SUFFIXES, identity, is_excluded, is_folder
from indexer.selection import NO_MEDIA, Selection
from indexer.sidecars import SIDECAR_SUFFIX

_SUFFIXES = PHOTO_SUFFIXES | {SIDECAR_SUFFIX}
_QUIET_S = 1.0
"""Nothing has changed for so long: a copy that was going on is done."""
_POLL_S = 30.0
"""So often everything is compared while the system tells of nothing."""
_POLL_PAUSE = 10
"""Then the pause is so many times as long as comparing takes, if that is longer."""
_UNDECODABLE = "Unable to decode path"
_log = logging.getLogger("pixelseek.watching")


class FolderChanges:
    """What changes in the watched folders, as the system tells, or as comparing them tells where it cannot."""

    def __init__(self, library: Library, watched: Sequence[Path], *, compare_every_s: float) -> None:
        """In any case everything is compared every `compare_every_s` seconds: after that the system is asked again."""
        self._compare_every_s = compare_every_s
        self._library = library
        self._watched = watched
        self._places = {form: folder for folder in watched for form in (_real(folder), folder)}
        """Each folder by its path, and by the path without links that some systems tell."""
        self._outside = (library.path, _real(library.path))
        self._selections: dict[Path, Selection] = {}
        self._said: set[str] = set()

    def select(self) -> None:
        """Learn what is left out of the folders now."""
        exclude = Settings.load(self._library.path).exclude
        with self._library.catalog.connect() as connection:
            self._selections = {path: part.selection(exclude) for path, part in known_folders(connection).items()}

    def folders(self, stop: Event) -> Iterator[set[Path]]:
        """The folders in which something has changed, as it happens; an empty set for every quiet second."""
        unseen: set[Path] = set()
        while not stop.is_set():
            try:
                yield from self._told(stop, unseen)
            except FileNotFoundError:  # a folder went meanwhile
                stop.wait(_QUIET_S)
            except (WatchfilesRustInternalError, OSError) as error:
                if _UNDECODABLE in str(error):  # a name that is not UTF-8: what changed is not known
                    stop.wait(_QUIET_S)
                else:
                    self._say(error)
                    yield from self._compared(stop)
            unseen = set(self._watched)  # what has changed since

    def _told(self, stop: Event, unseen: set[Path]) -> Iterator[set[Path]]:
        """What the system tells, until another folder lies where a watched one lay, or one comes back.

        Raises OSError when the system has no more watches, and WatchfilesRustInternalError.
        """
        there = self._identities()
        if not there:
            stop.wait(_QUIET_S)
            yield set()
            return
        told = watch(
            *there,
            watch_filter=lambda change, path: self._matters(change, Path(path)),
            rust_timeout=round(1000 * _QUIET_S),
            yield_on_timeout=True,
            ignore_permission_denied=True,
            stop_event=stop,
        )
        with closing(told):
            for changes in told:
                yield unseen | {folder for _, path in changes for folder in self._indexed_for(Path(path))}
                unseen = set()
                if self._identities() != there:
                    return
                _ask_for_a_watch()

    def _compared(self, stop: Event) -> Iterator[set[Path]]:
        """Every folder now and then, for as long as until everything is compared in any case."""
        end = time.monotonic() + self._compare_every_s
        while time.monotonic() < end and not stop.is_set():
            started = time.monotonic()
            yield set(self._watched)
            yield set()  # quiet: they are compared before this returns
            pause_end = time.monotonic() + max(_POLL_S, _POLL_PAUSE * (time.monotonic() - started))
            while time.monotonic() < pause_end and not stop.wait(_QUIET_S):
                yield set()

    def _say(self, error: Exception) -> None:
        why = str(error).partition(" about [")[0].rstrip(".")
        if why not in self._said:
            self._said.add(why)
            _log.warning(
                "the system cannot tell of all changes (%s): all folders are compared every %d seconds or more instead."
                " On Linux, raise fs.inotify.max_user_watches and fs.inotify.max_user_instances",
                why,
                _POLL_S,
            )

    def _identities(self) -> dict[Path, tuple[int, int]]:
        """The watched folders that are there, and which they are: a name may be given to another."""
        found = {}
        for folder in self._watched:
            try:
                status = folder.stat()
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                found[folder] = identity(status)
        return found

    def _matters(self, change: Change, path: Path) -> bool:
        path = self._placed(path)
        if any(path.is_relative_to(folder) for folder in self._outside):
            return False
        folder = next((known for known in self._selections if path.is_relative_to(known)), None)
        if folder is not None and path != folder:
            inside = str(path.relative_to(folder))
            if is_excluded(folder, inside, self._selections[folder]):
                return path.name == NO_MEDIA
        return change is Change.deleted or path.suffix.lower() in _SUFFIXES or is_folder(path)

    def _indexed_for(self, path: Path) -> set[Path]:
        """What is to be indexed after a change at `path`: the nearest folder above that is still there."""
        path = self._placed(path)
        root = next((folder for folder in self._watched if path.is_relative_to(folder)), None)
        if root is None:
            return set(self._watched)
        inside = (parent for parent in path.parents if parent.is_relative_to(root) and is_folder(parent))
        return {next(inside, root)}

    def _placed(self, path: Path) -> Path:
        """A path as it lies in the watched folder, whatever form of it the system tells."""
        if any(path.is_relative_to(folder) for folder in self._watched):
            return path
        form = next((form for form in self._places if path.is_relative_to(form)), None)
        return path if form is None else self._places[form] / path.relative_to(form)


def _ask_for_a_watch() -> None:
    """Raise OSError when the system has no watch left: those that were refused before are not told of."""
    if sys.platform == "linux":
        with suppress(WatchfilesRustInternalError):  # no other watcher can be had, which says nothing of watches
            RustNotify([os.sep], False, False, 0, False, False).close()


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
