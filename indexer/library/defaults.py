"""The default library and weights. This module imports nothing heavy, because every command waits for it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from indexer.library.errors import LibraryError
from model.paths import expanded


def default_library() -> Path:
    """The user's own library: `$PIXELSEEK_LIBRARY`, else a folder among the user's application data."""
    from platformdirs import user_data_path

    from_environment = os.environ.get("PIXELSEEK_LIBRARY")
    return expanded(from_environment) if from_environment else user_data_path("pixelseek", appauthor=False)


CATALOG_FILE = "catalog.sqlite"
"""The catalog, where it is in the library's folder."""


def recorded_weights(library: Path) -> str | None:
    """The name of the weights that the library in that folder is searched with; None if it is unknown."""
    catalog = library / CATALOG_FILE
    if not catalog.exists():
        return _recorded_on_server(library)
    mode = "mode=ro" if os.access(library, os.W_OK) else "immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(os.fsencode(catalog))}?{mode}", uri=True)) as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = 'weights'").fetchone()
    except sqlite3.Error:  # opening the library reports what is wrong
        return None
    return None if row is None else str(row[0])


def _recorded_on_server(library: Path) -> str | None:
    """As `recorded_weights`, where the catalog is on a server, if it is."""
    from indexer.library.settings import IN_FOLDER, Settings

    try:
        url = Settings.load(library).catalog
        if url == IN_FOLDER:
            return None
        from sqlalchemy import make_url, select

        from indexer.library.catalog import setting_table
        from indexer.library.database import open_database

        weights = select(setting_table.c.value).where(setting_table.c.name == "weights")
        with closing(open_database(make_url(url), remedy="")) as database, database.connect() as connection:
            return connection.execute(weights).scalar_one_or_none()
    except LibraryError:
        return None
