"""What a catalog says in SQL that is not the same in each database: there is a module of it for each."""

from __future__ import annotations

from typing import Protocol

from sqlalchemy import ColumnElement, Connection, FromClause, SQLColumnExpression, Table

from indexer.library import sqlite_sql


class CatalogSql(Protocol):
    """Conditions and expressions in the SQL of one kind of database.

    Texts are compared as `text_analysis` folds them, which is Python. SQLite calls it from a query. PostgreSQL cannot:
    it is asked for the different texts first, through the connection, and then for those of them that match.
    """

    def create_text_index(self, connection: Connection, name: str, /) -> None:
        """Create a full-text index with the columns `rowid` and `tokens`: a text with a space between its tokens."""

    def last_id(self, connection: Connection, table: Table, /) -> int:
        """The largest id that a row of the table was ever given by the database; 0 if none was."""

    def set_last_id(self, connection: Connection, table: Table, last_id: int, /) -> None:
        """Let the next row of the table get a larger id than `last_id`, which is not below that of any row."""

    def holds_words(self, tokens: SQLColumnExpression[str], words: str, /) -> ColumnElement[bool]:
        """Whether a text of a full-text index has `words`, tokens with spaces between, as a phrase."""

    def contains_folded(
        self, connection: Connection, text: SQLColumnExpression[str | None], part: str, /
    ) -> ColumnElement[bool]:
        """Whether `part` occurs in the text, both folded by `text_analysis.fold`."""

    def contains_words(
        self, connection: Connection, text: SQLColumnExpression[str | None], words: str, /
    ) -> ColumnElement[bool]:
        """Whether `words` follow each other in the text, both taken apart by `text_analysis.spaced_words`."""

    def holds_text(
        self, connection: Connection, texts: SQLColumnExpression[list[str]], text: str, /
    ) -> ColumnElement[bool]:
        """Whether a JSON list of texts has `text` as one of them, compared folded."""

    def names_in(
        self, connection: Connection, texts: SQLColumnExpression[list[str]], /
    ) -> tuple[FromClause, ColumnElement[str], ColumnElement[str]]:
        """A table of the texts in a JSON list, to be joined; its texts; and their keys (`text_analysis.name_key`)."""

    def is_in_folder(
        self, connection: Connection, folder: SQLColumnExpression[str], path: SQLColumnExpression[str], name: str, /
    ) -> ColumnElement[bool]:
        """Whether a file, by its folder and its path in there, lies in the folder `name` or in one inside it.

        `name` is an absolute path, or the name of a folder anywhere. Both are folded by `text_analysis.fold_path`.
        """

    def ends_with(
        self, folder: SQLColumnExpression[str], path: SQLColumnExpression[str], ending: str, /
    ) -> ColumnElement[bool]:
        """Whether the path of a file has that ending, the case of ASCII letters aside."""

    def directory_of(self, path: SQLColumnExpression[str], /) -> ColumnElement[bytes]:
        """The bytes of `path` up to its last slash; empty without a slash."""


def sql_of(connection: Connection) -> CatalogSql:
    """The SQL of the database to which `connection` leads."""
    if connection.dialect.name == "sqlite":
        return sqlite_sql
    from indexer.library import postgresql_sql  # imported here: a catalog in a file need not wait for it

    return postgresql_sql
