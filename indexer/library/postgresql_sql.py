"""What a catalog says in PostgreSQL's own SQL (`sql.CatalogSql`).

PostgreSQL cannot fold a text as `text_analysis` does. So the different values are read, and compared here: there are
few cameras, places, tags and folders beside the photos that have them. The query then asks for those that match.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    LargeBinary,
    Select,
    SQLColumnExpression,
    String,
    Table,
    TableValuedAlias,
    and_,
    any_,
    cast,
    column,
    exists,
    false,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY

from indexer.library.catalog import folder_table, location_table
from indexer.library.text_analysis import fold, fold_path, name_key, spaced_words

Value = TypeVar("Value")

_MAX_LEXEME = 200
"""Characters. PostgreSQL refuses lexemes of more than 2,046 bytes."""


def create_text_index(connection: Connection, name: str) -> None:
    """A table, with an index of PostgreSQL's text search.

    The tokens become lexemes as they are. A parser of PostgreSQL would take them apart again, and drop emoji.
    """
    connection.exec_driver_sql(
        f"""
        CREATE OR REPLACE FUNCTION lexemes_of(tokens text) RETURNS tsvector
        LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
            SELECT array_to_tsvector(array_remove(
                string_to_array(regexp_replace(tokens, '([^ ]{{{_MAX_LEXEME}}})[^ ]+', '\\1', 'g'), ' '), ''
            ))
        $$;
        CREATE TABLE {name} (rowid bigint CONSTRAINT pk_{name} PRIMARY KEY, tokens text NOT NULL);
        CREATE INDEX ix_{name}_tokens ON {name} USING gin (lexemes_of(tokens));
        """
    )


def last_id(connection: Connection, table: Table) -> int:
    """Of the sequence of the table."""
    row = connection.exec_driver_sql(f"SELECT last_value, is_called FROM {_sequence_of(connection, table)}").one()
    return row.last_value if row.is_called else 0


def set_last_id(connection: Connection, table: Table, last_id: int) -> None:
    """Of the sequence of the table. It cannot be set to 0."""
    connection.execute(select(func.setval(_sequence_of(connection, table), max(last_id, 1), last_id > 0)))


def _sequence_of(connection: Connection, table: Table) -> str:
    (key,) = table.primary_key
    return str(connection.execute(select(func.pg_get_serial_sequence(table.name, key.name))).scalar_one())


def holds_words(tokens: SQLColumnExpression[str], words: str) -> ColumnElement[bool]:
    """The index finds the texts with all lexemes; of these, those with the phrase are taken."""
    lexemes = dict.fromkeys(word[:_MAX_LEXEME] for word in words.split(" "))
    quoted = ("'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'" for lexeme in lexemes)
    has_all = func.lexemes_of(tokens).op("@@", is_comparison=True)(cast(" & ".join(quoted), TSQUERY))
    return and_(has_all, func.strpos(literal(" ") + tokens + " ", f" {words} ") > 0)


def contains_folded(connection: Connection, text: SQLColumnExpression[str | None], part: str) -> ColumnElement[bool]:
    """Of the different texts, those that contain it."""
    folded = fold(part)
    return _is_one_of(connection, text, select(text).distinct(), lambda value: folded in fold(value))


def contains_words(connection: Connection, text: SQLColumnExpression[str | None], words: str) -> ColumnElement[bool]:
    """Of the different texts, those that contain them."""
    spaced = spaced_words(words)
    return _is_one_of(connection, text, select(text).distinct(), lambda value: spaced in spaced_words(value))


def holds_text(connection: Connection, texts: SQLColumnExpression[list[str]], text: str) -> ColumnElement[bool]:
    """Of the different texts in the lists, those that are it."""
    folded, element = fold(text), _elements(texts)
    query = select(func.json_array_elements_text(texts, type_=String)).distinct()
    is_it = _is_one_of(connection, element.c.value, query, lambda value: fold(value) == folded)
    return exists(select(element.c.value).where(is_it))


def names_in(
    connection: Connection, texts: SQLColumnExpression[list[str]]
) -> tuple[FromClause, ColumnElement[str], ColumnElement[str]]:
    """The keys of the different texts are made here, and joined as a table."""
    names = connection.execute(select(func.json_array_elements_text(texts, type_=String)).distinct()).scalars().all()
    arrays = (literal(values, ARRAY(String)) for values in (names, [name_key(name) for name in names]))
    keys = func.unnest(*arrays).table_valued(column("name", String), column("key", String)).render_derived()
    element = _elements(texts)
    joined = select(element.c.value, keys.c.key).select_from(element).join(keys, keys.c.name == element.c.value)
    table = joined.lateral()
    return table, table.c.value, table.c.key


def is_in_folder(
    connection: Connection, folder: SQLColumnExpression[str], path: SQLColumnExpression[str], name: str
) -> ColumnElement[bool]:
    """Of the different folders, those that are it or lie in it."""
    directory = _joined(folder, directory_of(path))
    part, is_absolute = fold_path(name), name.startswith("/")

    def is_in(value: bytes) -> bool:
        folded = fold_path(os.fsdecode(value))
        return folded.startswith(part) if is_absolute else part in folded

    return _is_one_of(
        connection, directory, select(directory).join_from(location_table, folder_table).distinct(), is_in
    )


def ends_with(folder: SQLColumnExpression[str], path: SQLColumnExpression[str], ending: str) -> ColumnElement[bool]:
    """Bytes are compared as text: those that are not ASCII are written as numbers."""
    suffix = func.encode(literal(os.fsencode(ending).lower(), LargeBinary), "escape")
    whole = func.lower(func.encode(_joined(folder, path), "escape").collate("C"))
    return func.right(whole, func.length(suffix)) == suffix


def directory_of(path: SQLColumnExpression[str]) -> ColumnElement[bytes]:
    """All that is no slash is cut from the end; bytes that are not ASCII are written as numbers meanwhile."""
    text = func.regexp_replace(func.encode(type_coerce(path, LargeBinary), "escape"), "[^/]*$", "")
    return func.decode(text, "escape", type_=LargeBinary)


def _joined(folder: SQLColumnExpression[str], path: SQLColumnExpression[Any]) -> ColumnElement[bytes]:
    join = type_coerce(folder, LargeBinary).op("||", return_type=LargeBinary())
    return join(literal(b"/", LargeBinary)).op("||", return_type=LargeBinary())(type_coerce(path, LargeBinary))


def _elements(texts: SQLColumnExpression[list[str]]) -> TableValuedAlias:
    return func.json_array_elements_text(texts).table_valued(column("value", String)).render_derived()


def _is_one_of(
    connection: Connection,
    expression: SQLColumnExpression[Value | None] | SQLColumnExpression[Value],
    different: Select[Value | None] | Select[Value],
    matches: Callable[[Value], bool],
) -> ColumnElement[bool]:
    """Whether the expression is one of the values, of all those that `different` selects, that match."""
    matching = [value for value in filter(None, connection.execute(different).scalars()) if matches(value)]
    kind = LargeBinary if matching and isinstance(matching[0], bytes) else String
    return expression == any_(literal(matching, ARRAY(kind))) if matching else false()
