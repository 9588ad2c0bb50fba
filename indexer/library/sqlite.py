"""All that is particular to SQLite: opening, watching, checking and backing up a file, and SQL of its dialect."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Integer,
    LargeBinary,
    SQLColumnExpression,
    String,
    cast,
    create_engine,
    event,
    func,
)
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from indexer.library.errors import LibraryDamaged, LibraryError, LibraryLocked, LibraryMissing
from indexer.library.file_version import file_version
from indexer.library.lifetime import Lifetime
from indexer.library.text_analysis import fold, fold_path
from model.atomic import remove_leftovers, replacing

_BUSY_TIMEOUT_S = 10.0
_WRITES = "pixelseek_writes"
_FILE = "file"


class SqliteDatabase:
    """A database file (see `database.Database`).

    With a write-ahead log, so that readers never wait for the writer; with foreign keys and whole transactions.
    Where another file has taken the place of this one, that one is read from the next transaction on.

    What SQLite cannot do with the file is raised as LibraryError: LibraryDamaged with the `remedy`, LibraryMissing
    where there is no file, LibraryLocked where another process writes for too long. After `close`, or once `lifetime`
    has ended, LibraryClosed is raised. In a folder that nobody here can write the file is read as it lies there: SQLite
    would make files beside it to share it with writers.
    """

    def __init__(self, path: Path, *, remedy: str, lifetime: Lifetime | None = None) -> None:
        self.path = path
        self._remedy = remedy
        self.lifetime = lifetime or Lifetime(str(path))
        """Keeps the database open for those that use it."""
        self._as_it_lies = path.exists() and not os.access(path.parent, os.W_OK) and not _has_log(path)
        # Opened for reading and writing, a file that is missing is not made: an empty one would hide that.
        how = {"immutable": "1"} if self._as_it_lies else {"mode": "rw"}
        name = f"file:{quote(os.fsencode(path))}"
        self._engine = create_engine(URL.create("sqlite", database=name, query={"uri": "true", **how}))
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
        """Make an empty file where there is none. Raises LibraryError."""
        try:
            if not self.path.exists():
                self.path.touch()
        except OSError as error:
            raise LibraryError(f"{self.path} cannot be made: {error.strerror}.") from error

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database and cannot write."""
        with self.lifetime.inside(), self._engine.connect() as connection:
            if connection.info[_FILE] != file_version(self.path):
                connection.invalidate()  # the next statement opens the file that is there now
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that is the only one to write from its beginning to its end.

        It waits for another one first. One that began as a reader could not wait: what it has read may be out of date.
        """
        with self.connect() as connection:
            with connection.execution_options(**{_WRITES: True}).begin():
                yield connection
            self._empty_log(connection)

    def version(self) -> object:
        """What changes when another connection has committed or another file has taken this one's place.

        For one thread at a time.
        """
        with self.lifetime.inside():
            file = file_version(self.path)
            if self._watch is not None and self._watch.info[_FILE] != file:
                self._stop_watching()
            if self._watch is None:
                self._watch = self._engine.connect()
            with self._watch.begin():
                return file, self._watch.exec_driver_sql("PRAGMA data_version").scalar_one()

    def close(self) -> None:
        """Close all connections for good, once those in use have been given back."""
        self.lifetime.close()
        self._stop_watching()
        self._engine.dispose()

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file, in its own words; empty when all is well."""
        with self.connect() as connection:
            lines = [line for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars() if line != "ok"]
            broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        return lines + [f"table {row[0]} refers to a row of {row[2]} that is not there" for row in broken]

    def back_up(self, target: Path) -> None:
        """Copy the database, which may be in use, whole or not at all."""
        remove_leftovers(target)
        with (
            replacing(target) as new,
            closing(sqlite3.connect(self.path)) as reader,
            closing(sqlite3.connect(new)) as writer,
        ):
            reader.backup(writer)

    def _stop_watching(self) -> None:
        if self._watch is not None:
            self._watch.invalidate()
            self._watch.close()
            self._watch = None

    def _note_file(self, _dialect: Dialect, record: ConnectionPoolEntry, _args: object, _named: object) -> None:
        # Before it is opened: a file that comes later is then taken for another one, never for the one that is open.
        record.info[_FILE] = file_version(self.path)

    def _prepare(self, connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
        # pysqlite would begin a transaction only at the first INSERT, and leave CREATE TABLE outside it. Here BEGIN
        # comes first, so that a migration is all or nothing.
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * _BUSY_TIMEOUT_S)}")
        if not self._as_it_lies:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("fold", 1, _fold, deterministic=True)
        connection.create_function("fold_path", 1, _fold_path, deterministic=True)

    @staticmethod
    def _empty_log(connection: Connection) -> None:
        """Move what was committed from the log into the file, unless somebody is still reading what was there before.

        Whoever puts another file in the place of this one, and leaves the log where it is, would have SQLite add to
        that file what was meant for this one.
        """
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA busy_timeout = 0")
        with suppress(sqlite3.Error):  # a full disk, for example: it is committed all the same
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        driver.execute(f"PRAGMA busy_timeout = {round(1000 * _BUSY_TIMEOUT_S)}")

    @staticmethod
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

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


def _has_log(path: Path) -> bool:
    """Whether commits wait beside the database: without them it may not be whole."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def path_in(folder: SQLColumnExpression[str], path: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    """The bytes of the absolute path of a file in a folder, with A to Z as a to z.

    Bytes, because LIKE takes all that are no text for one another.
    """
    return cast(func.lower(cast(folder, String) + "/" + cast(path, String)), LargeBinary)


def folded(text: SQLColumnExpression[str | None]) -> ColumnElement[str]:
    """The text as `text_analysis.fold` makes it."""
    return func.fold(text, type_=String)


@lru_cache(maxsize=10_000)
def _fold(text: str | None) -> str | None:
    """Called for each photo; the name of a camera is folded once."""
    return None if text is None else fold(text)


def folder_in(folder: SQLColumnExpression[str], path: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    """The bytes of the absolute path of the folder in which a file lies, as `text_analysis.fold_path` makes it."""
    below = cast(directory_of(path), String)
    return func.fold_path(cast(cast(folder, String) + "/" + below, LargeBinary), type_=LargeBinary)


@lru_cache(maxsize=10_000)
def _fold_path(path: bytes) -> bytes:
    """Called for each file; a folder's name is folded once."""
    return os.fsencode(fold_path(os.fsdecode(path)))


def position(path: ColumnElement[bytes], part: str) -> ColumnElement[int]:
    """Where `part` begins in what `folder_in` made, from 1; 0 for nowhere."""
    return func.instr(path, os.fsencode(part), type_=Integer)


def ends_with(path: ColumnElement[bytes], ending: str) -> ColumnElement[bool]:
    """Whether what `path_in` made ends so."""
    wanted = os.fsencode(ending).lower()
    return func.substr(path, -len(wanted)) == wanted


def directory_of(path: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    """The bytes of `path` up to its last slash; none where there is no slash."""
    name_last = cast(path, String)
    return cast(func.rtrim(name_last, func.replace(name_last, "/", "")), LargeBinary)


def create_text_index(connection: Connection, name: str, column: str) -> None:
    """Make an index of texts that are tokens with a space between two: no tokenizer here decides what a word is.

    FTS5's tokenizer `ascii` parts at ASCII's spaces and signs only, and takes all else for letters.
    """
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE {name} USING fts5({column}, tokenize = 'ascii')")


def holds_words(column: SQLColumnExpression[str], tokens: str) -> ColumnElement[bool]:
    """Whether `tokens`, with a space between two, stand side by side in a text of such an index."""
    return column.match(f'"{tokens}"')
