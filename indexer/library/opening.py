"""Open the catalog of a library folder: create it if requested, and migrate an older schema."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url

from indexer.library import migrations
from indexer.library.annotations import rebuild_text_index
from indexer.library.copying import back_up
from indexer.library.database import Database, open_database
from indexer.library.defaults import CATALOG_FILE, default_library
from indexer.library.errors import LibraryError, LibraryMissing, LibraryTooNew
from indexer.library.lifetime import Lifetime
from indexer.library.locking import library_lock
from indexer.library.paths import normalized
from indexer.library.photo_metadata import update_places
from indexer.library.settings import IN_FOLDER, Settings

_MIGRATION_WAIT_S = 30.0


def catalog_url(folder: Path) -> URL:
    """The URL of the catalog of the library in `folder`: that of its settings. Raises SettingsError."""
    url = Settings.load(folder).catalog
    return URL.create("sqlite", database=str(folder / CATALOG_FILE)) if url == IN_FOLDER else make_url(url)


def open_catalog(path: str | Path | None, *, create: bool) -> tuple[Path, Database]:
    """The absolute path of the library folder `path` (None: the user's own), and its catalog with the newest schema.

    A catalog of an older schema is backed up and migrated. With `create`, a missing library is made.

    Raises LibraryMissing, LibraryTooNew and LibraryDamaged; LibraryLocked or LibraryReadOnly where the catalog has to
    be migrated and another process holds the lock, or nobody can write to the folder.
    """
    folder = normalized(default_library() if path is None else Path(path))
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LibraryError(f"{folder} cannot be made: {error.strerror}. Choose another with --library.") from error
    url = catalog_url(folder)
    if (folder / CATALOG_FILE).exists() and url.get_backend_name() != "sqlite":
        raise LibraryError(
            f"{folder} has a catalog of its own, {CATALOG_FILE}, beside the one of its settings. If `pixelseek library "
            "move` was interrupted, run it again. Else move that file elsewhere, or take the setting `catalog` back."
        )
    catalog = open_database(
        url,
        remedy="Put a backup in its place, or move it away and index again.",
        lifetime=Lifetime(f"the library in {folder}"),
    )
    try:
        if create:
            catalog.create()
        elif not catalog.exists():
            raise _missing(folder)
        _migrate(folder, catalog, create=create)
    except BaseException:
        catalog.close()
        raise
    return folder, catalog


def _migrate(folder: Path, catalog: Database, *, create: bool) -> None:
    with catalog.connect() as connection:
        revision = migrations.revision(connection)
    if revision == migrations.HEAD:
        return
    if revision is None and not create:
        raise _missing(folder)
    if revision is not None and not migrations.is_known(revision):
        raise LibraryTooNew(
            f"the library in {folder} was written by a newer Pixelseek (schema {revision}). "
            "Update with `pip install --upgrade pixelseek`."
        )
    with library_lock(folder, catalog, wait_s=_MIGRATION_WAIT_S), catalog.begin() as connection:
        revision = migrations.revision(connection)
        if revision == migrations.HEAD:
            return  # another process has migrated it meanwhile
        if revision is not None:
            back_up(catalog, folder / f"catalog-before-{migrations.HEAD}.sqlite")
        migrations.upgrade(connection)
        if revision is not None:
            rebuild_text_index(connection)  # the rules of text analysis may have changed too
            update_places(connection)  # and so may the names of places


def _missing(folder: Path) -> LibraryMissing:
    return LibraryMissing(f"there is no library in {folder}. Make one with `pixelseek index FOLDER`.")
