"""Forget a folder that the user no longer wants in the library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, func, select

from indexer.library.catalog import folder_table, location_table
from indexer.library.errors import FolderMissing
from indexer.library.library import Library
from indexer.library.paths import normalized
from indexer.library.settling import settle


@dataclass(frozen=True)
class RemovalReport:
    """What was forgotten."""

    folder: str
    files: int
    photos: int
    """Photos that lie nowhere else, and are no longer found."""


def remove_folder(library: Library, folder: Path) -> RemovalReport:
    """Take `folder`, one that was indexed by that name, out of the library; its files are left alone.

    Photos, their encodings and what people wrote about them stay, hidden: indexed again, they are back at once.
    Raises FolderMissing when the library does not know the folder, or only one around it, and LibraryLocked.
    """
    path = normalized(folder)
    with library.writing(), library.catalog.begin() as connection:
        known = {
            Path(name): number for number, name in connection.execute(select(folder_table.c.id, folder_table.c.path))
        }
        if path not in known:
            around = next((one for one in known if path.is_relative_to(one)), None)
            if around is not None:
                raise FolderMissing(f"{path} is a part of {around}, which the library follows. Remove that one.")
            names = ", ".join(map(str, sorted(known))) or "none"
            raise FolderMissing(f"{path} is not a folder of the library. Its folders: {names}")
        visible = select(func.count(location_table.c.photo_id.distinct()))
        before = connection.execute(visible).scalar_one()
        held = select(location_table.c.photo_id).where(
            location_table.c.folder_id == known[path], location_table.c.photo_id.is_not(None)
        )
        photo_ids = set(connection.execute(held).scalars())
        removed = connection.execute(delete(location_table).where(location_table.c.folder_id == known[path]))
        connection.execute(delete(folder_table).where(folder_table.c.id == known[path]))
        settle(connection, {photo_id for photo_id in photo_ids if photo_id is not None})
        return RemovalReport(str(path), removed.rowcount, before - connection.execute(visible).scalar_one())
