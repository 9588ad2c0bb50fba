"""Copy a catalog into another database: for backups, and to move it to a server and back."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlalchemy import delete, insert, inspect, select

from indexer.library import migrations
from indexer.library.catalog import METADATA, found_text_index_table, text_index_table
from indexer.library.database import Database
from indexer.library.errors import LibraryError
from indexer.library.sqlite import SqliteDatabase
from model.atomic import remove_leftovers, replacing

_ROWS_AT_ONCE = 1000


def back_up(catalog: Database, target: Path) -> None:
    """Copy the catalog into the file `target`, all or nothing. It may be in use.

    The file is one of SQLite, whatever holds the catalog: it is a catalog itself, and needs no server to be read.
    """
    if isinstance(catalog, SqliteDatabase):
        catalog.back_up(target)
        return
    remove_leftovers(target)
    with replacing(target) as new, closing(SqliteDatabase(new, remedy="Make the backup again.")) as copy:
        copy_catalog(catalog, copy)


def copy_catalog(source: Database, target: Database) -> None:
    """Copy one state of the catalog `source` into the empty database `target`, in one transaction.

    Raises LibraryError if `target` is not empty.
    """
    target.create()
    with source.connect() as reader, target.begin() as writer:
        if migrations.revision(writer) is not None:
            raise LibraryError(f"{target.name} holds a catalog already. Name an empty database.")
        migrations.upgrade(writer, migrations.revision(reader))
        stored = inspect(reader)
        for table in reversed(METADATA.sorted_tables):
            if stored.has_table(table.name):
                writer.execute(delete(table))
        for table in (*METADATA.sorted_tables, text_index_table, found_text_index_table):
            if not stored.has_table(table.name):
                continue
            names = {column["name"] for column in stored.get_columns(table.name)}  # of an older version, not all
            rows = reader.execution_options(yield_per=_ROWS_AT_ONCE).execute(
                select(*(column for column in table.c if column.name in names))
            )
            for part in rows.mappings().partitions():
                writer.execute(insert(table), [dict(row) for row in part])
