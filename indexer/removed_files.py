"""Remember removed files and their photos. A file written in the place of one soon after replaces its photo.

Some editors rename a photo and write the new version seconds later. A run in between finds the photo removed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from indexer.folders import FolderPart
from indexer.inheritance import was_moved
from indexer.library.catalog import location_table, query_chunks, removed_file_table

REPLACED_WITHIN_S = 120
"""A file that appears later in the place of a removed one is a different photo."""
_REMEMBERED_S = 7 * 24 * 3600
"""The next run may come so much later: the time at which the new file appeared is read from the file itself."""


def remember_removed_files(connection: Connection, files: Sequence[tuple[int, str]]) -> None:
    """Remember the photos of these files (folder id, path), before the files are removed from the catalog."""
    columns, now = removed_file_table.c, round(time.time())
    connection.execute(delete(removed_file_table).where(columns.gone_at < now - _REMEMBERED_S))
    by_folder = defaultdict[int, list[str]](list)
    for folder_id, path in files:
        by_folder[folder_id].append(path)
    photo_id_of = func.coalesce(location_table.c.photo_id, location_table.c.previous_photo_id)
    rows = [
        {"folder_id": folder_id, "path": path, "photo_id": photo_id, "gone_at": now}
        for folder_id, paths in by_folder.items()
        for chunk in query_chunks(paths)
        for path, photo_id in connection.execute(
            select(location_table.c.path, photo_id_of).where(
                location_table.c.folder_id == folder_id, location_table.c.path.in_(chunk), photo_id_of.is_not(None)
            )
        )
    ]
    if rows:
        earlier = delete(removed_file_table).where(columns.folder_id == bindparam("in_folder"))
        connection.execute(
            earlier.where(columns.path == bindparam("at_path")),
            [{"in_folder": row["folder_id"], "at_path": row["path"]} for row in rows],
        )
        connection.execute(insert(removed_file_table), rows)


def replaced_photos(connection: Connection, part: FolderPart, new: Collection[str]) -> dict[str, int]:
    """Of the new files (paths in the part's folder), those that replace a removed photo, with its id."""
    columns = removed_file_table.c
    rows = connection.execute(
        select(columns.path, columns.photo_id, columns.gone_at).where(columns.folder_id == part.folder_id)
    ).all()
    return {
        path: photo_id
        for path, photo_id, gone_at in rows
        if path in new
        and _existed_at(part.folder / path, gone_at + REPLACED_WITHIN_S)
        and not was_moved(connection, part.folder / path, photo_id)
    }


def _existed_at(path: Path, latest: float) -> bool:
    """Whether the file existed at the time `latest`, by the time of change of its inode."""
    try:
        return path.stat().st_ctime <= latest
    except OSError:
        return False
