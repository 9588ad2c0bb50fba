"""Text that was found in photos: on signs, in screenshots, in scans.

It is derived from the photos, and made anew when another reader reads them. People's own words (`annotations`) are kept
apart from it: a search trusts them more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, not_, or_, select

from indexer.library.catalog import (
    folder_table,
    found_text_index_table,
    found_text_table,
    location_table,
    photo_table,
    query_chunks,
)
from indexer.library.photo import FileIdentity
from indexer.library.sql import sql_of
from indexer.library.text_analysis import BETWEEN_TEXTS, indexed_text
from indexer.library.text_indexes import update_entries

READER = "PP-OCRv6 small, 1"
"""What reads the text now. Photos that another reader has read are read again."""
MIN_SIDE = 200
"""Pixels. Where both sides of a photo are shorter, it is an icon, and not read."""


@dataclass(frozen=True)
class FoundText:
    """A line of text in a photo."""

    text: str
    confidence: float
    """0 to 1."""
    box: list[list[float]]
    """Its four corners, clockwise as one reads it from the upper left one: fractions of width and height, 0 to 1."""


@dataclass(frozen=True)
class PhotoToRead:
    """A photo whose text is still to be read."""

    photo_id: int
    path: str
    """Absolute path of one of its files."""
    identity: FileIdentity


def photos_to_read(connection: Connection) -> list[PhotoToRead]:
    """The photos within reach whose text was not read yet, the latest in the library first."""
    query = (
        select(photo_table.c.id, photo_table.c.digest, photo_table.c.size, folder_table.c.path, location_table.c.path)
        .select_from(photo_table)
        .join(location_table, location_table.c.photo_id == photo_table.c.id)
        .join(folder_table)
        .where(folder_table.c.online, *_waits())
        .order_by(photo_table.c.id.desc(), folder_table.c.path, location_table.c.path)
    )
    photos: dict[int, PhotoToRead] = {}
    for photo_id, digest, size, folder, path in connection.execute(query):
        photos.setdefault(photo_id, PhotoToRead(photo_id, str(Path(folder, path)), FileIdentity(digest, size)))
    return list(photos.values())


def count_read_and_waiting(connection: Connection) -> tuple[int, int]:
    """How many photos that have a file were read, and how many wait."""
    has_location = exists().where(location_table.c.photo_id == photo_table.c.id).correlate(photo_table)
    photos = select(func.count()).select_from(photo_table).where(has_location)
    read = connection.execute(photos.where(_was_read())).scalar_one()
    return read, connection.execute(photos.where(*_waits())).scalar_one()


def _was_read() -> ColumnElement[bool]:
    read = exists().where(found_text_table.c.photo_id == photo_table.c.id, found_text_table.c.reader == READER)
    return read.correlate(photo_table)


def _waits() -> list[ColumnElement[bool]]:
    """Conditions on a row of the photo table: it is large enough, and was not read."""
    return [or_(photo_table.c.width >= MIN_SIDE, photo_table.c.height >= MIN_SIDE), not_(_was_read())]


def store_found_text(
    connection: Connection, texts: Mapping[int, Sequence[FoundText]], failures: Mapping[int, str]
) -> None:
    """Store what READER has found in each photo, in place of what is there, or why it could not read the photo."""
    photo_ids = [*texts, *failures]
    for chunk in query_chunks(photo_ids):
        connection.execute(delete(found_text_table).where(found_text_table.c.photo_id.in_(chunk)))
        rows = [
            {
                "photo_id": photo_id,
                "reader": READER,
                "texts": [asdict(text) for text in texts.get(photo_id, ())],
                "failure": failures.get(photo_id),
            }
            for photo_id in chunk
        ]
        connection.execute(insert(found_text_table), rows)
    update_found_text_index(connection, photo_ids)


def read_found_text(connection: Connection, photo_id: int) -> list[FoundText]:
    """The text in a photo; empty where none was found, or it was not read yet."""
    query = select(found_text_table.c.texts).where(found_text_table.c.photo_id == photo_id)
    return [FoundText(**line) for line in connection.execute(query).scalar_one_or_none() or ()]


def update_found_text_index(connection: Connection, photo_ids: Sequence[int]) -> None:
    """Bring the full-text index of found text up to date for these photos."""
    update_entries(connection, found_text_index_table, photo_ids, found_tokens)


def found_tokens(connection: Connection, photo_ids: Sequence[int]) -> dict[int, str]:
    """The tokens of the text in each of these photos that was read; of all words, also of "out" and "in"."""
    query = select(found_text_table.c.photo_id, found_text_table.c.texts).where(
        found_text_table.c.photo_id.in_(photo_ids)
    )
    return {photo_id: _tokens(line["text"] for line in texts) for photo_id, texts in connection.execute(query)}


def _tokens(texts: Iterable[str]) -> str:
    return f" {BETWEEN_TEXTS} ".join(filter(None, (indexed_text(text, function_words=True) for text in texts)))


def count_found_words(connection: Connection, words: Collection[str]) -> dict[int, int]:
    """How many of `words` are in the text in each photo that has a location; only photos with any of them."""
    counts = Counter[int]()
    has_location = exists().where(location_table.c.photo_id == found_text_index_table.c.rowid)
    for word in words:
        has_word = sql_of(connection).holds_words(found_text_index_table.c.tokens, word)
        matching = select(found_text_index_table.c.rowid).where(has_word, has_location)
        counts.update(connection.execute(matching).scalars())
    return dict(counts)
