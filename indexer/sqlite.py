"""All that is particular to SQLite: how a database is opened, watched, backed up and checked."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    SQLColumnExpression,
    String,
    cast,
    create_engine,
    event,
    func,
)
from sqlalchemy.engine import ExceptionContext

from indexer.errors import LibraryDamaged, LibraryError
from indexer.words import fold_path
from model.atomic import remove_leftovers, replacing

_BUSY_TIMEOUT_MS = 10_000


def connect(path: Path, *, remedy: str) -> Engine:
    """An engine for the database at `path`: write-ahead log, foreign keys, whole transactions.

    What SQLite cannot do with the file is raised as LibraryError, or LibraryDamaged with the `remedy`. In a folder
    that nobody here can write it is read as it lies there: SQLite would make files beside it to share it with writers.
    Readers never wait for the writer. pysqlite would begin a transaction only at the first INSERT and
    leave CREATE TABLE outside it; here BEGIN comes first, so that a migration is all or nothing.
    """
    as_it_lies = path.exists() and not os.access(path.parent, os.W_OK) and not _has_log(path)
    engine = create_engine(
        URL.create("sqlite", database=f"file:{quote(str(path))}", query={"uri": "true", "immutable": "1"})
        if as_it_lies
        else URL.create("sqlite", database=str(path))
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
        if not as_it_lies:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("fold_path", 1, _fold_path, deterministic=True)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    @event.listens_for(engine, "handle_error")
    def _explain(context: ExceptionContext) -> None:
        error = context.original_exception
        if type(error) is sqlite3.DatabaseError:
            raise LibraryDamaged(f"{path} is damaged: {error}. {remedy}") from error
        if isinstance(error, sqlite3.OperationalError):
            raise LibraryError(
                f"{path} cannot be used: {error}. Is the disk full or failing, or the file not yours to write?"
            ) from error

    return engine


def _has_log(path: Path) -> bool:
    """Whether commits wait beside the database: without them it may not be whole."""
    log = path.with_name(f"{path.name}-wal")
    return log.exists() and log.stat().st_size > 0


def change_counter(connection: Connection) -> int:
    """A number that moves when another connection has committed; compare two from one connection."""
    with connection.begin():
        return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())


def path_in(folder: SQLColumnExpression[str], path: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    """The bytes of the absolute path of a file in a folder, with A to Z as a to z.

    Bytes, because LIKE takes all that are no text for one another.
    """
    return cast(func.lower(cast(folder, String) + "/" + cast(path, String)), LargeBinary)


def folder_in(folder: SQLColumnExpression[str], path: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    """The bytes of the absolute path of the folder in which a file lies, as `words.fold_path` makes it."""
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


def back_up(source: Path, target: Path) -> None:
    """Copy a database that may be in use, whole or not at all."""
    remove_leftovers(target)
    with replacing(target) as new, closing(sqlite3.connect(source)) as reader, closing(sqlite3.connect(new)) as writer:
        reader.backup(writer)


def damage(engine: Engine) -> list[str]:
    """What SQLite finds wrong with the file, in its own words; empty when all is well."""
    with engine.connect() as connection:
        lines = [line for line in connection.exec_driver_sql("PRAGMA integrity_check").scalars() if line != "ok"]
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    return lines + [f"table {row[0]} refers to a row of {row[2]} that is not there" for row in broken]
