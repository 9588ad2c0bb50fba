"""The interface of the database that holds a catalog. An SQLAlchemy URL names it; each dialect has its own module."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection

from indexer.library.errors import LibraryError
from indexer.library.lifetime import Lifetime
from indexer.library.settings import without_password
from indexer.library.sqlite import SqliteDatabase

Result = TypeVar("Result")


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

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction that writes.

        The holder of the lock does it once more if the connection was lost before anything was committed.
        """

    def lock(self, *, wait_s: float = 0.0) -> AbstractContextManager[None]:
        """Exclude writers on other machines: see `locking.library_lock`."""

    def version(self) -> object:
        """A value that changes when another connection commits. Only one thread may call it at a time."""

    def alone(self) -> AbstractContextManager[Connection]:
        """A transaction that reads, while no other process has the database open and none can write.

        Raises LibraryLocked where another process keeps it open.
        """

    def retire(self) -> str:
        """Keep the database, but so that nobody takes it for a catalog in use any more. Done again it changes nothing.

        Returns where it is kept, in words.
        """

    def size(self) -> int:
        """Bytes."""

    def damage(self) -> list[str]:
        """What the database reports as wrong with itself; empty if it is sound."""

    def close(self) -> None:
        """Close all connections for good."""


def open_database(url: URL, *, remedy: str, lifetime: Lifetime | None = None) -> Database:
    """The database at `url`; `remedy` ends the message about damage.

    Raises LibraryError for an unknown kind of database, and for one whose driver is not installed.
    """
    if url.get_backend_name() == "sqlite" and url.database is not None:
        return SqliteDatabase(Path(url.database), remedy=remedy, lifetime=lifetime)
    shown = without_password(str(url))
    if url.drivername not in ("postgresql", "postgresql+psycopg"):
        raise LibraryError(f"a catalog cannot lie at {shown}: only SQLite and PostgreSQL are supported.")
    try:
        from indexer.library.postgresql import PostgresqlDatabase
    except ImportError as error:
        raise LibraryError(
            f"the catalog at {shown} needs the driver of PostgreSQL: pip install 'pixelseek[postgres]'."
        ) from error
    return PostgresqlDatabase(url.set(drivername="postgresql+psycopg"), remedy=remedy, lifetime=lifetime)
