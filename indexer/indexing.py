"""Bring a library in step with the disk."""

from __future__ import annotations

import functools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from indexer.batches import Batch, KnownPhotos, remove_locations
from indexer.changes import Changes, FileToRead, compare, known_files
from indexer.decoding import Failure, ReadPhoto
from indexer.folders import Part, parts_to_index, set_online, store_patterns
from indexer.library.errors import reason
from indexer.library.paths import normalized
from indexer.library.photo_metadata import update_photo_metadata
from indexer.library.settings import Settings
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from indexer.metadata_refresh import refresh_metadata
from indexer.removed_files import remember_removed_files, replaced_photos
from indexer.scanning import Scan, scan
from indexer.sidecars import sidecar_of
from indexer.unsupported_files import store_unsupported_files
from indexer.workers import ReadRequest, read_photos
from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import Runtime


@dataclass(frozen=True)
class IndexProgress:
    """How far reading has come; unchanged files are not counted."""

    done: int
    total: int
    failed: int


@dataclass
class IndexReport:
    """What a run did. Of the files found, each is one of added, changed, moved, unchanged and failed."""

    found: int = 0
    """Photo files seen."""
    added: int = 0
    """Files that were not known."""
    changed: int = 0
    """Files that hold another photo than before."""
    moved: int = 0
    """Files whose photo was known from another path that is gone."""
    unchanged: int = 0
    failed: int = 0
    """Files that cannot be read as photos, those known from earlier runs included."""
    removed: int = 0
    """Files that are gone and have not been moved."""
    encoded: int = 0
    """Photos that the model has looked at."""
    waiting: int = 0
    """Photos that could not be encoded anew: until they are, the weights of before answer searches."""
    offline: list[str] = field(default_factory=list)
    """Known folders that could not be reached; their photos are kept."""
    not_read: list[tuple[str, str]] = field(default_factory=list)
    """Of the folders that were named, those that could not be read, with the reason; what is known of them is kept."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """What could not be looked at inside the folders, with the reason; what is known of it is kept."""
    left_out: list[str] = field(default_factory=list)
    """Of the folders that were named, those that are left out of the known folder around them."""
    seconds: float = 0.0

    def counts(self) -> dict[str, int]:
        """The counts of files, under the names that people read."""
        return {
            "new": self.added,
            "changed": self.changed,
            "moved": self.moved,
            "removed": self.removed,
            "unchanged": self.unchanged,
            "skipped": self.failed,
        }


def index_folders(
    library: LibraryView,
    folders: Sequence[Path],
    *,
    processor: PixelBertImageProcessor,
    load_runtime: Callable[[], Runtime],
    weights: str | None = None,
    progress: Callable[[IndexProgress], None] | None = None,
    workers: int | None = None,
    exclude: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    newer_allowed: int = 0,
) -> IndexReport:
    """Read what is new or has changed in `folders` (every known folder when empty) and forget what is gone.

    A file that cannot be read as a photo is noted with the reason, and left alone until it changes.
    `load_runtime` is called only when there is a photo to encode, while the first ones are being
    decoded. The run may be interrupted or killed at any moment: the next one goes on from there.

    Where other weights have encoded the library, every known folder is read, and theirs go on answering searches until
    all photos are encoded anew: also those in folders that cannot be reached now. `weights` is the name by which the
    library remembers these.

    `workers` processes decode, by default as many as the settings of the library say. These may exclude files from
    every folder.

    `exclude` and `include` are patterns (see `selection`) of what is left out of the folders and read all the same;
    each takes the place of what the library remembers of those folders, and is remembered. The photos of files that are
    left out are hidden; let in again, they are back with what was written about them.

    The FAISS index is written anew when more than `newer_allowed` photos are newer: they are searched beside it.

    Raises FolderMissing, PatternRefused, LibraryLocked, LibraryReadOnly, and LibraryReencoded when other weights have
    taken over since the library was opened.
    """
    started = time.monotonic()
    report, settings = IndexReport(), Settings.load(library.path)
    workers = workers or settings.threads or None
    with LibraryWriter.lock(library) as writer:
        taking_over = writer.begin_generation(weights)
        changes = _survey(
            writer,
            folders,
            report,
            exclude=exclude,
            include=include,
            excluded_everywhere=settings.exclude,
            whole=taking_over,
        )
        report.found, report.unchanged, report.failed = changes.found, changes.unchanged, changes.failed
        note = _Tally(report, changes, progress)
        if changes.to_read:
            report.encoded = _read_and_encode(
                writer,
                changes.to_read,
                processor,
                load_runtime=load_runtime,
                workers=workers,
                note=note,
            )
        if changes.outdated:
            refresh_metadata(writer, changes.outdated, workers=workers, note=note.of_metadata)
        with writer.catalog.begin() as connection:
            gone = [(part.folder_id, path) for part, path, _ in changes.gone]
            remember_removed_files(connection, gone)
            remove_locations(connection, gone)
            update_photo_metadata(connection, [photo_id for _, _, photo_id in changes.gone if photo_id is not None])
        report.removed = len(changes.gone) - report.moved
        writer.update_index(newer_allowed=newer_allowed)
        if taking_over:
            report.waiting = writer.complete_generation(weights)
        writer.remove_unused_files()
    report.seconds = time.monotonic() - started
    return report


class _Tally:
    """Sorts each file that was read into one of the report's counts, and tells of the progress."""

    def __init__(self, report: IndexReport, changes: Changes, progress: Callable[[IndexProgress], None] | None) -> None:
        self._report = report
        self._progress = progress
        self._done, self._total, self._failed = 0, len(changes.to_read) + len(changes.outdated), 0
        self._gone = Counter(photo_id for _, _, photo_id in changes.gone if photo_id is not None)

    def of_metadata(self) -> None:
        """The metadata of a file that has not changed was read again."""
        self._done += 1
        self._tell()

    def __call__(self, file: FileToRead, photo_id: int | None) -> None:
        self._done += 1
        if photo_id is None:
            self._failed += 1
            self._report.failed += 1
        elif photo_id == file.known_photo_id:
            self._report.unchanged += 1
        elif file.is_known:
            self._report.changed += 1
        elif self._gone[photo_id] > 0:
            self._gone[photo_id] -= 1
            self._report.moved += 1
        else:
            self._report.added += 1
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(IndexProgress(self._done, self._total, self._failed))


def _survey(
    writer: LibraryWriter,
    folders: Sequence[Path],
    report: IndexReport,
    *,
    exclude: Sequence[str] | None,
    include: Sequence[str] | None,
    excluded_everywhere: Sequence[str],
    whole: bool,
) -> Changes:
    changes = Changes()
    with writer.catalog.begin() as connection:
        parts, unreadable = parts_to_index(connection, folders)
        if exclude is not None or include is not None:
            parts = store_patterns(connection, parts, exclude, include)
        if whole:
            parts, _ = parts_to_index(connection, [])
    named = [normalized(folder) for folder in folders]
    report.not_read += [(str(folder), why) for folder, why in unreadable.items()]
    for part in parts:
        outcome = _scan(part, writer.view.path, excluded_everywhere)
        away = part.why_offline()  # asked after the scan too: a disk that was pulled out meanwhile looks empty
        with writer.catalog.begin() as connection:
            set_online(connection, part, away is None)
        if away is not None or isinstance(outcome, str):
            why = away or str(outcome)
            asked = [str(folder) for folder in named if folder.is_relative_to(part.path)]
            report.not_read += [(folder, why) for folder in asked]
            if away is not None:
                report.offline.append(str(part.folder))
            elif not asked:
                report.unreadable.append((str(part.path), why))
            continue
        with writer.catalog.begin() as connection:
            store_unsupported_files(connection, part, outcome)
        with writer.catalog.connect() as connection:
            known = known_files(connection, part, writer.generation)
            before = replaced_photos(connection, part, outcome.files.keys() - known.keys())
        if outcome.is_excluded:
            report.left_out.append(str(part.path))
        compare(part, outcome, known, before, changes)
        report.unreadable += [(str(part.folder / path), why) for path, why in outcome.unreadable.items()]
    return changes


def _scan(part: Part, library: Path, excluded_everywhere: Sequence[str]) -> Scan | str:
    """What lies in the part, or why it cannot be read."""
    try:
        selection = part.selection(excluded_everywhere)
        return part.why_offline() or scan(part.folder, part.below, skip=library, selection=selection)
    except OSError as error:
        return reason(error)


def _read_and_encode(
    writer: LibraryWriter,
    files: Sequence[FileToRead],
    processor: PixelBertImageProcessor,
    *,
    load_runtime: Callable[[], Runtime],
    workers: int | None,
    note: Callable[[FileToRead, int | None], None],
) -> int:
    """Read `files`, commit what they hold, and tell `note` the photo id of each (None: failed); photos encoded."""
    with writer.catalog.connect() as connection:
        photos = KnownPhotos(connection, writer.generation, [file.state.size for file in files])
    requests = (
        ReadRequest(
            file.absolute_path,
            photos.encoded_digests(file.state.size),
            None if file.state.sidecar_ns is None else sidecar_of(file.absolute_path),
        )
        for file in files
    )
    batch = Batch(writer, functools.cache(load_runtime))
    encoded = 0
    with closing(read_photos(requests, processor, workers=workers)) as results:
        for file, read in zip(files, results, strict=True):
            if isinstance(read, ReadPhoto) and read.identity.size != file.state.size:
                read = Failure.CHANGING
            if isinstance(read, Failure):
                batch.add_location(file, None, read)
                note(file, None)
            else:
                photo_id, is_new = photos.identify(read.identity.digest)
                if read.picture is not None:
                    batch.add_photo(photo_id, read.identity, read.picture, is_new=is_new)
                if read.picture is not None and photos.needs_encoding(photo_id):
                    batch.add_pixels(photo_id, read.picture.pixels)
                    encoded += 1
                batch.add_location(file, photo_id, None, read.sidecar)
                note(file, photo_id)
            if batch.is_full:
                batch.commit()
    batch.commit()
    return encoded
