"""Keep a library up to date with its folders while the process runs."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

from indexer.indexing import IndexReport, index_folders
from indexer.library.errors import FolderMissing, LibraryError, LibraryLocked, ServerUnreachable
from indexer.library.paths import normalized
from indexer.library.settings import Settings
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from indexer.notifications import FolderChanges
from indexer.scanning import is_folder
from indexer.text_reading import TextReaderBroken, read_texts
from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import Runtime

_log = logging.getLogger("pixelseek.watching")
_MAX_WAIT_S = 30.0
"""If changes never end, they are indexed at this interval."""
_WHOLE_PASS_S = 900.0
"""Interval at which all folders are compared, for changes that the system did not report, as on network disks."""
_MAX_NEWER = 1000
"""So many photos may be newer than the FAISS index before its whole file is written anew."""
_TEXT_S = 15.0
"""In quiet times, the text in photos is read for so long at a time: a change waits no longer."""
_PAUSE_S = 60.0
"""The index is also written after so long without indexing, and at the end."""


def watch_folders(
    library: LibraryView,
    folders: Sequence[Path],
    *,
    processor: PixelBertImageProcessor,
    load_runtime: Callable[[], Runtime],
    weights: str | None = None,
    exclude: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    indexed: Callable[[IndexReport], None],
    delayed: Callable[[LibraryError], None],
    stop: Event | None = None,
) -> None:
    """Index `folders` (all known ones if empty), and then every change in them, until `stop` is set.

    `exclude` and `include` are stored with the folders, as by `index_folders`. `indexed` is called after every run.
    While another process is writing, `delayed` is called and the changes wait. If the system cannot report changes, a
    warning is logged and the folders are compared at long intervals. `load_runtime` may be called at every run. The
    FAISS index is written when many photos are newer, in a pause, and at the end.

    Raises KeyboardInterrupt on Ctrl-C, PatternRefused, and FolderMissing if there is nothing to watch.
    """
    watched = list(dict.fromkeys(map(normalized, folders)))
    watched = watched or [Path(folder.path) for folder in library.status().folders]
    if not any(map(is_folder, watched)):
        raise FolderMissing(f"there is no folder to watch: {', '.join(map(str, watched)) or 'name one'}")

    changes = FolderChanges(library, watched, compare_every_s=_WHOLE_PASS_S)

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
            read_text=False,  # changes do not wait for it
        )
        exclude = include = None  # they are stored with the folders now
        changes.select()
        return report

    reported = changes.folders(stop or Event())
    try:
        _index_changes(library, watched, index, reported, indexed=indexed, delayed=delayed)
    finally:
        with suppress(LibraryError):
            _update_index(library)


def _index_changes(
    library: LibraryView,
    watched: Sequence[Path],
    index: Callable[[Sequence[Path]], IndexReport],
    changes: Iterator[set[Path]],
    *,
    indexed: Callable[[IndexReport], None],
    delayed: Callable[[LibraryError], None],
) -> None:
    pending, first_change, last_pass = set(watched), 0.0, time.monotonic()
    last_run, text_waits = math.inf, False
    for changed in changes:
        now = time.monotonic()
        if text_waits and not changed and not pending:
            try:
                text_waits = _read_text(library) > 0
            except (LibraryLocked, ServerUnreachable):
                pass
            except TextReaderBroken as error:
                _log.warning("%s", error)
                text_waits = False
        if now - last_run > _PAUSE_S:
            with suppress(LibraryLocked, ServerUnreachable):
                _update_index(library)
                last_run = math.inf
        if changed and not pending:
            first_change = now
        pending |= changed
        if now - last_pass > _WHOLE_PASS_S:
            pending |= set(watched)
        if not pending or (changed and now - first_change < _MAX_WAIT_S):
            continue
        try:
            report = index(sorted(pending))
        except (LibraryLocked, ServerUnreachable) as error:
            delayed(error)
            continue
        except FolderMissing:
            if pending.issuperset(watched):
                raise
            pending = set(watched)  # the changed folder does not exist any more
            continue
        indexed(report)
        if pending.issuperset(watched):
            last_pass = now
        last_run = time.monotonic()
        text_waits = True
        pending.clear()


def _read_text(library: LibraryView) -> int:
    """Read the text in photos for a while; in how many."""
    with LibraryWriter.lock(library) as writer:
        return read_texts(writer, workers=Settings.load(library.path).threads or None, time_s=_TEXT_S)


def _update_index(library: LibraryView) -> None:
    with LibraryWriter.lock(library) as writer:
        writer.update_index()
