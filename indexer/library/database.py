"""The interface of the database behind a catalog, which an SQLAlchemy URL names. Each kind has a module of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from sqlalchemy import URL, Connection

from indexer.library.errors import LibraryError
from indexer.library.lifetime import Lifetime
from indexer.library.sqlite import SqliteDatabase


class Database(Protocol):
    """A database that threads share. What it cannot do is raised as LibraryError, after `close` LibraryClosed."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def lifetime(self) -> Lifetime:
        """Keeps it open for those that use it."""

    def exists(self) -> bool:
        """Whether there is a database, empty or not."""

    def create(self) -> None:
        """Make an empty database where there is none."""

    def connect(self) -> AbstractContextManager[Connection]:
        """A transaction that sees one state of the database and cannot write."""

    def begin(self) -> AbstractContextManager[Connection]:
        """A transaction that writes, and is the only one to do so from its beginning to its end."""

    def version(self) -> object:
        """Changes whenever another connection has committed. For one thread at a time."""

    def damage(self) -> list[str]:
        """What is wrong with the database, in its own words; empty when it is sound."""

    def back_up(self, target: Path) -> None:
        """Copy it, while it may be in use, into the file `target`: whole or not at all."""

    def close(self) -> None:
        """Close all connections for good."""


def open_database(url: URL, *, remedy: str, lifetime: Lifetime | None = None) -> Database:
    """The database at `url`; `remedy` ends the message about a damaged one. Raises LibraryError for an unknown kind."""
    if url.get_backend_name() != "sqlite" or url.database is None:
        raise LibraryError(f"a catalog cannot lie at {url}: only files of SQLite are supported.")
    return SqliteDatabase(Path(url.database), remedy=remedy, lifetime=lifetime)
