"""Export everything that a library knows of its photos, for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from indexer.library.catalog import annotation_table, photo_table
from indexer.library.library import Library
from indexer.library.not_shown import read_not_shown
from indexer.metadata.fields import DATE_FIELDS, METADATA_FIELDS, Metadata

_PHOTOS_AT_ONCE = 1000
FIELDS = (
    *("paths", "digest", "size", "width", "height", "taken", "taken_source"),
    *(name for name in METADATA_FIELDS if name not in DATE_FIELDS),
    *("city", "region", "country", "note", "caption", "tags", "favourite", "not_shown"),
)
"""The fields of each exported photo, in that order."""


def exported_photos(library: Library) -> Iterator[dict[str, Any]]:
    """The photos that have a location or an annotation, ordered by id, each with the `FIELDS`.

    `not_shown` names the taught words that the photo does not show, as people said: that too is one.
    `taken` is ISO 8601, see `Metadata.taken_iso`. `digest` is BLAKE2b-128 of the file in hexadecimal.
    """
    photos = (
        select(photo_table, annotation_table.c.caption, annotation_table.c.tags, annotation_table.c.favourite)
        .outerjoin(annotation_table, annotation_table.c.photo_id == photo_table.c.id)
        .order_by(photo_table.c.id)
        .limit(_PHOTOS_AT_ONCE)
    )
    last = 0
    while True:
        with library.catalog.connect() as connection:
            rows = connection.execute(photos.where(photo_table.c.id > last)).mappings().all()
            not_shown = read_not_shown(connection, [row["id"] for row in rows])
        if not rows:
            return
        last = rows[-1]["id"]
        paths = library.paths([row["id"] for row in rows])
        for row in rows:
            words = list(not_shown.get(row["id"], {}).values())
            if row["id"] in paths or row["caption"] or row["tags"] or row["favourite"] or words:
                metadata = Metadata(**{name: row[name] for name in METADATA_FIELDS})
                fields = {
                    **row,
                    "paths": paths.get(row["id"], []),
                    "digest": row["digest"].hex(),
                    "taken": metadata.taken_iso(),
                    "tags": row["tags"] or [],
                    "favourite": bool(row["favourite"]),
                    "not_shown": words,
                }
                yield {name: fields[name] for name in FIELDS}
