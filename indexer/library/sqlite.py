"""A database in a file of SQLite: opening, watching, checking and backing it up, and its own SQL functions."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from indexer.library.errors import LibraryDamaged, LibraryError, LibraryLocked, LibraryMissing
from indexer.library.file_version import file_version
from indexer.library.lifetime import Lifetime
from indexer.library.text_analysis import fold, fold_path, name_key, spaced_words
from model.atomic import remove_leftovers, replacing

Result = TypeVar("Result")

_BUSY_TIMEOUT_S = 10.0
_MODE = "pixelseek_mode"
_FILE = "file"


class SqliteDatabase:
    """A database file (see `database.Database`).

    It has a write-ahead log, so that readers never wait for a writer, and enforces foreign keys. If another file
    replaces this one, the next transaction reads the new file.

    Errors of SQLite are raised as LibraryError: LibraryDamaged with the `remedy`, LibraryMissing if there is no file,
    LibraryLocked if another process writes for too long. After `close`, or after the end of `lifetime`, LibraryClosed
    is raised. In a read-only folder the file is opened as immutable, because SQLite cannot create its auxiliary files
    there.
    """

    def __init__(self, path: Path, *, remedy: str, lifetime: Lifetime | None = None) -> None:
        self.path = path
        self._remedy = remedy
        self.lifetime = lifetime or Lifetime(str(path))
        """Keeps the database open for those that use it."""
        self._is_immutable = path.exists() and not os.access(path.parent, os.W_OK) and not _has_log(path)
        # With mode=rw SQLite does not create a missing file: an empty one would hide that it is missing.
        mode = {"immutable": "1"} if self._is_immutable else {"mode": "rw"}
        name = f"file:{quote(os.fsencode(path))}"
        self._engine = create_engine(URL.create("sqlite", database=name, query={"uri": "true", **mode}))
        self._watch: Connection | None = None
        event.listen(self._engine, "do_connect", self._note_file)
        event.listen(self._engine, "connect", self._prepare)
        event.listen(self._engine, "begin", self._begin)
        event.listen(self._engine, "handle_error", self._explain)

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def exists(self) -> bool:
        """Whether there is a file."""
        return self.path.exists()

    def create(self) -> None:
        """Create an empty file if there is none. Raises LibraryError."""
        try:
            if not self.path.exists():
                self.path.touch()
        except OSError as error:
            raise LibraryError(f"{self.path} cannot be made: {error.strerror}.") from error

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction that reads one state of the database and cannot write."""
        with self.lifetime.in_use(), self._engine.connect() as connection:
            if connection.info[_FILE] != file_version(self.path):
                connection.invalidate()  # the next statement opens the file that is there now
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that writes; there is only one at a time.

        It waits for an earlier one before it reads anything. A transaction that began as a reader could not wait: what
        it has read may be outdated.
        """
        with self.connect() as connection:
            with connection.execution_options(**{_MODE: "IMMEDIATE"}).begin():
                yield connection
            self._empty_log(connection)

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do `work` in a transaction that writes."""
        with self.begin() as connection:
            return work(connection)

    def lock(self, *, wait_s: float = 0.0) -> AbstractContextManager[None]:  # noqa: ARG002
        """Nothing: the lock of the folder excludes all writers of a file in it."""
        return nullcontext()

    @contextmanager
    def alone(self) -> Iterator[Connection]:
        """A transaction that reads, while no other process has the database open. Raises LibraryLocked."""
        with self.lifetime.in_use():
            self._stop_watching()
            self._engine.dispose()  # the connections of this process would be in the way too
            with self._engine.connect() as connection:
                driver = _driver_of(connection)
                driver.execute("PRAGMA locking_mode = EXCLUSIVE")
                try:
                    driver.execute("PRAGMA journal_mode = DELETE")  # SQLite refuses it while another connection is open
                except sqlite3.OperationalError as error:
                    raise LibraryLocked(
                        f"{self.path} is in use by another process. Stop `pixelseek serve` and every other command "
                        "that uses the library, and try again."
                    ) from error
                try:
                    with connection.execution_options(**{_MODE: "EXCLUSIVE"}).begin():
                        driver.execute("PRAGMA query_only = ON")
                        yield connection
                finally:
                    connection.invalidate()  # it would keep others out until it is closed

    def retire(self) -> str:
        """Rename the file. Returns its new path."""
        kept = self.path.with_name(f"{self.path.stem}-moved-{datetime.now(UTC):%Y%m%d-%H%M%S}.sqlite")
        if not self.path.exists():
            return str(max(self.path.parent.glob(f"{self.path.stem}-moved-*.sqlite"), default=self.path))
        try:
            self.path.rename(kept)
        except OSError as error:
            raise LibraryError(f"{self.path} cannot be renamed: {error.strerror}. Try again.") from error
        return str(kept)

    def size(self) -> int:
        """Bytes of the file and its log."""
        return sum(file.stat().st_size for file in (self.path, _log_of(self.path)) if file.exists())

    def version(self) -> object:
        """A value that changes when another connection commits or another file replaces this one.

        Only one thread may call it at a time.
        """
        with self.lifetime.in_use():
            file = file_version(self.path)
            if self._watch is not None and self._watch.info[_FILE] != file:
                self._stop_watching()
            if self._watch is None:
                self._watch = self._engine.connect()
            with self._watch.begin():
                return file, self._watch.exec_driver_sql("PRAGMA data_version").scalar_one()

    def close(self) -> None:
        """Close all connections for good, once those in use are returned."""
        self.lifetime.close()
        self._stop_watching()
        self._engine.dispose()

    def damage(self) -> list[str]:
        """What SQLite reports as wrong with the file; empty if it is sound."""
        with self.connect() as connection:
            lines = [line for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars() if line != "ok"]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return lines + [f"table {row[0]} refers to a row of {row[2]} that is not there" for row in broken]

    def back_up(self, target: Path) -> None:
        """Copy the database into the file `target`, all or nothing. It may be in use."""
        remove_leftovers(target)
        try:
            with replacing(target) as new, self.connect() as reader, closing(sqlite3.connect(new)) as writer:
                _driver_of(reader).backup(writer)
        except sqlite3.OperationalError as error:
            raise LibraryError(
                f"{self.path} cannot be copied to {target}: {error}. Is the disk full or failing?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise LibraryDamaged(f"{self.path} is damaged: {error}. {self._remedy}") from error

    def shrink(self) -> None:
        """Give back to the disk what is not in use, where the disk has room to write the file anew."""
        with self.lifetime.in_use(), self._engine.connect() as connection, suppress(sqlite3.OperationalError):
            driver = _driver_of(connection)
            driver.execute("PRAGMA query_only = OFF")
            driver.execute("VACUUM")

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.invalidate()
            self._watch.close()
            self._watch = None

    def _note_file(self, _dialect: Dialect, record: ConnectionPoolEntry, _args: object, _named: object) -> None:
        # Before it is opened: a file that replaces it meanwhile is then noticed.
        record.info[_FILE] = file_version(self.path)

    def _prepare(self, connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        # By default pysqlite begins a transaction at the first INSERT and leaves CREATE TABLE outside it. Without an
        # isolation level, `_begin` begins it, so that a migration is all or nothing.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * _BUSY_TIMEOUT_S)}")
        if not self._is_immutable:
            _keep_log(connection)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("fold", 1, _fold, deterministic=True)
        connection.create_function("name_key", 1, _name_key, deterministic=True)
        connection.create_function("words", 1, _words, deterministic=True)
        connection.create_function("fold_path", 1, _fold_path, deterministic=True)

    @staticmethod
    def _empty_log(connection: Connection) -> None:
        """Move committed changes from the log into the file, unless a reader still needs the old state.

        If a user replaces the file and leaves the log, SQLite would apply the log to the new file.
        """
        driver = _driver_of(connection)
        driver.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.Error):  # for example a full disk: the changes are committed anyway
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        driver.execute(f"PRAGMA busy_timeout = {round(1000 * _BUSY_TIMEOUT_S)}")

    @staticmethod
    def _begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(_MODE, "DEFERRED")
        connection.exec_driver_sql(f"PRAGMA query_only = {'ON' if mode == 'DEFERRED' else 'OFF'}")
        connection.exec_driver_sql(f"BEGIN {mode}")

    def _explain(self, context: ExceptionContext) -> None:
        error = context.original_exception
        if type(error) is sqlite3.DatabaseError:
            raise LibraryDamaged(f"{self.path} is damaged: {error}. {self._remedy}") from error
        if not isinstance(error, sqlite3.OperationalError):
            return
        if not self.path.exists():
            raise LibraryMissing(f"{self.path} is missing. {self._remedy}") from error
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise LibraryLocked(
                f"another process has been writing to {self.path} for {_BUSY_TIMEOUT_S:g} seconds. Try again."
            ) from error
        raise LibraryError(
            f"{self.path} cannot be used: {error}. Is the disk full or failing, or the file not yours to write?"
        ) from error


def _driver_of(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _keep_log(connection: sqlite3.Connection) -> None:
    """Give the file a write-ahead log if it has none yet.

    Two that open a new file do so at the same time, and SQLite refuses one of them at once, whatever its busy timeout.
    """
    end = time.monotonic() + _BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _log_of(path: Path) -> Path:
    """The write-ahead log of the database file `path`."""
    return path.with_name(f"{path.name}-wal")


def _has_log(path: Path) -> bool:
    """Whether the write-ahead log holds commits that the file lacks."""
    log = _log_of(path)
    return log.exists() and log.stat().st_size > 0


@lru_cache(maxsize=10_000)
def _fold(text: str | None) -> str | None:
    """Cached: it is called for each photo, but there are few names of cameras."""
    return None if text is None else fold(text)


@lru_cache(maxsize=10_000)
def _name_key(name: str | None) -> str | None:
    """Cached: it is called for each tag of each photo, but there are few tags."""
    return None if name is None else name_key(name)


@lru_cache(maxsize=10_000)
def _words(text: str | None) -> str | None:
    """Cached: there are few names of places."""
    return None if text is None else spaced_words(text)


@lru_cache(maxsize=10_000)
def _fold_path(path: bytes) -> bytes:
    """Cached: it is called for each file, but there are few folders."""
    return os.fsencode(fold_path(os.fsdecode(path)))
