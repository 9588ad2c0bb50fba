"""What is in a library at a glance: the newest photos, and years and folders, each with a photo for its cover."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select

from indexer.library.catalog import annotation_table, encoded_table, folder_table, location_table, photo_table
from indexer.library.database import Database
from indexer.library.days import date_of_day, number_of_day
from indexer.library.filters import clock
from indexer.library.sql import sql_of

_NEWEST_FIRST = (
    clock.desc().nulls_last(),
    photo_table.c.taken_microsecond.desc().nulls_last(),
    photo_table.c.id.desc(),
)


@dataclass(frozen=True)
class Group:
    """Photos that belong together."""

    name: str
    """A year, or the absolute path of a folder."""
    photos: int
    """How many there are; of a folder, how many files, those in folders inside it included."""
    cover: int
    """The id of one of them."""


@dataclass(frozen=True)
class Overview:
    """What is in a library at a glance."""

    newest: list[int]
    """Ids of the photos that were taken last, the newest first; those without a date come last."""
    years: list[Group]
    """The latest first. The cover is of the day with the most photos."""
    folders: list[Group]
    """The indexed folders; in place of a single one, the folders in it. By path."""


def read_favourites(catalog: Database, generation: str, count: int) -> list[int]:
    """Ids of the `count` favourites that were taken last, the newest first."""
    favourites = select(photo_table.c.id).join(annotation_table).where(annotation_table.c.favourite)
    with catalog.connect() as connection:
        visible = favourites.where(*_is_visible(generation))
        return list(connection.execute(visible.order_by(*_NEWEST_FIRST).limit(count)).scalars())


def read_overview(catalog: Database, generation: str, newest: int) -> Overview:
    """The overview of the photos that this generation has encoded, with the `newest` newest ones."""
    is_encoded, has_file = _is_visible(generation)
    count, cover = func.count(), func.max(photo_table.c.id)
    with catalog.connect() as connection:
        directory = sql_of(connection).directory_of(location_table.c.path).label("directory")
        ids = connection.execute(
            select(photo_table.c.id).where(is_encoded, has_file).order_by(*_NEWEST_FIRST).limit(newest)
        )
        newest_ids = list(ids.scalars())
        days = connection.execute(
            select(number_of_day, count, cover)
            .where(clock.is_not(None), is_encoded, has_file)
            .group_by(number_of_day.name)
        ).all()
        directories = connection.execute(
            select(folder_table.c.path, directory, count, cover)
            .select_from(location_table)
            .join(folder_table)
            .join(photo_table)
            .where(is_encoded)
            .group_by(folder_table.c.path, directory.name)
        ).all()
    return Overview(newest_ids, _years(days), _folders(directories))


def _is_visible(generation: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Whether a photo is encoded, and whether it has a file."""
    is_encoded = exists().where(encoded_table.c.generation == generation, encoded_table.c.photo_id == photo_table.c.id)
    return is_encoded, exists().where(location_table.c.photo_id == photo_table.c.id)


def _years(days: Sequence[Any]) -> list[Group]:
    """The years, of (day, photos, cover)."""
    years: dict[int, list[tuple[int, int]]] = {}
    for number, photos, cover in days:
        years.setdefault(date_of_day(number).year, []).append((photos, cover))
    return [
        Group(str(year), sum(photos for photos, _ in of_year), max(of_year)[1])
        for year, of_year in sorted(years.items(), reverse=True)
    ]


def _folders(directories: Sequence[Any]) -> list[Group]:
    """The folders to begin with, of (indexed folder, folder below it, files in that very folder, cover)."""
    inside: dict[PurePath, list[tuple[PurePath, int, int]]] = {}
    for root, below, files, cover in directories:
        inside.setdefault(PurePath(root), []).append((PurePath(root, os.fsdecode(below)), files, cover))
    while len(inside) == 1:
        ((parent, rows),) = inside.items()
        children: dict[PurePath, list[tuple[PurePath, int, int]]] = {}
        for path, files, cover in rows:
            child = path if path == parent else parent / path.relative_to(parent).parts[0]
            children.setdefault(child, []).append((path, files, cover))
        children.pop(parent, None)  # files that lie beside the folders
        if not children:
            break
        inside = children
    return [
        Group(str(path), sum(files for _, files, _ in rows), max((files, cover) for _, files, cover in rows)[1])
        for path, rows in sorted(inside.items())
    ]
