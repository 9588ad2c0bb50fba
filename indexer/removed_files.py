"""Files that have gone, and the photos they held: a file written in the place of one soon after is its heir.

Some editors rename a photo away and write the new one seconds later. A run in between sees the photo go.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from indexer.folders import Part
from indexer.library.catalog import folder_table, location_table, query_chunks, removed_file_table

REPLACED_WITHIN_S = 120
"""A file that comes later into the place of one that has gone has nothing to do with it."""
_REMEMBERED_S = 7 * 24 * 3600
"""When the new file came is asked of the file itself; so long may it be until a run asks."""


def remember_removed_files(connection: Connection, files: Sequence[tuple[int, str]]) -> None:
    """Remember which photos these files (folder id, path) hold, which are to be taken out of the catalog."""
    columns, now = removed_file_table.c, round(time.time())
    connection.execute(delete(removed_file_table).where(columns.gone_at < now - _REMEMBERED_S))
    by_folder = defaultdict[int, list[str]](list)
    for folder_id, path in files:
        by_folder[folder_id].append(path)
    held = func.coalesce(location_table.c.photo_id, location_table.c.previous_photo_id)
    rows = [
        {"folder_id": folder_id, "path": path, "photo_id": photo_id, "gone_at": now}
        for folder_id, paths in by_folder.items()
        for part in query_chunks(paths)
        for path, photo_id in connection.execute(
            select(location_table.c.path, held).where(
                location_table.c.folder_id == folder_id, location_table.c.path.in_(part), held.is_not(None)
            )
        )
    ]
    if rows:
        before = delete(removed_file_table).where(columns.folder_id == bindparam("in_folder"))
        connection.execute(
            before.where(columns.path == bindparam("at_path")),
            [{"in_folder": row["folder_id"], "at_path": row["path"]} for row in rows],
        )
        connection.execute(insert(removed_file_table), rows)


def replaced_photos(connection: Connection, part: Part, new: Collection[str]) -> dict[str, int]:
    """Of the new files (paths in the part's folder), those that are heirs, with the id of the photo before them."""
    columns = removed_file_table.c
    rows = connection.execute(
        select(columns.path, columns.photo_id, columns.gone_at).where(columns.folder_id == part.folder_id)
    ).all()
    return {
        path: photo_id
        for path, photo_id, gone_at in rows
        if path in new
        and _came_by(part.folder / path, gone_at + REPLACED_WITHIN_S)
        and not _moved_away(connection, part.folder / path, photo_id)
    }


def _came_by(path: Path, latest: float) -> bool:
    """Whether the file has been there since `latest`, whatever time of writing it shows."""
    try:
        return path.stat().st_ctime <= latest
    except OSError:
        return False


def _moved_away(connection: Connection, path: Path, photo_id: int) -> bool:
    """Whether the photo lies elsewhere now, and not just under the name of a backup beside its heir."""
    places = connection.execute(
        select(folder_table.c.path, location_table.c.path)
        .join_from(location_table, folder_table)
        .where(location_table.c.photo_id == photo_id)
    )
    others = [Path(os.path.join(folder, name)) for folder, name in places]  # noqa: PTH118  (str stays str)
    return any(other.parent != path.parent or path.stem not in other.name for other in others)
