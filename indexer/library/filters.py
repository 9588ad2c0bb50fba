"""Filters: conditions on what the catalog knows of a photo."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, exists, false, func, not_, or_, select, tuple_

from indexer.library.catalog import annotation_table, folder_table, found_text_index_table, location_table, photo_table
from indexer.library.database import Database
from indexer.library.gazetteer import GAZETTEER, kilometres
from indexer.library.sql import sql_of
from indexer.library.text_analysis import indexed_text, spaced_words

_MAX_CITIES = 50


@dataclass(frozen=True)
class Circle:
    """All places within a distance of a point."""

    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east."""
    kilometres: float


@dataclass(frozen=True)
class Filters:
    """Conditions that a photo must meet to be found.

    All filters must hold. If a filter has several values, one of them must hold; of `after` and `before`, all.

    Times are seconds since 1970 on the clock of the place where the photo was taken: the date that people remember.
    """

    after: tuple[int, ...] = ()
    """Taken at that time or later."""
    before: tuple[int, ...] = ()
    """Taken before that time."""
    taken: tuple[tuple[int, int], ...] = ()
    """Taken from the first time on, and before the second."""
    camera: tuple[str, ...] = ()
    """A part of the camera's name, compared folded; likewise `lens`."""
    lens: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()
    """An absolute path, or the name of a folder anywhere (`2021/june`: june in 2021), compared folded."""
    near: tuple[Circle, ...] = ()
    place: tuple[str, ...] = ()
    """Words in the name of city, region or country; of several with commas between, each. Or another name of a city or
    country: `Lisboa`."""
    type: tuple[tuple[str, ...], ...] = ()
    """File suffixes with the dot; case does not matter."""
    tag: tuple[str, ...] = ()
    """A whole tag, or a whole keyword in the file, compared folded."""
    text: tuple[str, ...] = ()
    """Words that follow each other in a line of text in the photo, compared folded."""
    favourite: tuple[bool, ...] = ()
    """Whether it is a favourite."""

    def combined(self, other: Self) -> Self:
        """These filters together with those of `other`."""
        return type(self)(
            **{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        )


NO_FILTERS = Filters()

clock = photo_table.c.taken_at + func.coalesce(photo_table.c.taken_offset, 0)
"""When a photo was taken, in seconds since 1970 on the clock of the place."""


def matching_photos(catalog: Database, filters: Filters) -> NDArray[np.int64]:
    """(N,) ids of the photos with a location for which `filters` hold, ascending."""
    columns = photo_table.c.id, photo_table.c.latitude, photo_table.c.longitude
    with catalog.connect() as connection:
        query = select(*columns).where(*conditions(connection, filters)).order_by(photo_table.c.id)
        rows = connection.execute(query).all()
    ids = np.array([row.id for row in rows], dtype=np.int64)
    if not filters.near:
        return ids
    places = np.array([(row.latitude, row.longitude) for row in rows], dtype=np.float64).reshape(-1, 2)
    close = [kilometres(places, circle.latitude, circle.longitude) <= circle.kilometres for circle in filters.near]
    return ids[np.any(close, axis=0)]


def newest_photos(catalog: Database, photo_ids: NDArray[np.int64], count: int) -> list[int]:
    """The `count` of these photos that were taken last, newest first; photos without a date come last."""
    microsecond = func.coalesce(photo_table.c.taken_microsecond, 0)
    by_date = select(photo_table.c.id).order_by(clock.desc().nulls_last(), microsecond.desc(), photo_table.c.id.desc())
    allowed = set(photo_ids.tolist())
    with catalog.connect() as connection:
        newest = (photo_id for photo_id in connection.execute(by_date).scalars() if photo_id in allowed)
        return list(islice(newest, count))


def conditions(connection: Connection, filters: Filters) -> list[ColumnElement[bool]]:
    """SQL conditions on a row of the photo table. For `near`, only that it has a position."""
    sql, photo, file = sql_of(connection), photo_table.c, (folder_table.c.path, location_table.c.path)
    place = select(location_table).join(folder_table).where(location_table.c.photo_id == photo_table.c.id)
    if filters.folder:
        place = place.where(or_(*(sql.is_in_folder(connection, *file, name) for name in filters.folder)))
    if filters.type:
        place = place.where(or_(*(sql.ends_with(*file, ending) for endings in filters.type for ending in endings)))
    alternatives: list[list[ColumnElement[bool]]] = [
        *([start <= clock] for start in filters.after),
        *([end > clock] for end in filters.before),
        [and_(start <= clock, end > clock) for start, end in filters.taken],
        [sql.contains_folded(connection, photo.camera, name) for name in filters.camera],
        [sql.contains_folded(connection, photo.lens, name) for name in filters.lens],
        [photo.latitude.is_not(None)] if filters.near else [],
        [_is_at(connection, name) for name in filters.place],
        [_has_tag(connection, name) for name in filters.tag],
        [_has_text(connection, words) for words in filters.text],
        [_is_favourite() if wanted else not_(_is_favourite()) for wanted in filters.favourite],
    ]
    return [place.correlate(photo_table).exists(), *(or_(*values) for values in alternatives if values)]


def _is_at(connection: Connection, place: str) -> ColumnElement[bool]:
    """Whether a photo was taken at a place of that name; of several names with commas between, at each."""
    pieces = [_is_within(connection, piece.strip()) for piece in place.split(",") if spaced_words(piece)]
    return and_(*pieces) if pieces else false()


def _is_within(connection: Connection, name: str) -> ColumnElement[bool]:
    """Whether a photo was taken at a place whose words hold that name, or that goes by it in another language."""
    photo, country = photo_table.c, GAZETTEER.country_named(name)
    names = [func.coalesce(column, "") for column in (photo.city, photo.region, photo.country)]
    place = names[0] + " | " + names[1] + " | " + names[2]
    cities = dict.fromkeys((city.name, city.country) for city in GAZETTEER.cities_named(name)[:_MAX_CITIES])
    return or_(
        sql_of(connection).contains_words(connection, place, name),
        *([] if country is None else [photo.country == country]),
        *(tuple_(column, photo.country).in_(list(cities)) for column in (photo.city, photo.region) if cities),
    )


def _has_tag(connection: Connection, name: str) -> ColumnElement[bool]:
    sql = sql_of(connection)
    has_tag = sql.holds_text(connection, annotation_table.c.tags, name)
    tagged = exists().where(annotation_table.c.photo_id == photo_table.c.id, has_tag)
    return or_(tagged.correlate(photo_table), sql.holds_text(connection, photo_table.c.keywords, name))


def _has_text(connection: Connection, words: str) -> ColumnElement[bool]:
    tokens = indexed_text(words, function_words=True)
    has_words = sql_of(connection).holds_words(found_text_index_table.c.tokens, tokens)
    found = select(found_text_index_table.c.rowid).where(has_words)
    return photo_table.c.id.in_(found)


def _is_favourite() -> ColumnElement[bool]:
    favourite = exists().where(annotation_table.c.photo_id == photo_table.c.id, annotation_table.c.favourite)
    return favourite.correlate(photo_table)
