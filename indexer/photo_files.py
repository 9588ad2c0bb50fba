"""The files of photos as they lie on the disk now. Several paths may lead to one file: they are not copies of it."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sqlalchemy import select

from indexer.folders import Part
from indexer.library.catalog import folder_table, location_table, photo_table, query_chunks
from indexer.library.database import Database
from indexer.library.file_state import FileState
from indexer.scanning import identity

State = Literal["here", "changed", "offline", "gone"]


@dataclass(frozen=True)
class PhotoFile:
    """A file that holds a photo."""

    path: str
    """Absolute. Of several paths one that is no link, where one is known."""
    state: State
    """`here`; `changed` since it was indexed, so that it may hold something else; `offline`: it cannot be looked at
    now; or `gone`."""
    links: list[str] = field(default_factory=list)
    """Other paths that are known of the same file: hard links, links to it, and paths through linked folders."""


def files_of(catalog: Database, photo_ids: Sequence[int]) -> dict[int, list[PhotoFile]]:
    """The files of each of these photos that has any."""
    query = (
        select(
            photo_table.c.id,
            folder_table.c.id,
            folder_table.c.path,
            folder_table.c.mount_point,
            location_table.c.path,
            location_table.c.mtime_ns,
            location_table.c.size,
        )
        .select_from(photo_table)
        .join(location_table)
        .join(folder_table)
        .order_by(folder_table.c.path, location_table.c.path)
    )
    is_away = functools.cache(lambda folder: folder.why_offline() is not None)
    found: dict[int, dict[object, PhotoFile]] = {}
    with catalog.connect() as connection:
        for part in query_chunks(photo_ids):
            for photo_id, folder_id, folder, mount, name, mtime_ns, size in connection.execute(
                query.where(photo_table.c.id.in_(part))
            ):
                path = os.path.join(folder, name)  # noqa: PTH118  (str stays str)
                away = is_away(Part(folder_id, Path(folder), "", Path(mount)))
                state, same = ("offline", path) if away else _look(path, FileState(mtime_ns, size))
                files = found.setdefault(photo_id, {})
                files[same] = _joined(files[same], path) if same in files else PhotoFile(path, state)
    return {photo_id: list(files.values()) for photo_id, files in found.items()}


def _look(path: str, known: FileState) -> tuple[State, object]:
    """The state of the file at `path`, and what is the same for all paths that lead to it."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        # What a dead link leads to may lie on a disk that is away.
        return ("offline" if os.path.lexists(path) else "gone"), path
    except OSError:
        return "offline", path
    # Some file systems number no files.
    same = identity(status) if status.st_ino else os.path.realpath(path)
    is_same = stat.S_ISREG(status.st_mode) and FileState.of(status) == known
    return ("here" if is_same else "changed"), same


def _joined(file: PhotoFile, path: str) -> PhotoFile:
    """The file, to which `path` leads too."""
    paths = sorted([file.path, *file.links, path], key=lambda path: (os.path.realpath(path) != path, path))
    return PhotoFile(paths[0], file.state, paths[1:])
