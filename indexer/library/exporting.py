"""Everything a library knows of its photos, for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import RowMapping, select

from indexer.library.catalog import annotation_table, photo_table
from indexer.library.library import Library
from indexer.metadata.dates import iso_date

_PHOTOS_AT_ONCE = 1000
FIELDS = (
    "paths", "digest", "size", "width", "height", "taken", "taken_source", "camera", "lens", "latitude", "longitude",
    "orientation", "title", "description", "keywords", "author", "note", "caption", "tags",
)  # fmt: skip
"""What each photo has, in that order."""


def exported_photos(library: Library) -> Iterator[dict[str, Any]]:
    """The photos that have a location, or have had one and are written about, in order of id; see `FIELDS`.

    `taken` is ISO 8601, on the clock of the place where known, no more exact than it is known: `1950`, `1950-07`;
    `digest` BLAKE2b-128 of the file in hexadecimal.
    """
    photos = (
        select(photo_table, annotation_table.c.caption, annotation_table.c.tags)
        .outerjoin(annotation_table, annotation_table.c.photo_id == photo_table.c.id)
        .order_by(photo_table.c.id)
        .limit(_PHOTOS_AT_ONCE)
    )
    last = 0
    while True:
        with library.catalog.connect() as connection:
            rows = connection.execute(photos.where(photo_table.c.id > last)).mappings().all()
        if not rows:
            return
        last = rows[-1]["id"]
        paths = library.paths([row["id"] for row in rows])
        for row in rows:
            if row["id"] in paths or row["caption"] or row["tags"]:
                told = {
                    **row,
                    "paths": paths.get(row["id"], []),
                    "digest": row["digest"].hex(),
                    "taken": _taken(row),
                    "tags": row["tags"] or [],
                }
                yield {name: told[name] for name in FIELDS}


def _taken(row: RowMapping) -> str | None:
    if row["taken_at"] is None:
        return None
    return iso_date(row["taken_at"], row["taken_offset"], row["taken_microsecond"], row["taken_precision"])
