"""Move the catalog of a library between its folder and a server, so that nothing is lost at whatever moment it ends.

The copy is compared with the catalog before anything depends on it, and has a note until the move is over. The note
tells a copy that nobody uses yet, which may be made anew, from the catalog of a library.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, delete, insert, inspect, make_url, select

from indexer.library import migrations
from indexer.library.catalog import setting_table as setting
from indexer.library.copying import copy_rows, count_rows, digests, require_same
from indexer.library.database import Database, open_database
from indexer.library.defaults import CATALOG_FILE
from indexer.library.errors import LibraryError
from indexer.library.locking import library_lock, writer_lock
from indexer.library.opening import open_catalog
from indexer.library.paths import normalized
from indexer.library.settings import IN_FOLDER, Settings, change, checked, without_password
from indexer.library.sqlite import SqliteDatabase
from model.atomic import remove_leftovers, replacing

Progress = Callable[[int, int], object]
"""Is told how much is done, and of how much."""
_NOTE = "copy_of"
_DELETE_NOTE = delete(setting).where(setting.c.name == _NOTE)
_REMEDY = "Move the catalog again."
_PASSES = 3
"""Every row is copied, and read in both catalogs to compare them."""


@dataclass(frozen=True)
class CatalogMove:
    """A catalog that was moved."""

    source: str
    target: str
    """The URLs, without passwords."""
    rows: int
    kept: str
    """Where the old catalog still is: its file, or its URL."""


def move_catalog(
    folder: Path, source: str, target: str, *, progress: Progress = lambda _done, _all: None
) -> CatalogMove:
    """Move the catalog of the library in `folder` from the URL `source` to the URL `target`, as in its settings.

    Nobody can use the library meanwhile. A move that was interrupted is done again, or brought to its end.

    Raises LibraryError, and changes nothing, where the catalog is not at `source`, `target` holds another catalog, or
    the disk has no room for it; LibraryLocked where another process uses the library; SettingsError.
    """
    folder, source, target = normalized(folder), checked("catalog", [source]), checked("catalog", [target])
    current = Settings.load(folder).catalog
    if _place(source) == _place(target):
        raise LibraryError(f"{without_password(source)} and {without_password(target)} are the same place.")
    if _place(current) == _place(target):
        return _end(folder, source, current)
    if _place(current) != _place(source):
        raise LibraryError(
            f"the catalog of the library in {folder} is at {without_password(current)}, not at "
            f"{without_password(source)}."
        )
    if target == IN_FOLDER and (folder / CATALOG_FILE).exists():
        _remove_unused_copy(folder, current)
    _, catalog = open_catalog(folder, create=False)
    with closing(catalog), library_lock(folder, catalog):
        if Settings.load(folder).catalog != current:
            raise LibraryError(f"the settings of {folder} were changed meanwhile. Try again.")
        if target == IN_FOLDER:
            require_room(folder, catalog.size())
        with catalog.alone() as reader:
            _copy(reader, folder, target, _note(folder, current), progress)
            change(folder, "catalog", [target])
            kept = catalog.retire()
    return _without_note(folder, source, target, kept)


def move_vectors(folder: Path, source: str, target: str) -> None:
    """Have the vectors of the library in `folder` be kept at `target`, as in its setting `vectors`.

    They are made of the encodings: the next indexing copies them there. Raises LibraryError where they are not at
    `source`; LibraryLocked where another process uses the library; SettingsError.
    """
    folder, source, target = normalized(folder), checked("vectors", [source]), checked("vectors", [target])
    _, catalog = open_catalog(folder, create=False)
    with closing(catalog), library_lock(folder, catalog):
        current = without_password(Settings.load(folder).vectors)
        if current != without_password(source):
            raise LibraryError(
                f"the vectors of the library in {folder} are at {current}, not {without_password(source)}."
            )
        with catalog.alone():
            change(folder, "vectors", [target])


def _copy(reader: Connection, folder: Path, target: str, note: str, progress: Progress) -> None:
    """Make a copy with that note, the same to the last row, or nothing."""
    with _new_database(folder, target) as database:
        database.create()
        with database.begin() as writer:
            _prepare(writer, database.name, note)
            total, done = _PASSES * count_rows(reader), 0

            def report(rows: int) -> None:
                nonlocal done
                done += rows
                progress(done, total)

            copy_rows(reader, writer, progress=report)
            require_same(digests(reader, progress=report), digests(writer, progress=report))
            writer.execute(_DELETE_NOTE)
            writer.execute(insert(setting).values(name=_NOTE, value=note))


def _prepare(writer: Connection, name: str, note: str) -> None:
    """Give an empty database the tables of a catalog. Raises LibraryError if it holds anything but an unused copy."""
    revision = migrations.revision(writer)
    if revision is None:
        migrations.upgrade(writer)
        return
    held = _read_note(writer)
    if held is None:
        raise LibraryError(f"{name} holds the catalog of a library already. Name an empty database.")
    if held != note:
        raise LibraryError(f"{name} holds an unfinished copy of {held}. Name an empty database.")
    if revision != migrations.HEAD:
        raise LibraryError(
            f"{name} holds an unfinished copy that another version of Pixelseek made. Drop the database and create it "
            "anew."
        )


def _end(folder: Path, source: str, target: str) -> CatalogMove:
    """Bring a move to its end that was interrupted after the settings were changed."""
    with closing(_open(folder, source)) as old, closing(_open(folder, target)) as new, writer_lock(folder):
        with new.connect() as reader:
            held = _read_note(reader)
        if held != _note(folder, source):
            raise LibraryError(f"the catalog of the library in {folder} is at {without_password(target)} already.")
        kept = old.retire()
    return _without_note(folder, source, target, kept)


def _without_note(folder: Path, source: str, target: str, kept: str) -> CatalogMove:
    """Remove the note: the move is over."""
    with closing(_open(folder, target)) as catalog, catalog.begin() as writer:
        writer.execute(_DELETE_NOTE)
        return CatalogMove(without_password(source), without_password(target), count_rows(writer), kept)


def _remove_unused_copy(folder: Path, current: str) -> None:
    """Remove the copy of a move that was interrupted before the settings were changed. Nobody has used it."""
    path = folder / CATALOG_FILE
    with closing(_open(folder, IN_FOLDER)) as copy, writer_lock(folder):
        with copy.connect() as reader:
            held = _read_note(reader)
        if held != _note(folder, current):
            raise LibraryError(f"{path} is a catalog already. Move that file elsewhere.")
    path.unlink()


@contextmanager
def _new_database(folder: Path, url: str) -> Iterator[Database]:
    """The database to copy into: in the folder a file that takes its name when all is written."""
    if url != IN_FOLDER:
        with closing(_open(folder, url)) as database:
            yield database
        return
    path = folder / CATALOG_FILE
    remove_leftovers(path)
    with replacing(path) as new, closing(SqliteDatabase(new, remedy=_REMEDY)) as database:
        yield database


def _open(folder: Path, url: str) -> Database:
    if url == IN_FOLDER:
        return SqliteDatabase(folder / CATALOG_FILE, remedy=_REMEDY)
    return open_database(make_url(url), remedy=_REMEDY)


def require_room(folder: Path, size: int) -> None:
    """Raise LibraryError where `size` bytes more do not fit."""
    free = shutil.disk_usage(folder).free
    if free < size:
        raise LibraryError(f"{folder} has {free:,} bytes free, and {size:,} are needed. Make room and try again.")


def _note(folder: Path, url: str) -> str:
    return f"the catalog of {folder} at {_place(url)}"


def _read_note(reader: Connection) -> str | None:
    if not inspect(reader).has_table(setting.name):
        return None
    return reader.execute(select(setting.c.value).where(setting.c.name == _NOTE)).scalar_one_or_none()


def _place(url: str) -> str:
    """The URL of a database, the same whatever it says of passwords and drivers."""
    return url if url == IN_FOLDER else str(make_url(url).set(drivername="postgresql", password=None))
