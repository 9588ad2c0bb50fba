"""The folders of a library: they are named once and stored in the catalog."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection, delete, insert, select, update

from indexer.library.catalog import folder_table, location_table
from indexer.library.errors import FolderMissing, PatternRefused, reason
from indexer.library.paths import mount_point, normalized
from indexer.selection import Selection, checked_patterns, relocated_patterns


@dataclass(frozen=True)
class FolderPart:
    """A known folder, or a subfolder of one, that is to be indexed."""

    folder_id: int
    folder: Path
    subfolder: str
    """Relative path of the subfolder; empty for the whole folder."""
    mount_point: Path
    """Where the folder's disk was mounted when last read."""
    exclude: Sequence[str] = ()
    """Patterns of what is excluded from the folder."""
    include: Sequence[str] = ()
    """Patterns of what is included nevertheless."""

    def contains(self, path: str) -> bool:
        """Whether the file at `path`, relative to the folder, is inside the part."""
        return not self.subfolder or Path(path).is_relative_to(self.subfolder)

    def selection(self, excluded_everywhere: Sequence[str]) -> Selection:
        """The selection of files in the folder. `excluded_everywhere` are the patterns of the library's settings."""
        return Selection(self.folder, (*excluded_everywhere, *self.exclude), self.include)

    @property
    def path(self) -> Path:
        """Absolute path of the part."""
        return self.folder / self.subfolder

    def why_offline(self) -> str | None:
        """Why the folder cannot be reached; None if it can. The subfolder may still be unreadable.

        If its disk is not mounted, the empty mount point is not taken for the folder.
        """
        if not os.path.ismount(self.mount_point):
            return f"no disk is mounted at {self.mount_point}"
        return why_unreadable(self.folder)


def why_unreadable(folder: Path) -> str | None:
    """Why `folder` cannot be listed; None if it can."""
    try:
        with os.scandir(folder):
            return None
    except OSError as error:
        return reason(error)


def parts_to_index(connection: Connection, requested: Sequence[Path]) -> tuple[list[FolderPart], dict[Path, str]]:
    """Add the requested folders; return the parts to index, and the new folders that cannot be read with the reason.

    If no folder is requested, all known folders are indexed. A folder inside a known one is a part of that one; known
    folders inside a requested one become part of it. Raises FolderMissing if an unknown folder does not exist or is not
    a folder.
    """
    known = known_folders(connection)
    folders, unreadable = [], {}
    for folder in [normalized(folder) for folder in requested]:
        root = next((part for path, part in known.items() if folder.is_relative_to(path)), None)
        may_be_offline = root is not None and (root.folder == folder or root.why_offline() is not None)
        problem = None if may_be_offline else _why_not_indexed(folder)
        if problem is None:
            folders.append(folder)
        else:
            unreadable[folder] = problem
    for folder in folders:
        if not any(folder.is_relative_to(path) for path in known):
            _add(connection, folder)
            known = known_folders(connection)
    parts = []
    for folder in folders if requested else known:
        root = known[next(path for path in known if folder.is_relative_to(path))]
        subfolder = "" if folder == root.folder else str(folder.relative_to(root.folder))
        parts.append(replace(root, subfolder=subfolder))
    return [
        part
        for index, part in enumerate(parts)
        if part not in parts[:index] and not any(_contains(other, part) for other in parts)
    ], unreadable


def _why_not_indexed(folder: Path) -> str | None:
    """Why an existing folder cannot be read; None if it can. Raises FolderMissing."""
    try:
        is_folder = stat.S_ISDIR(folder.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FolderMissing(f"{folder} does not exist. Name a folder that holds photos.") from error
    except OSError as error:
        return reason(error)
    if not is_folder:
        raise FolderMissing(f"{folder} is not a folder. Name a folder that holds photos.")
    return why_unreadable(folder)


def store_patterns(
    connection: Connection, parts: Sequence[FolderPart], exclude: Sequence[str] | None, include: Sequence[str] | None
) -> list[FolderPart]:
    """Store the patterns of these folders and return the folders with them; None keeps the stored patterns.

    Raises PatternRefused.
    """
    changed = []
    for part in parts:
        if part.subfolder:
            raise PatternRefused(f"{part.path} is a part of {part.folder}: say what to leave out with that folder.")
        excluded = part.exclude if exclude is None else checked_patterns(exclude, part.folder)
        included = part.include if include is None else checked_patterns(include, part.folder)
        row = update(folder_table).where(folder_table.c.id == part.folder_id)
        connection.execute(row.values(exclude=list(excluded), include=list(included)))
        changed.append(replace(part, exclude=excluded, include=included))
    return changed


def set_online(connection: Connection, part: FolderPart, online: bool) -> None:
    """Store whether the folder could be reached."""
    row = update(folder_table).where(folder_table.c.id == part.folder_id).values(online=online)
    connection.execute(row.values(mount_point=str(mount_point(part.folder))) if online else row)


def known_folders(connection: Connection) -> dict[Path, FolderPart]:
    """Every folder of the library, by its absolute path."""
    columns = folder_table.c
    rows = connection.execute(
        select(columns.id, columns.path, columns.mount_point, columns.exclude, columns.include).order_by(columns.id)
    )
    return {
        Path(path): FolderPart(folder_id, Path(path), "", Path(mount), tuple(exclude), tuple(include))
        for folder_id, path, mount, exclude, include in rows
    }


def _contains(outer: FolderPart, inner: FolderPart) -> bool:
    return outer != inner and outer.folder_id == inner.folder_id and outer.contains(inner.subfolder)


def _add(connection: Connection, folder: Path) -> None:
    """Add a folder. The locations and patterns of known folders inside it are moved to it."""
    inside = [part for path, part in known_folders(connection).items() if path.is_relative_to(folder)]
    connection.execute(insert(folder_table).values(path=str(folder), mount_point=str(mount_point(folder)), online=True))
    folder_id = known_folders(connection)[folder].folder_id
    exclude, include = [], []
    for part in inside:
        subfolder = str(part.folder.relative_to(folder))
        exclude += relocated_patterns(part.exclude, subfolder)
        include += relocated_patterns(part.include, subfolder)
        locations = select(location_table).where(location_table.c.folder_id == part.folder_id)
        moved = [
            {**row, "folder_id": folder_id, "path": str(part.folder.relative_to(folder) / row["path"])}
            for row in connection.execute(locations).mappings()
        ]
        if moved:
            connection.execute(insert(location_table), moved)
        connection.execute(delete(location_table).where(location_table.c.folder_id == part.folder_id))
        connection.execute(delete(folder_table).where(folder_table.c.id == part.folder_id))
    patterns = update(folder_table).where(folder_table.c.id == folder_id)
    connection.execute(patterns.values(exclude=exclude, include=include))
