"""What was said of a photo goes to the one that replaces it in its file.

That is decided at the end of a run: only then it is known where the old photo lies now. Until then the location of the
new one keeps which photo it replaced, so that a run that is killed leaves it to the next.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection, select, update

from indexer.changes import FileToRead
from indexer.library.annotations import inherit_annotations
from indexer.library.catalog import folder_table, location_table, query_chunks


class Heirs:
    """The photos that may inherit, and those that came to another path in this run."""

    def __init__(self, undecided: Mapping[int, tuple[int, Path]]) -> None:
        """`undecided` are those of an earlier run that was killed: the photo that each replaced, and where."""
        self._replaced = dict(undecided)
        self._arrived = set[int]()

    def add(self, file: FileToRead, photo_id: int, predecessor: int | None) -> None:
        """Add a file that holds a photo now; `predecessor` is the photo that it may inherit from."""
        if photo_id != file.known_photo_id:
            self._arrived.add(photo_id)
        if predecessor is not None:
            self._replaced[photo_id] = (predecessor, Path(file.absolute_path))

    def inherit(self, connection: Connection) -> None:
        """Copy what was said of the old photos, but not of those that only went elsewhere: files that were renamed."""
        predecessors = {
            photo_id: replaced
            for photo_id, (replaced, path) in self._replaced.items()
            if replaced not in self._arrived or not was_moved(connection, path, replaced)
        }
        inherit_annotations(connection, predecessors)
        decided = update(location_table).values(previous_photo_id=None)
        for chunk in query_chunks(list(self._replaced)):
            connection.execute(decided.where(location_table.c.photo_id.in_(chunk)))


def was_moved(connection: Connection, path: Path, photo_id: int) -> bool:
    """Whether the photo that was at `path` has another location now, other than a backup beside the new file."""
    locations = connection.execute(
        select(folder_table.c.path, location_table.c.path)
        .join_from(location_table, folder_table)
        .where(location_table.c.photo_id == photo_id)
    )
    others = [Path(os.path.join(folder, name)) for folder, name in locations]  # noqa: PTH118  (str stays str)
    return any(other.parent != path.parent or path.stem not in other.name for other in others)
