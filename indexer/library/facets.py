"""How many photos there are of each month, camera, folder and place: the values to filter by."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Select, exists, func, select

from indexer.library.catalog import (
    annotation_table,
    encoded_table,
    folder_table,
    location_table,
    photo_table,
    query_chunks,
)
from indexer.library.database import Database
from indexer.library.days import date_of_day, number_of_day
from indexer.library.filters import Filters, clock, conditions, matching_photos
from indexer.library.photo import place_text
from indexer.library.sql import sql_of


@dataclass(frozen=True)
class Place:
    """A place where photos were taken."""

    name: str
    """As `PhotoRecord.place`: `Lisbon, Portugal`."""
    country: str
    latitude: float
    """Degrees; the mean of the photos' positions."""
    longitude: float
    photos: int


@dataclass(frozen=True)
class Facets:
    """Numbers of photos by month, camera, folder and place."""

    months: dict[str, int]
    """By the month in which they were taken, such as `2021-07`; the earliest first."""
    cameras: dict[str, int]
    """By camera; most photos first."""
    folders: dict[str, int]
    """By the absolute path of a folder, including the folders inside it; most first. Files are counted, not photos."""
    places: list[Place]
    """Most photos first."""


def read_facets(catalog: Database, generation: str, filters: Filters, among: NDArray[np.int64] | None = None) -> Facets:
    """The facets of the photos encoded in this generation for which `filters` hold; with `among` (N,), of these ids.

    Each facet ignores its own filter, so that another value can be chosen.
    """
    count = func.count()
    months, cameras, folders = Counter[str](), Counter[str](), Counter[str]()
    with catalog.connect() as connection:
        directory = sql_of(connection).directory_of(location_table.c.path).label("directory")

        def rows(
            query: Select[*tuple[Any, ...]], allowed: Filters, photo_id: ColumnElement[Any] | None = None
        ) -> Iterator[Any]:
            for condition in _conditions(connection, catalog, generation, allowed, among):
                photos = select(photo_table.c.id).where(*condition)
                restriction = condition if photo_id is None else [photo_id.in_(photos)]
                yield from connection.execute(query.where(*restriction))

        dated = select(number_of_day, count).where(clock.is_not(None)).group_by(number_of_day.name)
        for number, photos in rows(dated, replace(filters, after=(), before=(), taken=())):
            months[f"{date_of_day(number):%Y-%m}"] += photos
        camera = photo_table.c.camera
        for name, photos in rows(
            select(camera, count).where(camera.is_not(None)).group_by(camera), replace(filters, camera=())
        ):
            cameras[name] += photos
        files = select(folder_table.c.path, directory, count).join_from(location_table, folder_table)
        for folder, below, number in rows(
            files.group_by(folder_table.c.path, directory.name), replace(filters, folder=()), location_table.c.photo_id
        ):
            root = PurePath(folder)
            inner = root / os.fsdecode(below)
            for path in (inner, *inner.parents):
                folders[str(path)] += number
                if path == root:
                    break
        names = (func.coalesce(photo_table.c.city, photo_table.c.region), photo_table.c.country)
        positions = (func.sum(photo_table.c.latitude), func.sum(photo_table.c.longitude))
        named = select(*names, *positions, count).where(photo_table.c.country.is_not(None)).group_by(*names)
        places = _places(rows(named, replace(filters, near=(), place=())))
    return Facets(
        dict(sorted(months.items())),
        dict(cameras.most_common()),
        dict(folders.most_common()),
        places,
    )


def filter_values(catalog: Database, name: str) -> list[str]:
    """The cameras, lenses, folders, tags or places that the filter `name` compares with; empty for other filters."""
    with catalog.connect() as connection:
        if name == "folder":
            directory = sql_of(connection).directory_of(location_table.c.path)
            files = select(folder_table.c.path, directory).join_from(location_table, folder_table)
            return [str(PurePath(folder, os.fsdecode(below))) for folder, below in connection.execute(files.distinct())]
        if name == "tag":
            tags = [annotation_table.c.tags, photo_table.c.keywords]
            lists = [values for column in tags for values in connection.execute(select(column)).scalars()]
            return sorted({tag for values in lists for tag in values or []})
        names = ("city", "region", "country") if name == "place" else (name,) if name in ("camera", "lens") else ()
        return [
            value
            for column in (photo_table.c[column] for column in names)
            for value in connection.execute(select(column).distinct()).scalars()
            if value
        ]


def _places(rows: Iterable[Any]) -> list[Place]:
    """The places of city, country, sums of latitudes and longitudes, and number of photos; most photos first."""
    sums: dict[tuple[str, str], NDArray[np.float64]] = {}
    for city, country, *numbers in rows:
        name = place_text(city, country) or country
        sums[name, country] = sums.get((name, country), np.zeros(3)) + np.array(numbers, dtype=np.float64)
    places = [
        Place(name, country, round(latitude / photos, 3), round(longitude / photos, 3), int(photos))
        for (name, country), (latitude, longitude, photos) in sums.items()
    ]
    return sorted(places, key=lambda place: (-place.photos, place.name))


def _conditions(
    connection: Connection, catalog: Database, generation: str, filters: Filters, among: NDArray[np.int64] | None
) -> Iterator[list[ColumnElement[bool]]]:
    """Lists of SQL conditions. Each photo of `among` for which `filters` hold meets exactly one of them."""
    is_encoded = exists().where(encoded_table.c.generation == generation, encoded_table.c.photo_id == photo_table.c.id)
    if not filters.near and among is None:
        yield [*conditions(connection, filters), is_encoded]
        return
    photo_ids = among
    if filters.near or photo_ids is None:  # distances are not computed in SQL
        matching = matching_photos(catalog, filters)
        photo_ids = matching if photo_ids is None else np.intersect1d(matching, photo_ids)
    for chunk in query_chunks(photo_ids.tolist()):
        yield [*conditions(connection, filters), photo_table.c.id.in_(chunk), is_encoded]
