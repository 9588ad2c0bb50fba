"""Which photos may be found, by what the catalog knows of them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import islice
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, and_, func, or_, select

from indexer.library.catalog import folder_table, location_table, photo_table
from indexer.library.database import Database
from indexer.library.sqlite import ends_with, folded, folder_in, path_in, position
from indexer.library.text_analysis import fold, fold_path

_EARTH_RADIUS_KM = 6371.0


@dataclass(frozen=True)
class Circle:
    """All places within a distance."""

    latitude: float
    """Degrees north."""
    longitude: float
    """Degrees east."""
    kilometres: float


@dataclass(frozen=True)
class Filters:
    """What must hold of a photo to be found.

    All filters must hold. Of several values of one filter any will do, but for `after` and `before`.

    Times are seconds since 1970 on the clock of the place where the photo was taken: the date a person remembers.
    """

    after: tuple[int, ...] = ()
    """Taken then or later."""
    before: tuple[int, ...] = ()
    """Taken earlier than that."""
    taken: tuple[tuple[int, int], ...] = ()
    """Taken in the time from the first number to just before the second."""
    camera: tuple[str, ...] = ()
    """A part of the camera's name, compared folded; so with lens."""
    lens: tuple[str, ...] = ()
    folder: tuple[str, ...] = ()
    """An absolute path, or the name of a folder anywhere (`2021/june`: one in the other), compared folded."""
    near: tuple[Circle, ...] = ()
    type: tuple[tuple[str, ...], ...] = ()
    """Endings of the file's name, in any case; with the dot."""

    def combined(self, other: Self) -> Self:
        """These filters and those of `other`."""
        return type(self)(
            **{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(self)}
        )


NO_FILTERS = Filters()

clock = photo_table.c.taken_at + func.coalesce(photo_table.c.taken_offset, 0)
"""When a photo was taken, in seconds since 1970 on the clock of the place."""


def matching_photos(catalog: Database, filters: Filters) -> NDArray[np.int64]:
    """(N,) ids of the photos with a location for which `filters` hold, rising."""
    query = (
        select(photo_table.c.id, photo_table.c.latitude, photo_table.c.longitude)
        .where(*conditions(filters))
        .order_by(photo_table.c.id)
    )
    with catalog.connect() as connection:
        rows = connection.execute(query).all()
    ids = np.array([row.id for row in rows], dtype=np.int64)
    if not filters.near:
        return ids
    places = np.array([(row.latitude, row.longitude) for row in rows], dtype=np.float64).reshape(-1, 2)
    close = [kilometres(places, circle) <= circle.kilometres for circle in filters.near]
    return ids[np.any(close, axis=0)]


def newest_photos(catalog: Database, photo_ids: NDArray[np.int64], count: int) -> list[int]:
    """The `count` of these photos that were taken last, the latest first, and then those of which no date is known."""
    part_of_a_second = func.coalesce(photo_table.c.taken_microsecond, 0)
    by_date = select(photo_table.c.id).order_by(
        clock.desc().nulls_last(), part_of_a_second.desc(), photo_table.c.id.desc()
    )
    wanted = set(photo_ids.tolist())
    with catalog.connect() as connection:
        found = (photo_id for photo_id in connection.execute(by_date).scalars() if photo_id in wanted)
        return list(islice(found, count))


def conditions(filters: Filters) -> list[ColumnElement[bool]]:
    """What must hold of a row of photos; of `near`, only that it has a place."""
    place = select(location_table).join(folder_table).where(location_table.c.photo_id == photo_table.c.id)
    if filters.folder:
        folder = folder_in(folder_table.c.path, location_table.c.path)
        place = place.where(or_(*(_is_in(folder, name) for name in filters.folder)))
    if filters.type:
        path = path_in(folder_table.c.path, location_table.c.path)
        place = place.where(or_(*(ends_with(path, ending) for endings in filters.type for ending in endings)))
    alternatives: list[list[ColumnElement[bool]]] = [
        *([start <= clock] for start in filters.after),
        *([end > clock] for end in filters.before),
        [and_(start <= clock, end > clock) for start, end in filters.taken],
        [folded(photo_table.c.camera).contains(fold(name), autoescape=True) for name in filters.camera],
        [folded(photo_table.c.lens).contains(fold(name), autoescape=True) for name in filters.lens],
        [photo_table.c.latitude.is_not(None)] if filters.near else [],
    ]
    return [place.correlate(photo_table).exists(), *(or_(*some) for some in alternatives if some)]


def _is_in(folder: ColumnElement[bytes], name: str) -> ColumnElement[bool]:
    begins_at = position(folder, fold_path(name))
    return begins_at == 1 if name.startswith("/") else begins_at > 0


def kilometres(places: NDArray[np.float64], circle: Circle) -> NDArray[np.float64]:
    """Great-circle distances (N,) of places (N, 2) from the centre, on a round earth: half a percent off at most."""
    latitudes, longitudes = np.radians(places.T)
    latitude, longitude = np.radians([circle.latitude, circle.longitude])
    half_chord = (
        np.sin((latitudes - latitude) / 2) ** 2
        + np.cos(latitudes) * np.cos(latitude) * np.sin((longitudes - longitude) / 2) ** 2
    )
    return np.asarray(2 * _EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half_chord, 0, 1))))
