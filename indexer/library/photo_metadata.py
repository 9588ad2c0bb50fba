"""Merge the metadata of a photo: from its file, its XMP sidecars, and the names and times of its files.

A photo is identified by its bytes, while names, times and sidecars belong to its locations. The oldest file takes
precedence. All sources are in the catalog, so the result does not depend on the order in which files were read.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict
from functools import reduce
from pathlib import PurePath
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from indexer.library.annotations import update_text_index
from indexer.library.catalog import location_table, photo_table, query_chunks
from indexer.library.gazetteer import places_at
from indexer.metadata.dates import date_in_name, date_of_file
from indexer.metadata.fields import METADATA_FIELDS, Metadata

_PLACE_FIELDS = ("city", "region", "country")
GUESSED_DATE_SOURCES = ("name", "file")
"""The sources of a date that is guessed, not read from the file."""


def update_photo_metadata(connection: Connection, photo_ids: Collection[int]) -> None:
    """Merge the metadata of these photos again, and bring the full-text index up to date for them.

    A photo without a location is not changed.
    """
    now = time.time()
    for chunk in query_chunks(sorted(set(photo_ids))):
        changes = list(_changes(connection, chunk, now))
        if changes:
            query = update(photo_table).where(photo_table.c.id == bindparam("changed_id"))
            connection.execute(query, changes)
        update_text_index(connection, chunk)


def update_places(connection: Connection) -> None:
    """Name the places of all photos anew, by their positions."""
    photo = photo_table.c
    rows = connection.execute(
        select(photo.id, photo.latitude, photo.longitude).where(photo.latitude.is_not(None))
    ).all()
    places = places_at((row.latitude, row.longitude) for row in rows)
    changes = [{"changed_id": row.id, **asdict(place)} for row, place in zip(rows, places, strict=True)]
    if changes:
        connection.execute(update(photo_table).where(photo.id == bindparam("changed_id")), changes)


def nonempty_fields(metadata: Metadata) -> dict[str, Any]:
    """The fields that are known."""
    return {name: value for name, value in asdict(metadata).items() if value not in (None, [])}


def _changes(connection: Connection, photo_ids: Sequence[int], now: float) -> Iterator[dict[str, Any]]:
    """The new values of each photo whose merged metadata differs from the stored one."""
    location = location_table.c
    files: dict[int, list[Any]] = defaultdict(list)
    for file in connection.execute(
        select(location.photo_id, location.path, location.mtime_ns, location.sidecar)
        .where(location.photo_id.in_(photo_ids))
        .order_by(location.mtime_ns, location.path, location.folder_id)
    ):
        files[file.photo_id].append(file)
    stored_names = (*METADATA_FIELDS, *_PLACE_FIELDS)
    columns = select(photo_table.c.id, photo_table.c.own, *(photo_table.c[name] for name in stored_names))
    for row in connection.execute(columns.where(photo_table.c.id.in_(list(files)))).mappings():
        locations = files[row["id"]]
        stored = {name: row[name] for name in stored_names}
        own = _metadata(stored if row["own"] is None else row["own"])
        if own.taken_source in GUESSED_DATE_SOURCES:
            own = own.without_date()
        sidecars = [_metadata(location.sidecar) for location in locations if location.sidecar]
        merged = reduce(Metadata.completed_by, [*sidecars, own])
        if merged.taken_at is None:
            merged = _with_guessed_date(merged, locations, now)
        (place,) = places_at([(merged.latitude, merged.longitude)])
        values = {**asdict(merged), **asdict(place), "own": nonempty_fields(own) if sidecars else None}
        if values != {**stored, "own": row["own"]}:
            yield {"changed_id": row["id"], **values}


def _metadata(values: dict[str, Any]) -> Metadata:
    return Metadata(**{name: values[name] for name in METADATA_FIELDS if name in values})


def _with_guessed_date(metadata: Metadata, locations: Sequence[Any], now: float) -> Metadata:
    by_name = (date_in_name(PurePath(location.path).name, now=now) for location in locations)
    by_mtime = (date_of_file(location.mtime_ns, now=now) for location in locations)
    guessed = metadata.with_date(next(filter(None, by_name), None), "name")
    return metadata.with_date(next(filter(None, by_mtime), None), "file") if guessed.taken_at is None else guessed
