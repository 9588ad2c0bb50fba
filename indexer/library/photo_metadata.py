"""Settle what is known of photos: from their bytes, from the XMP files beside them, from the names and times of files.

A photo is known by its bytes, while names, times and XMP files belong to its locations. Of several locations the oldest
file goes first. All of it is in the catalog, so the outcome does not depend on the order in which files were read.
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
from indexer.metadata.dates import date_in_name, date_of_file
from indexer.metadata.fields import METADATA_FIELDS, Metadata

GUESSED_DATE_SOURCES = ("name", "file")
"""The sources of a date that is guessed, not read from the file."""


def update_photo_metadata(connection: Connection, photo_ids: Collection[int]) -> None:
    """Bring the metadata and the words of these photos in step with their bytes and locations.

    A photo without a location stays as it is.
    """
    now = time.time()
    for part in query_chunks(sorted(set(photo_ids))):
        changed = list(_changed(connection, part, now))
        if changed:
            query = update(photo_table).where(photo_table.c.id == bindparam("settled_id"))
            connection.execute(query, changed)
        update_text_index(connection, part)


def nonempty_fields(metadata: Metadata) -> dict[str, Any]:
    """The fields that tell something."""
    return {name: value for name, value in asdict(metadata).items() if value not in (None, [])}


def _changed(connection: Connection, photo_ids: Sequence[int], now: float) -> Iterator[dict[str, Any]]:
    location = location_table.c
    files: dict[int, list[Any]] = defaultdict(list)
    for file in connection.execute(
        select(location.photo_id, location.path, location.mtime_ns, location.sidecar)
        .where(location.photo_id.in_(photo_ids))
        .order_by(location.mtime_ns, location.path, location.folder_id)
    ):
        files[file.photo_id].append(file)
    columns = select(photo_table.c.id, photo_table.c.own, *(photo_table.c[name] for name in METADATA_FIELDS))
    for row in connection.execute(columns.where(photo_table.c.id.in_(list(files)))).mappings():
        places = files[row["id"]]
        told = {name: row[name] for name in METADATA_FIELDS}
        own = _metadata(told if row["own"] is None else row["own"])
        if own.taken_source in GUESSED_DATE_SOURCES:
            own = own.without_date()
        beside = [_metadata(place.sidecar) for place in places if place.sidecar]
        settled = reduce(Metadata.completed_by, [*beside, own])
        if settled.taken_at is None:
            settled = _with_guessed_date(settled, places, now)
        values = {**asdict(settled), "own": nonempty_fields(own) if beside else None}
        if values != {**told, "own": row["own"]}:
            yield {"settled_id": row["id"], **values}


def _metadata(told: dict[str, Any]) -> Metadata:
    return Metadata(**{name: told[name] for name in METADATA_FIELDS if name in told})


def _with_guessed_date(metadata: Metadata, places: Sequence[Any], now: float) -> Metadata:
    named = (date_in_name(PurePath(place.path).name, now=now) for place in places)
    written = (date_of_file(place.mtime_ns, now=now) for place in places)
    guessed = metadata.with_date(next(filter(None, named), None), "name")
    return metadata.with_date(next(filter(None, written), None), "file") if guessed.taken_at is None else guessed
