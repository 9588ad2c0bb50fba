"""Move the pixel features of a library between its folder and another place, or from one such place to another.

Nothing is removed before it was read again in the new place. A move that was interrupted is given again.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from indexer.library.database import Database
from indexer.library.encodings import Encodings
from indexer.library.errors import LibraryError
from indexer.library.library_files import mark_as_own, new_file_store, open_file_store
from indexer.library.locking import library_lock
from indexer.library.moving import require_room
from indexer.library.opening import open_catalog
from indexer.library.paths import normalized
from indexer.library.settings import FILES_IN_FOLDER, Settings, change, checked
from indexer.library.writer import prepare_other_files

Progress = Callable[[int, int], object]
"""Is told how much is done, and of how much."""


@dataclass(frozen=True)
class FilesMove:
    """Pixel features that were moved."""

    source: str
    target: str
    """The URLs; empty for the library's folder."""
    moved: int
    """Photos into the folder or out of it; files from one place to another."""
    kept: str
    """Where the old ones still are; empty if they are nowhere else."""


def move_files(folder: Path, source: str, target: str, *, progress: Progress = lambda _done, _all: None) -> FilesMove:
    """Move the pixel features of the library in `folder` from the URL `source` to `target`, as in its setting `files`.

    Raises LibraryError where they are not at `source`; LibraryLocked where another process uses the library, which
    would write to the old place; FilesUnreachable; FeaturesMissing where some are lost or damaged; SettingsError.
    """
    folder, source, target = normalized(folder), checked("files", [source]), checked("files", [target])
    if source == target:
        raise LibraryError(f"{_shown(source)} is the same place.")
    _, catalog = open_catalog(folder, create=False)
    with closing(catalog), library_lock(folder, catalog), ExitStack() as stack:
        current = Settings.load(folder).files
        if current not in (source, target):
            raise LibraryError(f"the files of the library in {folder} are in {_shown(current)}, not {_shown(source)}.")
        with catalog.alone():
            pass
        if source == FILES_IN_FOLDER and current == source:
            prepare_other_files(folder, target)
            change(folder, "files", [target])
        encodings = [
            stack.enter_context(closing(Encodings(path, open_files=partial(open_file_store, folder, catalog))))
            for path in sorted(folder.glob("encodings-*.sqlite"))
        ]
        if target == FILES_IN_FOLDER:
            require_room(folder, sum(each.shards.size() for each in encodings))
        if FILES_IN_FOLDER in (source, target):
            moved, kept = _move_features(encodings, progress, into_folder=target == FILES_IN_FOLDER)
        elif current == target:
            raise LibraryError(f"the files of the library in {folder} are in {_shown(target)} already.")
        else:
            moved, kept = _copy(catalog, encodings, target, progress)
        if current != target and Settings.load(folder).files != target:
            with catalog.alone():
                change(folder, "files", [target] if target else [])
    return FilesMove(source, target, moved, kept)


def _move_features(encodings: list[Encodings], progress: Progress, *, into_folder: bool) -> tuple[int, str]:
    """How many photos were moved, and where their features are still."""
    report = _Report(progress, sum(each.count_features(in_file=not into_folder) for each in encodings))
    for each in encodings:
        each.keep_features(in_file=into_folder, progress=report)
    places = {each.shards.place for each in encodings} if into_folder and report.done else set()
    return report.done, "".join(places)


def _copy(catalog: Database, encodings: list[Encodings], url: str, progress: Progress) -> tuple[int, str]:
    """How many files were copied, and where they are still."""
    target = new_file_store(catalog, url)
    report = _Report(progress, sum(each.shards.count() for each in encodings))
    for each in encodings:
        each.shards.copy(target, progress=report)
    mark_as_own(target)
    return report.done, "".join({each.shards.place for each in encodings})


class _Report:
    """Tells how much is done of all."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._total = total
        self.done = 0

    def __call__(self, more: int) -> None:
        self.done += more
        self._progress(self.done, self._total)


def _shown(url: str) -> str:
    return url if url != FILES_IN_FOLDER else "the library's folder"
