"""Throw away derived data that is not sound, so that it is made again. Of the catalog only the words are derived."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import delete

from indexer.library.annotations import store_words
from indexer.library.catalog import encoded_table, in_queries
from indexer.library.encodings import Encodings
from indexer.library.errors import LibraryError
from indexer.library.library import Library
from indexer.library.locking import writer_lock
from indexer.library.verification import index_problems, unsound_encodings, wrong_words


def discard_damaged_encodings(library: Path, generation: str) -> None:
    """Delete the encodings of a generation if they cannot be read at all, before the library is opened.

    Raises LibraryLocked.
    """
    encodings = Encodings(library / f"encodings-{generation}.sqlite")
    if not encodings.path.exists():
        return
    with writer_lock(library):
        try:
            damaged = bool(encodings.database.damage()) or encodings.is_malformed()
        except LibraryError:
            damaged = True
        encodings.close()
        if damaged:
            for name in ("", "-wal", "-shm"):
                encodings.path.with_name(encodings.path.name + name).unlink(missing_ok=True)


def repair(library: Library, others: Sequence[int] = ()) -> None:
    """Make index and words again, and forget encodings that are not sound, and those of photos `others`: indexing makes
    these.

    Raises LibraryLocked.
    """
    with library.writing():
        library.bring_in_step()
        unsound = sorted(set(others).union(*unsound_encodings(library).values()))
        library.encodings.remove(unsound)
        with library.catalog.begin() as connection:
            for part in in_queries(unsound):
                marks = delete(encoded_table).where(
                    encoded_table.c.generation == library.generation, encoded_table.c.photo_id.in_(part)
                )
                connection.execute(marks)
        wrong = wrong_words(library)
        with library.catalog.begin() as connection:
            store_words(connection, wrong)
        if list(index_problems(library)):
            library.index_path.unlink(missing_ok=True)
        library.update_index()
