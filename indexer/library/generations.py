"""Which generation of the model answers searches, and how another one replaces it.

New weights have to encode all photos, which takes time and may be interrupted. Until then the old generation answers.
One transaction makes the new generation current and deletes the marks of the old one. Then the old files are deleted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, desc, func, insert, select

from indexer.library.catalog import encoded_table as encoded
from indexer.library.catalog import location_table as location
from indexer.library.catalog import read_ids
from indexer.library.catalog import setting_table as setting
from indexer.library.database import Database

_GENERATION, _WEIGHTS = "generation", "weights"


def current_generation(connection: Connection) -> str | None:
    """The generation that answers searches; None before the first run."""
    named = connection.execute(select(setting.c.value).where(setting.c.name == _GENERATION)).scalar_one_or_none()
    if named is not None:
        return named
    # Old libraries did not store it.
    most = select(encoded.c.generation).group_by(encoded.c.generation).order_by(desc(func.count()))
    return connection.execute(most.limit(1)).scalar_one_or_none()


def make_current(connection: Connection, generation: str, weights: str | None) -> None:
    """Make `generation`, of the weights of that name, the one that answers searches when this transaction ends."""
    connection.execute(delete(setting).where(setting.c.name.in_((_GENERATION, _WEIGHTS))))
    connection.execute(insert(setting).values(name=_GENERATION, value=generation))
    if weights is not None:
        connection.execute(insert(setting).values(name=_WEIGHTS, value=weights))


def remove_other_marks(connection: Connection, generation: str) -> None:
    """Delete the marks of all other generations."""
    connection.execute(delete(encoded).where(encoded.c.generation != generation))


def photos_waiting(connection: Connection, generation: str) -> int:
    """How many photos have a location but are not encoded in `generation`."""
    encoded_ids = select(encoded.c.photo_id).where(encoded.c.generation == generation)
    waiting = select(func.count(location.c.photo_id.distinct())).where(location.c.photo_id.not_in(encoded_ids))
    return connection.execute(waiting).scalar_one()


def visible_photos(catalog: Database, generation: str) -> NDArray[np.int64]:
    """(N,) ids of the photos that have a location and are encoded, ascending."""
    with catalog.connect() as connection:
        marked = read_ids(connection, select(encoded.c.photo_id).where(encoded.c.generation == generation))
        located = read_ids(connection, select(location.c.photo_id).where(location.c.photo_id.is_not(None)))
    return marked[np.isin(marked, located)]


def used_generations(connection: Connection) -> set[str]:
    """The generations that are current or have marks."""
    used = set(connection.execute(select(encoded.c.generation).distinct()).scalars())
    current = current_generation(connection)
    return used if current is None else used | {current}


def remove_unused_files(library: Path, used: Collection[str]) -> list[Path]:
    """Delete the files of all generations but those in use.

    A file that another process has open on Windows stays until the next time. Returns the files that are used.
    """
    kept = []
    for file, owner in generation_files(library):
        if owner in used:
            kept.append(file)
            continue
        with suppress(OSError):
            file.unlink()
    return kept


def encodings_path(library: Path, generation: str) -> Path:
    """The file that holds a generation's encodings."""
    return library / f"encodings-{generation}.sqlite"


def index_path(library: Path, generation: str) -> Path:
    """The file that holds a generation's FAISS index."""
    return library / f"index-{generation}.faiss"


def generation_files(library: Path) -> Iterator[tuple[Path, str]]:
    """The derived files in a library, each with its generation."""
    for file in (*library.glob("encodings-*.sqlite*"), *library.glob("index-*.faiss")):
        yield file, file.name.partition("-")[2].partition(".")[0]
