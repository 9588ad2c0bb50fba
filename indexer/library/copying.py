"""Copy a catalog into another database: for backups, and to move it to a server and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, TableClause, delete, func, insert, inspect, select

from indexer.library import migrations
from indexer.library.catalog import METADATA, found_text_index_table, text_index_table
from indexer.library.database import Database
from indexer.library.errors import LibraryError
from indexer.library.sql import sql_of
from indexer.library.sqlite import SqliteDatabase
from model.atomic import remove_leftovers, replacing

_ROWS_AT_ONCE = 1000

Progress = Callable[[int], object]
"""Is told of so many rows more."""


class Digest(NamedTuple):
    """What all rows of a table amount to, in whatever order they are read."""

    rows: int
    checksum: str


def back_up(catalog: Database, target: Path) -> None:
    """Copy the catalog into the file `target`, all or nothing. It may be in use.

    The file is one of SQLite, whatever holds the catalog: it is a catalog itself, and needs no server to be read.
    """
    if isinstance(catalog, SqliteDatabase):
        catalog.back_up(target)
        return
    remove_leftovers(target)
    with replacing(target) as new, closing(SqliteDatabase(new, remedy="Make the backup again.")) as copy:
        copy.create()
        with catalog.connect() as reader, copy.begin() as writer:
            migrations.upgrade(writer, migrations.revision(reader))
            copy_rows(reader, writer)


def copy_rows(source: Connection, target: Connection, *, progress: Progress = lambda _: None) -> None:
    """Replace all rows of the catalog `target` by those of the catalog `source`. Their schemas are the same."""
    tables = _tables(source)
    for table in reversed(tables):
        target.execute(delete(table))
    for table in tables:
        for rows in _rows(source, table):
            target.execute(insert(table), [dict(row) for row in rows])
            progress(len(rows))
    for table in METADATA.sorted_tables:
        if table.autoincrement_column is not None and table in tables:
            sql_of(target).set_last_id(target, table, sql_of(source).last_id(source, table))


def count_rows(catalog: Connection) -> int:
    """How many rows all tables of the catalog have."""
    return sum(catalog.execute(select(func.count()).select_from(table)).scalar_one() for table in _tables(catalog))


def digests(catalog: Connection, *, progress: Progress = lambda _: None) -> dict[str, Digest]:
    """What the rows of each table of the catalog amount to: the same in SQLite and in PostgreSQL."""
    amounts = {}
    for table in _tables(catalog):
        count = total = 0
        for rows in _rows(catalog, table):
            for row in rows:
                line = json.dumps(list(row.values()), default=bytes.hex).replace(
                    "\\u0000", " "
                )  # as PostgreSQL stores it
                total += int.from_bytes(blake2b(line.encode(), digest_size=16).digest())
            count += len(rows)
            progress(len(rows))
        amounts[table.name] = Digest(count, f"{total % (1 << 128):032x}")
    return amounts


def require_same(source: Mapping[str, Digest], target: Mapping[str, Digest]) -> None:
    """Raise LibraryError, which names a table that is not the same in both catalogs."""
    for name, digest in source.items():
        if target.get(name) != digest:
            raise LibraryError(
                f"the copy of the table {name} has other rows than the table itself. The catalog stays where it was. "
                "Try again, and report it if it happens twice."
            )


def _tables(catalog: Connection) -> list[TableClause]:
    """The tables of a catalog, which an older version has not all of. None refers to one that comes after it."""
    stored = inspect(catalog)
    tables = (*METADATA.sorted_tables, text_index_table, found_text_index_table)
    return [table for table in tables if stored.has_table(table.name)]


def _rows(catalog: Connection, table: TableClause) -> Iterator[Sequence[RowMapping]]:
    """All rows of a table, some at a time, with the columns that the catalog has."""
    names = {column["name"] for column in inspect(catalog).get_columns(table.name)} | {"rowid"}  # which SQLite hides
    query = select(*(column for column in table.c if column.name in names))
    rows = catalog.execute(query, execution_options={"yield_per": _ROWS_AT_ONCE})
    return rows.mappings().partitions()
