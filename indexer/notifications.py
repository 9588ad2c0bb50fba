"""Changes in folders, as the operating system reports them."""

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
from indexer.scanning import PHOTO_SUFFIXES, file_id, is_excluded, is_folder
from indexer.selection import NO_MEDIA, Selection
from indexer.sidecars import SIDECAR_SUFFIX

_SUFFIXES = PHOTO_SUFFIXES | {SIDECAR_SUFFIX}
_QUIET_S = 1.0
"""Changes are reported after so long without another one: a copy in progress is then complete."""
_POLL_S = 30.0
"""Interval at which all folders are compared while the system reports no changes."""
_POLL_PAUSE = 10
"""The interval is at least so many times the duration of a comparison."""
_UNDECODABLE = "Unable to decode path"
_log = logging.getLogger("pixelseek.watching")


class FolderChanges:
    """Changes in the watched folders, reported by the system or, if it cannot, assumed at intervals."""

    def __init__(self, library: Library, watched: Sequence[Path], *, compare_every_s: float) -> None:
        """The caller compares all folders every `compare_every_s` seconds. So often the system is asked anew."""
        self._compare_every_s = compare_every_s
        self._library = library
        self._watched = watched
        self._places = {form: folder for folder in watched for form in (_real(folder), folder)}
        """Each folder by its path, and by its resolved path, which some systems report."""
        self._ignored = (library.path, _real(library.path))
        self._selections: dict[Path, Selection] = {}
        self._warned: set[str] = set()

    def select(self) -> None:
        """Load the current exclusions of the folders."""
        exclude = Settings.load(self._library.path).exclude
        with self._library.catalog.connect() as connection:
            self._selections = {path: part.selection(exclude) for path, part in known_folders(connection).items()}

    def folders(self, stop: Event) -> Iterator[set[Path]]:
        """Yield the folders with changes as they happen, and an empty set for every quiet second."""
        unreported: set[Path] = set()
        while not stop.is_set():
            try:
                yield from self._reported(stop, unreported)
            except FileNotFoundError:  # a folder was removed meanwhile
                stop.wait(_QUIET_S)
            except (WatchfilesRustInternalError, OSError) as error:
                if _UNDECODABLE in str(error):  # a name that is not UTF-8: the changed file is unknown
                    stop.wait(_QUIET_S)
                else:
                    self._warn(error)
                    yield from self._assumed(stop)
            unreported = set(self._watched)  # anything may have changed meanwhile

    def _reported(self, stop: Event, unreported: set[Path]) -> Iterator[set[Path]]:
        """The changes that the system reports, until a watched folder is replaced, removed or comes back.

        The first are completed by the folders `unreported`. Raises OSError when the system has no more watches, and
        WatchfilesRustInternalError.
        """
        watched = self._folder_ids()
        if not watched:
            stop.wait(_QUIET_S)
            yield set()
            return
        reports = watch(
            *watched,
            watch_filter=lambda change, path: self._matters(change, Path(path)),
            rust_timeout=round(1000 * _QUIET_S),
            yield_on_timeout=True,
            ignore_permission_denied=True,
            stop_event=stop,
        )
        with closing(reports):
            for changes in reports:
                yield unreported | {folder for _, path in changes for folder in self._folders_to_index(Path(path))}
                unreported = set()
                if self._folder_ids() != watched:
                    return
                _require_free_watch()

    def _assumed(self, stop: Event) -> Iterator[set[Path]]:
        """All folders at intervals, for `compare_every_s` seconds."""
        end = time.monotonic() + self._compare_every_s
        while time.monotonic() < end and not stop.is_set():
            started = time.monotonic()
            yield set(self._watched)
            yield set()  # a quiet second: the caller compares the folders before this returns
            pause_end = time.monotonic() + max(_POLL_S, _POLL_PAUSE * (time.monotonic() - started))
            while time.monotonic() < pause_end and not stop.wait(_QUIET_S):
                yield set()

    def _warn(self, error: Exception) -> None:
        reason = str(error).partition(" about [")[0].rstrip(".")
        if reason not in self._warned:
            self._warned.add(reason)
            _log.warning(
                "the system cannot tell of all changes (%s): all folders are compared every %d seconds or more instead."
                " On Linux, raise fs.inotify.max_user_watches and fs.inotify.max_user_instances",
                reason,
                _POLL_S,
            )

    def _folder_ids(self) -> dict[Path, tuple[int, int]]:
        """The existing watched folders with their ids: another folder may have got the name of one."""
        ids = {}
        for folder in self._watched:
            try:
                status = folder.stat()
            except OSError:
                continue
            if stat.S_ISDIR(status.st_mode):
                ids[folder] = file_id(status)
        return ids

    def _matters(self, change: Change, path: Path) -> bool:
        path = self._as_watched(path)
        if any(path.is_relative_to(folder) for folder in self._ignored):
            return False
        folder = next((known for known in self._selections if path.is_relative_to(known)), None)
        if folder is not None and path != folder:
            inside = str(path.relative_to(folder))
            if is_excluded(folder, inside, self._selections[folder]):
                return path.name == NO_MEDIA
        return change is Change.deleted or path.suffix.lower() in _SUFFIXES or is_folder(path)

    def _folders_to_index(self, path: Path) -> set[Path]:
        """The folder to index after a change at `path`: the nearest existing one above it."""
        path = self._as_watched(path)
        root = next((folder for folder in self._watched if path.is_relative_to(folder)), None)
        if root is None:
            return set(self._watched)
        existing = (parent for parent in path.parents if parent.is_relative_to(root) and is_folder(parent))
        return {next(existing, root)}

    def _as_watched(self, path: Path) -> Path:
        """`path` below the path of its watched folder; the system may report its resolved path."""
        if any(path.is_relative_to(folder) for folder in self._watched):
            return path
        form = next((form for form in self._places if path.is_relative_to(form)), None)
        return path if form is None else self._places[form] / path.relative_to(form)


def _require_free_watch() -> None:
    """Raise OSError if the system has no watch left: refused watches are not reported."""
    if sys.platform == "linux":
        with suppress(WatchfilesRustInternalError):  # too many watchers, which says nothing about watches
            RustNotify([os.sep], False, False, 0, False, False).close()


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
