"""Bring the encodings of a generation and the catalog's marks of them into agreement.

Encodings are committed first and their marks second. A process killed in between leaves encodings without marks; a
deleted file of encodings leaves marks without encodings. Both are removed, and indexing encodes those photos again.
"""

from __future__ import annotations

import numpy as np
from sqlalchemy import delete, func, select

from indexer.library.catalog import encoded_table, query_chunks, read_ids
from indexer.library.database import Database
from indexer.library.encodings import Encodings


def is_consistent(catalog: Database, encodings: Encodings, generation: str) -> bool:
    """Whether there are as many encodings as marks. That suffices: a killed process leaves more encodings."""
    marks = select(func.count()).select_from(encoded_table).where(encoded_table.c.generation == generation)
    with catalog.connect() as connection:
        return connection.execute(marks).scalar_one() == encodings.count()


def reconcile(catalog: Database, encodings: Encodings, generation: str) -> None:
    """Remove encodings without a mark and marks without an encoding. The caller holds the library's lock."""
    marks = select(encoded_table.c.photo_id).where(encoded_table.c.generation == generation)
    with catalog.connect() as connection:
        marked = read_ids(connection, marks)
    stored = encodings.photo_ids()
    encodings.remove(np.setdiff1d(stored, marked).tolist())
    remove_marks(catalog, generation, np.setdiff1d(marked, stored).tolist())


def remove_marks(catalog: Database, generation: str, photo_ids: list[int]) -> None:
    """Note that these photos are not encoded in `generation`."""
    with catalog.begin() as connection:
        for part in query_chunks(photo_ids):
            connection.execute(
                delete(encoded_table).where(
                    encoded_table.c.generation == generation, encoded_table.c.photo_id.in_(part)
                )
            )
