"""Read the metadata of photos again that an earlier Pixelseek has read, which read less. Nothing is encoded anew."""

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
    writer: LibraryWriter, files: Sequence[FileToRead], *, workers: int | None, note: Callable[[], None]
) -> None:
    """Read the metadata in `files`, each of another photo, commit it, and tell `note` of each file.

    A file that cannot be read now is asked again at the next run; one that is refused keeps what was known.
    """
    told: dict[int, dict[str, Any]] = {}
    with closing(read_metadata_of_files((file.absolute_path for file in files), workers=workers)) as results:
        for file, metadata in zip(files, results, strict=True):
            if metadata is not Failure.UNREADABLE:
                assert file.known_photo_id is not None, "only files that hold a photo are outdated"
                told[file.known_photo_id] = {} if isinstance(metadata, Failure) else {"own": None, **asdict(metadata)}
            note()
            if len(told) >= _PHOTOS_AT_ONCE:
                _commit(writer, told)
                told = {}
    _commit(writer, told)


def _commit(writer: LibraryWriter, told: Mapping[int, dict[str, Any]]) -> None:
    with writer.catalog.begin() as connection:
        for photo_id, fields in told.items():
            row = update(photo_table).where(photo_table.c.id == photo_id)
            connection.execute(row.values(metadata_version=METADATA_VERSION, **fields))
        update_photo_metadata(connection, told)
