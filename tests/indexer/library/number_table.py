"""A table `number` of one column, to test databases with."""

from __future__ import annotations

from sqlalchemy import text

from indexer.library.database import Database


def create(database: Database) -> None:
    database.create()
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE number (value INTEGER)"))


def add(database: Database, value: int) -> None:
    with database.begin() as connection:
        connection.execute(text("INSERT INTO number VALUES (:value)"), {"value": value})


def read(database: Database) -> list[int]:
    with database.connect() as connection:
        return list(connection.execute(text("SELECT value FROM number ORDER BY value")).scalars())
