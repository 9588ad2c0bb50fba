"""Bring a library up to date with the disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from indexer.batches import Batch, KnownPhotos, remove_locations
from indexer.changes import Changes, FileToRead, compare, known_files
from indexer.decoding import Failure, ReadPhoto
from indexer.folders import FolderPart, parts_to_index, set_online, store_patterns
from indexer.inheritance import Heirs
from indexer.library.errors import reason
from indexer.library.paths import normalized
from indexer.library.photo_metadata import update_photo_metadata
from indexer.library.settings import Settings
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from indexer.metadata_refresh import refresh_metadata
from indexer.photo_encoders import LocalEncoder, PhotoEncoder
from indexer.removed_files import remember_removed_files, replaced_photos
from indexer.scanning import Scan, scan
from indexer.sidecars import sidecar_of
from indexer.text_reading import read_texts
from indexer.unsupported_files import store_unsupported_files
from indexer.workers import ReadRequest
from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import Runtime


@dataclass(frozen=True)
class IndexProgress:
    """The progress of reading. Unchanged files are not counted."""

    done: int
    total: int
    failed: int


@dataclass
class IndexReport:
    """What a run did. Each file found is one of added, changed, moved, unchanged and failed."""

    found: int = 0
    """Photo files seen."""
    added: int = 0
    """Files that were not in the catalog."""
    changed: int = 0
    """Files that hold another photo than before."""
    moved: int = 0
    """Files whose photo was at another path, which no longer exists."""
    unchanged: int = 0
    failed: int = 0
    """Files that cannot be read as photos, including those known from earlier runs."""
    removed: int = 0
    """Files that no longer exist and were not moved."""
    encoded: int = 0
    """Photos that the model has encoded."""
    texts_read: int = 0
    """Photos in which text was looked for."""
    waiting: int = 0
    """Photos that the new weights could not encode yet. Until they are encoded, the old weights answer searches."""
    offline: list[str] = field(default_factory=list)
    """Known folders that could not be reached; their photos are kept."""
    not_read: list[tuple[str, str]] = field(default_factory=list)
    """Named folders that could not be read, with the reason. Their photos are kept."""
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    """Files and folders inside the folders that could not be read, with the reason. Their photos are kept."""
    left_out: list[str] = field(default_factory=list)
    """Named folders that are excluded from the known folder around them."""
    seconds: float = 0.0

    def counts(self) -> dict[str, int]:
        """The counts of files, under the names that users see."""
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
    encoder: PhotoEncoder[Any] | None = None,
    weights: str | None = None,
    progress: Callable[[IndexProgress], None] | None = None,
    index_progress: Callable[[int, int], None] | None = None,
    text_progress: Callable[[int, int], None] | None = None,
    read_text: bool = True,
    workers: int | None = None,
    exclude: Sequence[str] | None = None,
    include: Sequence[str] | None = None,
    newer_allowed: int = 0,
) -> IndexReport:
    """Index new and changed files in `folders` (all known folders if empty), and remove files that no longer exist.

    A file that cannot be read as a photo is stored with the reason, and not read again until it changes. `load_runtime`
    is called when the first photo has to be encoded, while others are being decoded. The run may be interrupted or
    killed at any moment: the next one continues.

    If other weights encoded the library, all known folders are read. The old encodings answer searches until all photos
    are encoded anew, including those in folders that cannot be reached now. `weights` is the name of the new weights,
    which the library stores.

    `encoder` reads and encodes the photos, by default this machine, by `processor` and `load_runtime`.

    `workers` is the number of decoding processes; its default, and files to exclude from every folder, are settings of
    the library.

    `exclude` and `include` are patterns (see `selection`). They replace the patterns that the library has stored for
    the folders. The photos of excluded files are hidden. If they are included again, they are back with their
    annotations.

    The FAISS index is written anew if more than `newer_allowed` photos are newer than it, or if the parameters of the
    score have changed. `index_progress` is called with the number of photos it has taken in, and of all to be taken in.

    At last, when all photos can be found, the text in them is read, where the extra `text` is installed, the settings
    of the library allow it and `read_text` does. `text_progress` is called with the number of photos that were read,
    and of all to be read.

    Raises FolderMissing, PatternRefused, LibraryLocked, LibraryReadOnly, and LibraryReencoded if other weights took
    over after the library was opened.
    """
    started = time.monotonic()
    report, settings = IndexReport(), Settings.load(library.path)
    workers = workers or settings.threads or None
    with LibraryWriter.lock(library) as writer:
        replaces_generation = writer.begin_generation(weights)
        changes = _find_changes(
            writer,
            folders,
            report,
            exclude=exclude,
            include=include,
            excluded_everywhere=settings.exclude,
            all_folders=replaces_generation,
        )
        report.found, report.unchanged, report.failed = changes.found, changes.unchanged, changes.failed
        tally, heirs = _Tally(report, changes, progress), Heirs(changes.undecided)
        if changes.to_read:
            report.encoded = _read_and_encode(
                writer,
                changes.to_read,
                encoder or LocalEncoder(processor, load_runtime, workers=workers),
                heirs,
                on_read=tally.count,
            )
        if changes.outdated:
            refresh_metadata(writer, changes.outdated, workers=workers, on_read=tally.count_metadata)
        with writer.catalog.begin() as connection:
            removed = [(part.folder_id, path) for part, path, _ in changes.removed]
            remember_removed_files(connection, removed)
            remove_locations(connection, removed)
            update_photo_metadata(connection, [photo_id for _, _, photo_id in changes.removed if photo_id is not None])
            heirs.inherit(connection)
        report.removed = len(changes.removed) - report.moved
        writer.update_index(newer_allowed=newer_allowed, progress=index_progress)
        if replaces_generation:
            report.waiting = writer.complete_generation(weights)
        writer.remove_unused_files()
        if read_text:
            report.texts_read = read_texts(writer, workers=workers, progress=text_progress)
    report.seconds = time.monotonic() - started
    return report


class _Tally:
    """Counts each file that was read in the report, and reports the progress."""

    def __init__(self, report: IndexReport, changes: Changes, progress: Callable[[IndexProgress], None] | None) -> None:
        self._report = report
        self._progress = progress
        self._done, self._total, self._failed = 0, len(changes.to_read) + len(changes.outdated), 0
        self._removed = Counter(photo_id for _, _, photo_id in changes.removed if photo_id is not None)

    def count_metadata(self) -> None:
        """Count an unchanged file whose metadata was read again."""
        self._done += 1
        self._report_progress()

    def count(self, file: FileToRead, photo_id: int | None) -> None:
        """Count a file that was read; `photo_id` is None if it could not be."""
        self._done += 1
        if photo_id is None:
            self._failed += 1
            self._report.failed += 1
        elif photo_id == file.known_photo_id:
            self._report.unchanged += 1
        elif file.is_known:
            self._report.changed += 1
        elif self._removed[photo_id] > 0:
            self._removed[photo_id] -= 1
            self._report.moved += 1
        else:
            self._report.added += 1
        self._report_progress()

    def _report_progress(self) -> None:
        if self._progress is not None:
            self._progress(IndexProgress(self._done, self._total, self._failed))


def _find_changes(
    writer: LibraryWriter,
    folders: Sequence[Path],
    report: IndexReport,
    *,
    exclude: Sequence[str] | None,
    include: Sequence[str] | None,
    excluded_everywhere: Sequence[str],
    all_folders: bool,
) -> Changes:
    changes = Changes()
    with writer.catalog.begin() as connection:
        parts, unreadable = parts_to_index(connection, folders)
        if exclude is not None or include is not None:
            parts = store_patterns(connection, parts, exclude, include)
        if all_folders:
            parts, _ = parts_to_index(connection, [])
    named = [normalized(folder) for folder in folders]
    report.not_read += [(str(folder), problem) for folder, problem in unreadable.items()]
    for part in parts:
        outcome = _scan(part, writer.view.path, excluded_everywhere)
        offline = part.why_offline()  # checked again after the scan: a disk that was unplugged meanwhile looks empty
        with writer.catalog.begin() as connection:
            set_online(connection, part, offline is None)
        if offline is not None or isinstance(outcome, str):
            problem = offline or str(outcome)
            affected = [str(folder) for folder in named if folder.is_relative_to(part.path)]
            report.not_read += [(folder, problem) for folder in affected]
            if offline is not None:
                report.offline.append(str(part.folder))
            elif not affected:
                report.unreadable.append((str(part.path), problem))
            continue
        with writer.catalog.begin() as connection:
            store_unsupported_files(connection, part, outcome)
        with writer.catalog.connect() as connection:
            known = known_files(connection, part, writer.generation)
            replaced = replaced_photos(connection, part, outcome.files.keys() - known.keys())
        if outcome.is_excluded:
            report.left_out.append(str(part.path))
        compare(part, outcome, known, replaced, changes)
        report.unreadable += [(str(part.folder / path), problem) for path, problem in outcome.unreadable.items()]
    return changes


def _scan(part: FolderPart, library: Path, excluded_everywhere: Sequence[str]) -> Scan | str:
    """Scan the part; the reason if it cannot be read."""
    try:
        selection = part.selection(excluded_everywhere)
        return part.why_offline() or scan(part.folder, part.subfolder, skip=library, selection=selection)
    except OSError as error:
        return reason(error)


def _read_and_encode(
    writer: LibraryWriter,
    files: Sequence[FileToRead],
    encoder: PhotoEncoder[Any],
    heirs: Heirs,
    *,
    on_read: Callable[[FileToRead, int | None], None],
) -> int:
    """Read, encode and commit `files`; the number of photos encoded. `on_read` gets the photo id of each (None:
    failed)."""
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
    batch = Batch(writer, encoder.encode)
    encoded = 0
    with closing(encoder.read(requests)) as results:
        for number, read, content in results:
            file = files[number]
            if isinstance(read, ReadPhoto) and read.identity.size != file.state.size:
                read = Failure.CHANGING
            if isinstance(read, Failure):
                batch.add_location(file, None, read, predecessor=file.previous_photo_id)
                on_read(file, None)
            else:
                photo_id, is_new = photos.identify(read.identity.digest)
                if read.picture is not None:
                    batch.add_photo(photo_id, read.identity, read.picture, is_new=is_new)
                if content is not None and photos.needs_encoding(photo_id):
                    batch.add_content(photo_id, content)
                    encoded += 1
                predecessor = file.predecessor_of(photo_id, is_new=is_new)
                batch.add_location(file, photo_id, None, read.sidecar, predecessor=predecessor)
                heirs.add(file, photo_id, predecessor)
                on_read(file, photo_id)
            if batch.is_full:
                batch.commit()
    batch.commit()
    return encoded
