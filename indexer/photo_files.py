"""The files of photos as they are on disk now. Several paths may lead to one file: those are not copies of it."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sqlalchemy import select

from indexer.folders import FolderPart
from indexer.library.catalog import folder_table, location_table, photo_table, query_chunks
from indexer.library.database import Database
from indexer.library.file_state import FileState
from indexer.scanning import file_id

State = Literal["here", "changed", "offline", "gone"]


@dataclass(frozen=True)
class PhotoFile:
    """A file that holds a photo."""

    path: str
    """Absolute. Of several paths to the file, one that is not a link, if there is one."""
    state: State
    """`here`; `changed` since it was indexed, so that it may hold another photo; `offline`: it cannot be reached now;
    or `gone`."""
    indexed: FileState
    """The state of the file when it was indexed."""
    links: list[str] = field(default_factory=list)
    """Other known paths to the same file: hard links, symbolic links, and paths through linked folders."""


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
    is_offline = functools.cache(lambda folder: folder.why_offline() is not None)
    files_of_photo: dict[int, dict[object, PhotoFile]] = {}
    with catalog.connect() as connection:
        for chunk in query_chunks(photo_ids):
            for photo_id, folder_id, folder, mount, name, mtime_ns, size in connection.execute(
                query.where(photo_table.c.id.in_(chunk))
            ):
                path = os.path.join(folder, name)  # noqa: PTH118  (keeps paths that are not valid text)
                offline = is_offline(FolderPart(folder_id, Path(folder), "", Path(mount)))
                indexed = FileState(mtime_ns, size)
                state, key = ("offline", path) if offline else _state_of(path, indexed)
                files = files_of_photo.setdefault(photo_id, {})
                files[key] = _with_link(files[key], path) if key in files else PhotoFile(path, state, indexed)
    return {photo_id: list(files.values()) for photo_id, files in files_of_photo.items()}


def _state_of(path: str, known: FileState) -> tuple[State, object]:
    """The state of the file at `path`, and a key that is the same for all paths to it."""
    try:
        status = os.stat(path)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        # The target of a dead link may be on an offline disk.
        return ("offline" if os.path.lexists(path) else "gone"), path
    except OSError:
        return "offline", path
    # Some file systems have no inode numbers.
    key = file_id(status) if status.st_ino else os.path.realpath(path)
    is_unchanged = stat.S_ISREG(status.st_mode) and FileState.of(status) == known
    return ("here" if is_unchanged else "changed"), key


def _with_link(file: PhotoFile, path: str) -> PhotoFile:
    """The file with one more path to it."""
    paths = sorted([file.path, *file.links, path], key=lambda path: (os.path.realpath(path) != path, path))
    return PhotoFile(paths[0], file.state, file.indexed, paths[1:])
