"""The default library and weights. This module imports nothing heavy, because every command waits for it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote


def default_library() -> Path:
    """The user's own library: `$PIXELSEEK_LIBRARY`, else a folder among the user's application data."""
    from platformdirs import user_data_path

    from_environment = os.environ.get("PIXELSEEK_LIBRARY")
    return Path(from_environment).expanduser() if from_environment else user_data_path("pixelseek", appauthor=False)


def recorded_weights(library: Path) -> str | None:
    """The name of the weights that the library in that folder is searched with; None if it is unknown."""
    catalog = library / "catalog.sqlite"
    mode = "mode=ro" if os.access(library, os.W_OK) else "immutable=1"
    try:
        with closing(sqlite3.connect(f"file:{quote(str(catalog))}?{mode}", uri=True)) as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = 'weights'").fetchone()
    except sqlite3.Error:  # opening the library reports what is wrong
        return None
    return None if row is None else str(row[0])
