"""What a catalog says in SQLite's own SQL (`sql.CatalogSql`). `sqlite.SqliteDatabase` has the functions it calls."""

from __future__ import annotations

import os

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    LargeBinary,
    SQLColumnExpression,
    String,
    Table,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    select,
    table,
)

from indexer.library.text_analysis import fold, fold_path, spaced_words

_sequence = table("sqlite_sequence", column("name", String), column("seq", Integer))


def create_text_index(connection: Connection, name: str) -> None:
    """The tokenizer `ascii` of FTS5 splits only at ASCII spaces and punctuation."""
    connection.exec_driver_sql(f"CREATE VIRTUAL TABLE {name} USING fts5(tokens, tokenize = 'ascii')")


def last_id(connection: Connection, table: Table) -> int:
    """Of a table without AUTOINCREMENT, SQLite knows no more than the rows that are there."""
    largest = connection.execute(select(func.max(*table.primary_key))).scalar_one() or 0
    if not table.dialect_options["sqlite"]["autoincrement"]:
        return largest
    return connection.execute(select(_sequence.c.seq).where(_sequence.c.name == table.name)).scalar_one_or_none() or 0


def set_last_id(connection: Connection, table: Table, last_id: int) -> None:
    """It is a row of a table of SQLite's own, which has no key."""
    if table.dialect_options["sqlite"]["autoincrement"]:
        connection.execute(delete(_sequence).where(_sequence.c.name == table.name))
        connection.execute(insert(_sequence).values(name=table.name, seq=last_id))


def holds_words(tokens: SQLColumnExpression[str], words: str) -> ColumnElement[bool]:
    """As a phrase of FTS5."""
    return tokens.match(f'"{words}"')


def contains_folded(_: Connection, text: SQLColumnExpression[str | None], part: str) -> ColumnElement[bool]:
    """Each text is folded in the query."""
    return func.fold(text, type_=String).contains(fold(part), autoescape=True)


def contains_words(_: Connection, text: SQLColumnExpression[str | None], words: str) -> ColumnElement[bool]:
    """Each text is taken apart in the query."""
    return func.words(text, type_=String).contains(spaced_words(words), autoescape=True)


def holds_text(_: Connection, texts: SQLColumnExpression[list[str]], text: str) -> ColumnElement[bool]:
    """By a table of the list's texts."""
    value = func.json_each(texts).table_valued("value")
    return exists(select(value.c.value).where(func.fold(value.c.value, type_=String) == fold(text)))


def names_in(
    _: Connection, texts: SQLColumnExpression[list[str]]
) -> tuple[FromClause, ColumnElement[str], ColumnElement[str]]:
    """Each text's key is made in the query."""
    values = func.json_each(texts).table_valued(column("value", String))
    return values, values.c.value, func.name_key(values.c.value, type_=String)


def is_in_folder(
    _: Connection, folder: SQLColumnExpression[str], path: SQLColumnExpression[str], name: str
) -> ColumnElement[bool]:
    """Each folder is folded in the query."""
    below = cast(directory_of(path), String)
    folded = func.fold_path(cast(cast(folder, String) + "/" + below, LargeBinary), type_=LargeBinary)
    begins_at = func.instr(folded, os.fsencode(fold_path(name)), type_=Integer)
    return begins_at == 1 if name.startswith("/") else begins_at > 0


def ends_with(folder: SQLColumnExpression[str], path: SQLColumnExpression[str], ending: str) -> ColumnElement[bool]:
    """Bytes are compared, because LIKE does not distinguish between bytes that are not valid text."""
    whole = cast(func.lower(cast(folder, String) + "/" + cast(path, String)), LargeBinary)
    suffix = os.fsencode(ending).lower()
    return func.substr(whole, -len(suffix)) == suffix


def directory_of(path: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    """All that is no slash is trimmed from the end."""
    text = cast(path, String)
    return cast(func.rtrim(text, func.replace(text, "/", "")), LargeBinary)
