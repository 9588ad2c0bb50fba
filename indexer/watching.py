"""Keep a library in step with its folders for as long as the process runs."""

from __future__ import annotations

import logging
import math
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from threading import Event

from watchfiles import Change, watch
from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from indexer.errors import FolderMissing, LibraryError, LibraryLocked
from indexer.folders import known_folders, normalized
from indexer.indexing import IndexReport, index_folders
from indexer.library import Library
from indexer.scanning import PHOTO_SUFFIXES, is_folder, is_left_out
from indexer.selection import NO_MEDIA, Selection
from indexer.sidecars import SIDECAR_SUFFIX
from model.processor import PixelBertProcessor
from model.runtime import Runtime

_SUFFIXES = PHOTO_SUFFIXES | {SIDECAR_SUFFIX}
_QUIET_S = 1.0
"""Nothing has changed for so long: a copy that was going on is done."""
_LONGEST_WAIT_S = 30.0
"""While changes never end, they are indexed this often."""
_WHOLE_PASS_S = 900.0
"""So often everything is compared, for what the system did not tell: network disks, disks that came back."""
_POLL_S = 30.0
"""So often everything is compared while the system tells of nothing."""
_POLL_PAUSE = 10
"""Then the pause is so many times as long as comparing takes, if that is longer."""
_UNDECODABLE = "Unable to decode path"
_log = logging.getLogger("pixelseek.watching")

_MAX_NEWER = 1000
"""So many photos may be newer than the FAISS index before it is written anew: that takes a write of the whole file."""
_PAUSE_S = 60.0
"""Or when nothing has been indexed for so long, or at the end."""


def watch_folders(
    library: Library,
    folders: Sequence[Path],
    *,
    processor: PixelBertProcessor,
    load_runtime: Callable[[], Runtime],
    weights: str | None = None,
    exclude: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    indexed: Callable[[IndexReport], None],
    delayed: Callable[[LibraryLocked], None],
    stop: Event | None = None,
) -> None:
    """Index `folders` (every known one when empty), and from then on what changes in them, until `stop` is set.

    `exclude` and `include` are kept with the folders, as `index_folders` does it. `indexed` is told of every run. While
    another process is writing, `delayed` is told and the changes wait. Where the system cannot tell of changes, a line
    is logged and the folders are compared again and again, with long pauses. `load_runtime` may be called at every run.
    A few new photos are searched beside the FAISS index, until it is written anew when they are many, in a pause, or
    at the end.

    Raises KeyboardInterrupt on Ctrl-C, PatternRefused, and FolderMissing when there is nothing to watch.
    """
    watched = list(dict.fromkeys(map(normalized, folders)))
    watched = watched or [Path(folder.path) for folder in library.status().folders]
    if not any(map(is_folder, watched)):
        raise FolderMissing(f"there is no folder to watch: {', '.join(map(str, watched)) or 'name one'}")

    changes = _Changes(library, watched)

    def index(changed: Sequence[Path]) -> IndexReport:
        nonlocal exclude, include
        report = index_folders(
            library,
            changed,
            processor=processor,
            load_runtime=load_runtime,
            weights=weights,
            exclude=exclude,
            include=include,
            newer_allowed=_MAX_NEWER,
        )
        exclude = include = None  # the folders have them now
        changes.select()
        return report

    try:
        _keep_in_step(library, watched, index, changes.folders(stop or Event()), indexed=indexed, delayed=delayed)
    finally:
        with suppress(LibraryError):
            _bring_index_up_to_date(library)


def _keep_in_step(
    library: Library,
    watched: Sequence[Path],
    index: Callable[[Sequence[Path]], IndexReport],
    changes: Iterator[set[Path]],
    *,
    indexed: Callable[[IndexReport], None],
    delayed: Callable[[LibraryLocked], None],
) -> None:
    pending, first_change, last_pass = set(watched), 0.0, time.monotonic()
    last_run = math.inf
    for changed in changes:
        now = time.monotonic()
        if now - last_run > _PAUSE_S:
            with suppress(LibraryLocked):
                _bring_index_up_to_date(library)
                last_run = math.inf
        if changed and not pending:
            first_change = now
        pending |= changed
        if now - last_pass > _WHOLE_PASS_S:
            pending |= set(watched)
        if not pending or (changed and now - first_change < _LONGEST_WAIT_S):
            continue
        try:
            report = index(sorted(pending))
        except LibraryLocked as error:
            delayed(error)
            continue
        except FolderMissing:
            if pending.issuperset(watched):
                raise
            pending = set(watched)  # what has changed is gone already
            continue
        indexed(report)
        if pending.issuperset(watched):
            last_pass = now
        last_run = time.monotonic()
        pending.clear()


def _bring_index_up_to_date(library: Library) -> None:
    with library.writing():
        library.update_index()


class _Changes:
    """What changes in the watched folders."""

    def __init__(self, library: Library, watched: Sequence[Path]) -> None:
        self._library = library
        self._watched = watched
        self._places = {form: folder for folder in watched for form in (_real(folder), folder)}
        """Each folder by its path, and by the path without links that some systems tell."""
        self._outside = (library.path, _real(library.path))
        self._selections: dict[Path, Selection] = {}
        self._said: set[str] = set()

    def select(self) -> None:
        """Learn what is left out of the folders now."""
        with self._library.catalog.connect() as connection:
            self._selections = {path: part.selection for path, part in known_folders(connection).items()}

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
        end = time.monotonic() + _WHOLE_PASS_S
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
                found[folder] = (status.st_dev, status.st_ino)
        return found

    def _matters(self, change: Change, path: Path) -> bool:
        path = self._placed(path)
        if any(path.is_relative_to(folder) for folder in self._outside):
            return False
        folder = next((known for known in self._selections if path.is_relative_to(known)), None)
        if folder is not None and path != folder:
            inside = str(path.relative_to(folder))
            if is_left_out(folder, inside, self._selections[folder]):
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
