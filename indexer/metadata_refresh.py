"""Read metadata again that an older version read, which read less. Nothing is encoded anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import Any

from sqlalchemy import update

from indexer.changes import FileToRead
from indexer.decoding import Failure
from indexer.library.catalog import photo_table
from indexer.library.photo_metadata import update_photo_metadata
from indexer.library.writer import LibraryWriter
from indexer.metadata.fields import METADATA_VERSION
from indexer.workers import read_metadata_of_files

_PHOTOS_AT_ONCE = 500


def refresh_metadata(
    writer: LibraryWriter, files: Sequence[FileToRead], *, workers: int | None, on_read: Callable[[], None]
) -> None:
    """Read and commit the metadata in `files`, each of another photo. `on_read` is called for each file.

    A file that cannot be read now is read again at the next run. If the decoder refuses it, the old metadata is kept.
    """
    updates: dict[int, dict[str, Any]] = {}
    with closing(read_metadata_of_files((file.absolute_path for file in files), workers=workers)) as results:
        for file, metadata in zip(files, results, strict=True):
            if metadata is not Failure.UNREADABLE:
                assert file.known_photo_id is not None, "only files that hold a photo are outdated"
                updates[file.known_photo_id] = (
                    {} if isinstance(metadata, Failure) else {"own": None, **asdict(metadata)}
                )
            on_read()
            if len(updates) >= _PHOTOS_AT_ONCE:
                _commit(writer, updates)
                updates = {}
    _commit(writer, updates)


def _commit(writer: LibraryWriter, updates: Mapping[int, dict[str, Any]]) -> None:
    with writer.catalog.begin() as connection:
        for photo_id, fields in updates.items():
            row = update(photo_table).where(photo_table.c.id == photo_id)
            connection.execute(row.values(metadata_version=METADATA_VERSION, **fields))
        update_photo_metadata(connection, updates)
