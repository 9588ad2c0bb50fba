"""Which generation of the model answers searches, and how another takes its place.

Other weights encode all photos anew, which takes a while and may be interrupted: meanwhile the old ones answer. In one
transaction the new generation becomes the current one and the marks of the old are gone; its files go after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, delete, desc, func, insert, select

from indexer.library.catalog import encoded_table as encoded
from indexer.library.catalog import location_table as location
from indexer.library.catalog import setting_table as setting

_GENERATION, _WEIGHTS = "generation", "weights"


def current_generation(connection: Connection) -> str | None:
    """The generation that answers searches; None before the first run."""
    named = connection.execute(select(setting.c.value).where(setting.c.name == _GENERATION)).scalar_one_or_none()
    if named is not None:
        return named
    # A library from before this was written down.
    most = select(encoded.c.generation).group_by(encoded.c.generation).order_by(desc(func.count()))
    return connection.execute(most.limit(1)).scalar_one_or_none()


def make_current(connection: Connection, generation: str, weights: str | None) -> None:
    """Have `generation`, made by the weights of that name, answer from the end of this transaction on."""
    connection.execute(delete(setting).where(setting.c.name.in_((_GENERATION, _WEIGHTS))))
    connection.execute(insert(setting).values(name=_GENERATION, value=generation))
    if weights is not None:
        connection.execute(insert(setting).values(name=_WEIGHTS, value=weights))


def remove_other_marks(connection: Connection, generation: str) -> None:
    """Take away the marks of every other generation."""
    connection.execute(delete(encoded).where(encoded.c.generation != generation))


def photos_waiting(connection: Connection, generation: str) -> int:
    """How many photos have a location but are not encoded in `generation`."""
    done = select(encoded.c.photo_id).where(encoded.c.generation == generation)
    waiting = select(func.count(location.c.photo_id.distinct())).where(location.c.photo_id.not_in(done))
    return connection.execute(waiting).scalar_one()


def remove_unused_files(library: Path, connection: Connection, generation: str) -> None:
    """Delete the files of generations that are neither current nor `generation` and have no marks.

    What somebody has open on Windows stays until the next time.
    """
    used = {generation, current_generation(connection)}
    used |= set(connection.execute(select(encoded.c.generation).distinct()).scalars())
    for file, owner in generation_files(library):
        if owner not in used:
            with suppress(OSError):
                file.unlink()


def encodings_path(library: Path, generation: str) -> Path:
    """The file that holds a generation's encodings."""
    return library / f"encodings-{generation}.sqlite"


def index_path(library: Path, generation: str) -> Path:
    """The file that holds a generation's FAISS index."""
    return library / f"index-{generation}.faiss"


def generation_files(library: Path) -> Iterator[tuple[Path, str]]:
    """The files that models made, and the generation of each."""
    for file in (*library.glob("encodings-*.sqlite*"), *library.glob("index-*.faiss")):
        yield file, file.name.partition("-")[2].partition(".")[0]
