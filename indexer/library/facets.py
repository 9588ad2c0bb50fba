"""How many photos there are of each month, camera, folder and place: the values to filter by."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePath
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Integer, Select, cast, exists, func, select

from indexer.library.catalog import encoded_table, folder_table, location_table, photo_table, query_chunks
from indexer.library.database import Database
from indexer.library.filters import Circle, Filters, clock, conditions, kilometres, matching_photos
from indexer.library.sqlite import directory_of

_DAY_S = 86400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_DAY = 200_000  # days before 1970: integer division in SQL rounds towards zero, so days are made positive
_CELLS_PER_DEGREE = 10
_MAX_PLACES = 100
PLACE_KM = 20.0
"""Photos within this distance of a cluster's centre belong to its place."""


@dataclass(frozen=True)
class Place:
    """A place where photos were taken."""

    latitude: float
    """Degrees."""
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
    """Most photos first; at most a hundred."""


def read_facets(catalog: Database, generation: str, filters: Filters) -> Facets:
    """The facets of the photos encoded in this generation for which `filters` hold.

    Each facet ignores its own filter, so that another value can be chosen.
    """
    count = func.count()
    day = cast(clock + _EARLIEST_DAY * _DAY_S, Integer) // _DAY_S
    cell = [
        cast((degrees + 360) * _CELLS_PER_DEGREE, Integer)
        for degrees in (photo_table.c.latitude, photo_table.c.longitude)
    ]
    directory = directory_of(location_table.c.path)
    months, cameras, folders = Counter[str](), Counter[str](), Counter[str]()
    with catalog.connect() as connection:

        def rows(
            query: Select[*tuple[Any, ...]], allowed: Filters, photo_id: ColumnElement[Any] | None = None
        ) -> Iterator[Any]:
            for condition in _conditions(catalog, generation, allowed):
                photos = select(photo_table.c.id).where(*condition)
                restriction = condition if photo_id is None else [photo_id.in_(photos)]
                yield from connection.execute(query.where(*restriction))

        for number, photos in rows(
            select(day, count).where(clock.is_not(None)).group_by(day), replace(filters, after=(), before=(), taken=())
        ):
            months[(_EPOCH + timedelta(days=number - _EARLIEST_DAY)).strftime("%Y-%m")] += photos
        camera = photo_table.c.camera
        for name, photos in rows(
            select(camera, count).where(camera.is_not(None)).group_by(camera), replace(filters, camera=())
        ):
            cameras[name] += photos
        files = select(folder_table.c.path, directory, count).join_from(location_table, folder_table)
        for folder, below, number in rows(
            files.group_by(folder_table.c.path, directory), replace(filters, folder=()), location_table.c.photo_id
        ):
            root = PurePath(folder)
            inner = root / os.fsdecode(below)
            for path in (inner, *inner.parents):
                folders[str(path)] += number
                if path == root:
                    break
        where = select(func.avg(photo_table.c.latitude), func.avg(photo_table.c.longitude), count)
        placed = where.where(photo_table.c.latitude.is_not(None)).group_by(*cell)
        cells = [Place(*row) for row in rows(placed, replace(filters, near=()))]
    return Facets(
        dict(sorted(months.items())),
        dict(cameras.most_common()),
        dict(folders.most_common()),
        _clustered(cells),
    )


def filter_values(catalog: Database, name: str) -> list[str]:
    """The cameras, lenses or folders that the filter `name` compares with; empty for other filters."""
    with catalog.connect() as connection:
        if name == "folder":
            files = select(folder_table.c.path, directory_of(location_table.c.path)).join_from(
                location_table, folder_table
            )
            return [str(PurePath(folder, os.fsdecode(below))) for folder, below in connection.execute(files.distinct())]
        if name in ("camera", "lens"):
            column = photo_table.c[name]
            return [value for value in connection.execute(select(column).distinct()).scalars() if value]
    return []


def _clustered(cells: list[Place]) -> list[Place]:
    """Cluster the cells into places, most photos first: around the fullest cell, then the fullest of the rest."""
    cells = sorted(cells, key=lambda cell: -cell.photos)
    positions = np.array([(cell.latitude, cell.longitude) for cell in cells], dtype=np.float64).reshape(-1, 2)
    photos = np.array([cell.photos for cell in cells], dtype=np.int64)
    free = np.ones(len(cells), dtype=np.bool_)
    places: list[Place] = []
    for row, cell in enumerate(cells):
        if free[row] and len(places) < _MAX_PLACES:
            near = free & (kilometres(positions, Circle(cell.latitude, cell.longitude, PLACE_KM)) <= PLACE_KM)
            near[row] = True
            places.append(Place(round(cell.latitude, 3), round(cell.longitude, 3), int(photos[near].sum())))
            free &= ~near
    return sorted(places, key=lambda place: -place.photos)


def _conditions(catalog: Database, generation: str, filters: Filters) -> Iterator[list[ColumnElement[bool]]]:
    """Lists of SQL conditions. Each photo for which `filters` hold meets exactly one of them."""
    is_encoded = exists().where(encoded_table.c.generation == generation, encoded_table.c.photo_id == photo_table.c.id)
    if not filters.near:
        yield [*conditions(filters), is_encoded]
        return
    for chunk in query_chunks(matching_photos(catalog, filters).tolist()):  # distances are not computed in SQL
        yield [photo_table.c.id.in_(chunk), is_encoded]
