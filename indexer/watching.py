"""Keep a library in step with its folders for as long as the process runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

from indexer.indexing import IndexReport, index_folders
from indexer.library.errors import FolderMissing, LibraryError, LibraryLocked
from indexer.library.paths import normalized
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from indexer.notifications import FolderChanges
from indexer.scanning import is_folder
from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import Runtime

_MAX_WAIT_S = 30.0
"""While changes never end, they are indexed this often."""
_WHOLE_PASS_S = 900.0
"""So often everything is compared, for what the system did not tell: network disks, disks that came back."""
_MAX_NEWER = 1000
"""So many photos may be newer than the FAISS index before it is written anew: that takes a write of the whole file."""
_PAUSE_S = 60.0
"""Or when nothing has been indexed for so long, or at the end."""


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
    library: LibraryView,
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
        if not pending or (changed and now - first_change < _MAX_WAIT_S):
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


def _bring_index_up_to_date(library: LibraryView) -> None:
    with LibraryWriter.lock(library) as writer:
        writer.update_index()
