"""The interface of the database that holds a catalog. An SQLAlchemy URL names it; each dialect has its own module."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection

from indexer.library.errors import LibraryError
from indexer.library.lifetime import Lifetime
from indexer.library.sqlite import SqliteDatabase


class Database(Protocol):
    """A database that threads share. Its errors are raised as LibraryError; after `close`, LibraryClosed."""

    @property
    def name(self) -> str:
        """Its name in messages."""

    @property
    def lifetime(self) -> Lifetime:
        """Keeps it open while it is in use."""

    def exists(self) -> bool:
        """Whether there is a database, empty or not."""

    def create(self) -> None:
        """Create an empty database if there is none."""

    def connect(self) -> AbstractContextManager[Connection]:
        """A transaction that reads one state of the database and cannot write."""

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction that writes; there is only one at a time."""

    def version(self) -> object:
        """A value that changes when another connection commits. Only one thread may call it at a time."""

    def damage(self) -> list[str]:
        """What the database reports as wrong with itself; empty if it is sound."""

    def back_up(self, target: Path) -> None:
        """Copy the database into the file `target`, all or nothing. It may be in use."""

    def close(self) -> None:
        """Close all connections for good."""


def open_database(url: URL, *, remedy: str, lifetime: Lifetime | None = None) -> Database:
    """The database at `url`; `remedy` ends the message about damage. Raises LibraryError for an unknown dialect."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        raise LibraryError(f"a catalog cannot lie at {url}: only files of SQLite are supported.")
    return SqliteDatabase(Path(url.database), remedy=remedy, lifetime=lifetime)
