"""Where a library keeps pixel features and thumbnails: the URL in its settings, and its own folder below that."""

from __future__ import annotations

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, insert, select

from indexer.library.catalog import setting_table
from indexer.library.database import Database
from indexer.library.errors import FilesUnreachable
from indexer.library.file_store import FileStore
from indexer.library.folder_store import FolderStore
from indexer.library.settings import FILES_IN_FOLDER, Settings

_FOLDER_NAME = "files"
"""The setting in the catalog that names the library's own folder below the URL: others may share the URL."""
_MARK = "about.txt"
_ABOUT = "Pixel features and thumbnails of one Pixelseek library, which knows which of them it needs: delete none.\n"


def open_file_store(library: Path, catalog: Database) -> FileStore | None:
    """The store of the files of the library in that folder, by its setting `files`; None: the library's folder itself.

    The first time, the library gets a folder of its own below the URL. Raises FilesUnreachable, also where the files
    that the library has written are not at that URL: on a disk that is away, or another bucket.
    """
    url = Settings.load(library).files
    if url == FILES_IN_FOLDER:
        return None
    with catalog.connect() as connection:
        folder = _folder_name(connection)
    if folder is not None:
        store = _store_at(url, folder)
        if store.read(_MARK) is None:
            raise FilesUnreachable(
                f"the pixel features of the library in {library} are not at {url}. Is the disk there, is it that "
                f"bucket? Copy them there, or name the place where they are: pixelseek config files URL. If they are "
                f"lost, delete {library / 'encodings-*.sqlite'}, set `files` again, and index."
            )
        return store
    new = secrets.token_hex(8)
    store = _store_at(url, new)
    mark_as_own(store)
    with catalog.begin() as connection:
        folder = _folder_name(connection)
        if folder is None:
            connection.execute(insert(setting_table).values(name=_FOLDER_NAME, value=new))
    if folder is None:
        return store
    store.remove_folder("")  # another process was faster
    return _store_at(url, folder)


def new_file_store(catalog: Database, url: str) -> FileStore:
    """The library's own folder below another URL, where its files are copied to."""
    with catalog.connect() as connection:
        folder = _folder_name(connection)
    if folder is None:
        raise FilesUnreachable("the library has no files elsewhere yet. Set the place: pixelseek config files URL")
    return _store_at(url, folder)


def mark_as_own(store: FileStore) -> None:
    """Say in a store that it is that of a library, once all its files are there."""
    store.write(_MARK, _ABOUT.encode())


def forget_files(catalog: Database) -> None:
    """Have the library begin anew with files elsewhere. The old ones stay where they are."""
    with catalog.begin() as connection:
        connection.execute(delete(setting_table).where(setting_table.c.name == _FOLDER_NAME))


def _folder_name(connection: Connection) -> str | None:
    named = select(setting_table.c.value).where(setting_table.c.name == _FOLDER_NAME)
    return connection.execute(named).scalar_one_or_none()


def _store_at(url: str, folder: str) -> FileStore:
    parts = urlsplit(url)
    if parts.scheme == "file":
        from urllib.request import url2pathname  # imports http, which most commands need not

        return FolderStore(Path(url2pathname(parts.path), folder))
    from indexer.library.object_store import ObjectStore  # imports asyncio, which most commands need not

    return ObjectStore(url, folder)
