"""Read the text in photos of a library, after they are encoded: searches need not wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from contextlib import closing

from indexer import text_reader
from indexer.decoding import Failure
from indexer.library.errors import LibraryError
from indexer.library.found_text import FoundText, PhotoToRead, photos_to_read, store_found_text
from indexer.library.writer import LibraryWriter
from indexer.text_extra import reads_text
from indexer.workers import WorkersBroken, read_in_processes


class TextReaderBroken(LibraryError):  # noqa: N818
    """The reader of text does not start on this machine."""


_COMMIT_S = 5.0
"""A process that is killed loses at most the text of so many seconds."""
_TRIED_AGAIN = (Failure.UNREADABLE, Failure.CHANGING)
"""Failures that say nothing about the photo."""


def read_texts(
    writer: LibraryWriter,
    *,
    workers: int | None,
    progress: Callable[[int, int], None] | None = None,
    time_s: float | None = None,
) -> int:
    """Read and commit the text of each photo that was not read yet; the number of photos of which anything is stored.

    It may be killed at any moment, and stops after `time_s` seconds: the next call goes on. A photo that cannot be read
    is stored with the reason, and not read again; one whose file is away or changing waits for a later call. `progress`
    is called with the number of photos done, and of all.

    Raises TextReaderBroken.
    """
    if not reads_text(writer.view.path):
        return 0
    with writer.catalog.connect() as connection:
        photos = photos_to_read(connection)
    if not photos:
        return 0
    batch, done, started = _Batch(writer), 0, time.monotonic()
    try:
        with closing(_results(photos, workers)) as results:
            for photo, result in zip(photos, results, strict=True):
                batch.add(photo.photo_id, result)
                done += 1
                if progress is not None:
                    progress(done, len(photos))
                if time_s is not None and time.monotonic() - started > time_s:
                    break
    except WorkersBroken as error:
        raise TextReaderBroken(
            "the text in photos cannot be read, because the extra `text` does not start. All else is done. Install it "
            "again with `pip install --force-reinstall rapidocr`, or do without: pixelseek config read_text false"
        ) from error
    batch.commit()
    return batch.stored


def _results(photos: Iterable[PhotoToRead], workers: int | None) -> Generator[list[FoundText] | Failure, None, None]:
    requests = ((photo.path, photo.identity) for photo in photos)
    return read_in_processes(text_reader.read_text, requests, prepare=text_reader.prepare_reader, workers=workers)


class _Batch:
    """What was read since the last commit."""

    def __init__(self, writer: LibraryWriter) -> None:
        self._writer = writer
        self._texts: dict[int, list[FoundText]] = {}
        self._failures: dict[int, str] = {}
        self._since = time.monotonic()
        self.stored = 0
        """Of how many photos anything was stored."""

    def add(self, photo_id: int, result: list[FoundText] | Failure) -> None:
        """Add what was read, and commit now and then."""
        if not isinstance(result, Failure):
            self._texts[photo_id] = result
        elif result not in _TRIED_AGAIN:
            self._failures[photo_id] = str(result)
        if time.monotonic() - self._since > _COMMIT_S:
            self.commit()

    def commit(self) -> None:
        """Store everything."""
        with self._writer.catalog.begin() as connection:
            store_found_text(connection, self._texts, self._failures)
        self.stored += len(self._texts) + len(self._failures)
        self._texts, self._failures, self._since = {}, {}, time.monotonic()
