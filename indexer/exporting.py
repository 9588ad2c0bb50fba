"""Everything a library knows of its photos, for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import select

from indexer.catalog import annotation_table, photo_table
from indexer.library import Library

_PHOTOS_AT_ONCE = 1000
FIELDS = (
    "paths", "digest", "size", "width", "height", "taken", "camera", "lens", "latitude", "longitude", "orientation",
    "title", "description", "keywords", "caption", "tags",
)  # fmt: skip
"""What each photo has, in that order."""


def exported_photos(library: Library) -> Iterator[dict[str, Any]]:
    """The photos that have a location, or have had one and are written about, in order of id; see `FIELDS`.

    `taken` is ISO 8601, on the clock of the place where known; `digest` BLAKE2b-128 of the file in hexadecimal.
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
                    "taken": _taken(row["taken_at"], row["taken_offset"]),
                    "tags": row["tags"] or [],
                }
                yield {name: told[name] for name in FIELDS}


def _taken(at: int | None, offset: int | None) -> str | None:
    if at is None:
        return None
    if offset is None:
        return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat()
    return datetime.fromtimestamp(at, timezone(timedelta(seconds=offset))).isoformat()
