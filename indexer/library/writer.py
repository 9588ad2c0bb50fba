"""What only the holder of a library's lock may do: store, remove and repair, and change the generation in use."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sqlalchemy import Connection, delete, func, select, update

from indexer.library.annotations import update_text_index
from indexer.library.catalog import folder_table, location_table
from indexer.library.encodings import Encodings
from indexer.library.errors import FolderMissing, LibraryError, LibraryReencoded
from indexer.library.found_text import update_found_text_index
from indexer.library.generations import (
    current_generation,
    encodings_path,
    make_current,
    photos_waiting,
    remove_other_marks,
    remove_unused_files,
    used_generations,
    visible_photos,
)
from indexer.library.library_files import forget_files
from indexer.library.locking import library_lock, writer_lock
from indexer.library.opening import open_catalog
from indexer.library.paths import mount_point, normalized
from indexer.library.photo_metadata import update_photo_metadata
from indexer.library.reconciliation import is_consistent, reconcile, remove_marks
from indexer.library.settings import FILES_IN_FOLDER, Settings, SettingsError
from indexer.library.verification import photos_with_wrong_found_text, photos_with_wrong_text, unsound_encodings
from indexer.library.view import LibraryView

MAX_FILES_CHECKED = 1000
"""If none of so many files of a moved folder exists at the new path, the move is refused."""


@dataclass(frozen=True)
class RemovalReport:
    """A folder that was taken out of the library."""

    folder: str
    files: int
    photos: int
    """Photos that are in no other folder, and so are hidden now."""


@dataclass(frozen=True)
class MoveReport:
    """A folder that was moved."""

    folder: str
    target: str
    files: int


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
        with view.lifetime.in_use(), library_lock(view.path, view.catalog):
            if not is_consistent(view.catalog, view.encodings, view.generation):
                reconcile(view.catalog, view.encodings, view.generation)
            view.encodings.sweep()
            yield cls(view)

    def begin_generation(self, weights: str | None) -> bool:
        """Whether another generation answers searches until this one, made by `weights`, is complete.

        Raises LibraryReencoded if another one has replaced this one since the library was opened: then this one is not
        wanted any more.
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
                remove_other_marks(connection, self.generation)
        return waiting

    def remove_unused_files(self) -> None:
        """Delete the files, vectors and stored features of generations that answer no more searches."""
        with self.catalog.connect() as connection:
            used = used_generations(connection) | {self.generation}
        self.view.vectors.drop_others(used)
        kept = remove_unused_files(self.view.path, used)

        def tokens() -> Iterator[str]:
            for file in kept:
                if file.suffix == ".sqlite":
                    with closing(Encodings(file)) as encodings:
                        origin = encodings.origin()
                    if origin is not None:
                        yield origin.token

        self.encodings.remove_other_features(tokens)

    def update_index(self, *, newer_allowed: int = 0, progress: Callable[[int, int], None] | None = None) -> None:
        """Have the vector store cover all encodings, if more than `newer_allowed` are newer: see `VectorStore.sync`."""
        factory = Settings.load(self.view.path).index_factory
        self.view.vectors.sync(factory=factory, newer_allowed=newer_allowed, progress=progress)

    def remove_folder(self, folder: Path) -> RemovalReport:
        """Remove `folder`, which was indexed under that path, from the library. Its files are not changed.

        Photos, their encodings and annotations stay, hidden: if the folder is indexed again, they are back at once.
        Raises FolderMissing if the library does not know the folder, or knows only one around it.
        """
        path = normalized(folder)
        with self.catalog.begin() as connection:
            folder_ids = _known_folders(connection)
            _require_known(path, folder_ids)
            visible = select(func.count(location_table.c.photo_id.distinct()))
            before = connection.execute(visible).scalar_one()
            inside = select(location_table.c.photo_id).where(
                location_table.c.folder_id == folder_ids[path], location_table.c.photo_id.is_not(None)
            )
            photo_ids = set(connection.execute(inside).scalars())
            removed = connection.execute(delete(location_table).where(location_table.c.folder_id == folder_ids[path]))
            connection.execute(delete(folder_table).where(folder_table.c.id == folder_ids[path]))
            update_photo_metadata(connection, {photo_id for photo_id in photo_ids if photo_id is not None})
            return RemovalReport(str(path), removed.rowcount, before - connection.execute(visible).scalar_one())

    def move_folder(self, folder: Path, target: Path) -> MoveReport:
        """Store that `folder`, which was indexed under that path, is now at `target`. No file is read or changed.

        Raises FolderMissing, and changes nothing, if the library does not know the folder, or if `target` is not a
        folder, overlaps another folder of the library, or holds none of the first files of `folder`.
        """
        old, new = normalized(folder), normalized(target)
        if not new.is_dir():
            raise FolderMissing(f"{new} is not a folder. Name the one that holds the photos now.")
        with self.catalog.begin() as connection:
            folder_ids = _known_folders(connection)
            folder_id = folder_ids.pop(_require_known(old, folder_ids))
            overlapping = [path for path in folder_ids if path.is_relative_to(new) or new.is_relative_to(path)]
            if overlapping:
                raise FolderMissing(
                    f"{new} overlaps {overlapping[0]}, which the library follows. Remove that one first."
                )
            paths = select(location_table.c.path).where(location_table.c.folder_id == folder_id)
            files = connection.execute(select(func.count()).select_from(paths.subquery())).scalar_one()
            sample = connection.execute(paths.order_by(location_table.c.path).limit(MAX_FILES_CHECKED)).scalars().all()
            if files and not any((new / path).exists() for path in sample):
                raise FolderMissing(f"{new} holds none of the {files:,} files of {old}. Name the folder that does.")
            connection.execute(
                update(folder_table)
                .where(folder_table.c.id == folder_id)
                .values(path=str(new), mount_point=str(mount_point(new)), online=True)
            )
            return MoveReport(str(old), str(new), files)

    def repair(self, wrong_photo_ids: Collection[int] = ()) -> None:
        """Remove unsound encodings, and those of the photos `wrong_photo_ids`; rebuild text index and FAISS index.

        The photos are encoded again by the next indexing.
        """
        reconcile(self.catalog, self.encodings, self.generation)
        unsound = sorted({*wrong_photo_ids}.union(*unsound_encodings(self.view).values()))
        self.encodings.remove(unsound)
        remove_marks(self.catalog, self.generation, unsound)
        wrong, wrong_found = photos_with_wrong_text(self.view), photos_with_wrong_found_text(self.view)
        with self.catalog.begin() as connection:
            update_text_index(connection, wrong)
            update_found_text_index(connection, wrong_found)
        if next(self.view.vectors.problems(), None):
            self.view.vectors.clear()
        self.update_index()


def _known_folders(connection: Connection) -> dict[Path, int]:
    """The id of every folder of the library, by its path."""
    rows = connection.execute(select(folder_table.c.path, folder_table.c.id))
    return {Path(path): number for path, number in rows}


def _require_known(path: Path, known: Collection[Path]) -> Path:
    """The path of a folder that the library knows by exactly that path. Raises FolderMissing."""
    if path not in known:
        around = next((parent for parent in known if path.is_relative_to(parent)), None)
        if around is not None:
            raise FolderMissing(f"{path} is a part of {around}, which the library follows. Name that one.")
        names = ", ".join(map(str, sorted(known))) or "none"
        raise FolderMissing(f"{path} is not a folder of the library. Its folders: {names}")
    return path


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


def prepare_other_files(library: Path, url: str) -> None:
    """Get ready for another value of the setting `files` of the library in that folder.

    A library that has pixel features in a store keeps its own folder at the new URL, where the person has to copy it.
    Others begin anew there. Raises SettingsError where pixel features in a store would be lost: for an empty `url`.
    """
    shard_files = []
    for path in library.glob("encodings-*.sqlite"):
        with closing(Encodings(path)) as encodings:
            if encodings.has_shards():
                shard_files.append(path)
    if shard_files and url == FILES_IN_FOLDER:
        raise SettingsError(
            f"the pixel features of the library in {library} are in {Settings.load(library).files}. To have them made "
            f"again in the folder, delete {shard_files[0]} first, and index afterwards."
        )
    if not shard_files:
        _, catalog = open_catalog(library, create=False)
        with closing(catalog):
            forget_files(catalog)
