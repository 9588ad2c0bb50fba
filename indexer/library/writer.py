"""What only the holder of a library's lock may do: store, remove and repair, and change the generation in use."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import delete, func, select

from indexer.library.annotations import store_words
from indexer.library.catalog import folder_table, location_table, setting_table
from indexer.library.encodings import Encodings
from indexer.library.errors import FolderMissing, LibraryError, LibraryReencoded
from indexer.library.generations import (
    current_generation,
    encodings_path,
    forget_others,
    make_current,
    photos_waiting,
    remove_unused_files,
)
from indexer.library.locking import writer_lock
from indexer.library.paths import normalized
from indexer.library.reconciliation import is_consistent, reconcile, remove_marks
from indexer.library.settling import settle
from indexer.library.shortlist import visible_photos
from indexer.library.vectors import BY_SIZE, update_index
from indexer.library.verification import index_problems, unsound_encodings, wrong_words
from indexer.library.view import LibraryView


@dataclass(frozen=True)
class RemovalReport:
    """A folder that was taken out of the library."""

    folder: str
    files: int
    photos: int
    """Photos that lie in no other folder, and are no longer found."""


class LibraryWriter:
    """The one writer of a library. Made by `LibraryWriter.lock`, and to be used until that block ends."""

    def __init__(self, view: LibraryView) -> None:
        self.view = view
        self.catalog = view.catalog
        self.encodings = view.encodings
        self.generation = view.generation

    @classmethod
    @contextmanager
    def lock(cls, view: LibraryView) -> Iterator[Self]:
        """Hold the library's lock. Catalog and encodings agree when the block begins.

        The library stays open until the block ends. Raises LibraryLocked, naming the other writer, and
        LibraryReadOnly.
        """
        with view.lifetime.inside(), writer_lock(view.path):
            if not is_consistent(view.catalog, view.encodings, view.generation):
                reconcile(view.catalog, view.encodings, view.generation)
            yield cls(view)

    def begin_generation(self, weights: str | None) -> bool:
        """Whether another generation answers searches until this one, made by `weights`, is complete.

        Raises LibraryReencoded when another has taken this one's place since the library was opened: whoever did that
        wants this one no more.
        """
        with self.catalog.connect() as connection:
            current = current_generation(connection)
            if current not in (None, self.generation) and (photos := visible_photos(self.catalog, current).size):
                if self.view.was_current:
                    raise LibraryReencoded(
                        f"the {photos:,} photos in {self.view.path} were encoded by other weights meanwhile. "
                        "Start again."
                    )
                return True
        with self.catalog.begin() as connection:
            make_current(connection, self.generation, weights)
        return False

    def complete_generation(self, weights: str | None) -> int:
        """Have this generation answer searches, unless photos wait to be encoded; returns how many do."""
        with self.catalog.connect() as connection:
            waiting = photos_waiting(connection, self.generation)
        if not waiting:
            with self.catalog.begin() as connection:
                make_current(connection, self.generation, weights)
                forget_others(connection, self.generation)
        return waiting

    def remove_unused_files(self) -> None:
        """Delete the files of generations that answer no more searches."""
        with self.catalog.connect() as connection:
            remove_unused_files(self.view.path, connection, self.generation)

    def update_index(self, *, newer_allowed: int = 0) -> None:
        """Make the FAISS index cover all encodings, if more than `newer_allowed` are newer."""
        with self.catalog.connect() as connection:
            setting = connection.execute(
                select(setting_table.c.value).where(setting_table.c.name == "index_factory")
            ).scalar_one_or_none()
        update_index(self.view.index_path, self.encodings, setting or BY_SIZE, newer_allowed=newer_allowed)

    def remove_folder(self, folder: Path) -> RemovalReport:
        """Take `folder`, one that was indexed under that path, out of the library; its files are left alone.

        Photos, their encodings and annotations stay, hidden: indexed again, they are back at once.
        Raises FolderMissing when the library does not know the folder, or knows only one around it.
        """
        path = normalized(folder)
        with self.catalog.begin() as connection:
            known = {
                Path(name): number
                for name, number in connection.execute(select(folder_table.c.path, folder_table.c.id))
            }
            if path not in known:
                around = next((parent for parent in known if path.is_relative_to(parent)), None)
                if around is not None:
                    raise FolderMissing(f"{path} is a part of {around}, which the library follows. Remove that one.")
                names = ", ".join(map(str, sorted(known))) or "none"
                raise FolderMissing(f"{path} is not a folder of the library. Its folders: {names}")
            visible = select(func.count(location_table.c.photo_id.distinct()))
            before = connection.execute(visible).scalar_one()
            inside = select(location_table.c.photo_id).where(
                location_table.c.folder_id == known[path], location_table.c.photo_id.is_not(None)
            )
            photo_ids = set(connection.execute(inside).scalars())
            removed = connection.execute(delete(location_table).where(location_table.c.folder_id == known[path]))
            connection.execute(delete(folder_table).where(folder_table.c.id == known[path]))
            settle(connection, {photo_id for photo_id in photo_ids if photo_id is not None})
            return RemovalReport(str(path), removed.rowcount, before - connection.execute(visible).scalar_one())

    def repair(self, wrong_photo_ids: Collection[int] = ()) -> None:
        """Remove unsound encodings, and those of the photos `wrong_photo_ids`; build text index and FAISS index anew.

        The photos are encoded again by the next indexing.
        """
        reconcile(self.catalog, self.encodings, self.generation)
        unsound = sorted({*wrong_photo_ids}.union(*unsound_encodings(self.view).values()))
        self.encodings.remove(unsound)
        remove_marks(self.catalog, self.generation, unsound)
        wrong = wrong_words(self.view)
        with self.catalog.begin() as connection:
            store_words(connection, wrong)
        if list(index_problems(self.view)):
            self.view.index_path.unlink(missing_ok=True)
        self.update_index()


def discard_damaged_encodings(library: Path, generation: str) -> None:
    """Delete a generation's encodings if they cannot be read at all, before the library in that folder is opened.

    Raises LibraryLocked.
    """
    path = encodings_path(library, generation)
    if not path.exists():
        return
    with writer_lock(library):
        encodings = Encodings(path)
        try:
            damaged = bool(encodings.database.damage()) or encodings.is_malformed()
        except LibraryError:
            damaged = True
        encodings.close()
        if damaged:
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
