from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from indexer.library import sqlite
from indexer.library.errors import LibraryClosed, LibraryError, LibraryLocked, LibraryMissing
from indexer.library.sqlite import SqliteDatabase
from tests.indexer.crashes import ROOT
from tests.indexer.library.number_table import add, create, read

_ADD_UP = """
import sys
from contextlib import closing
from pathlib import Path
from sqlalchemy import text
from indexer.library.sqlite import SqliteDatabase

with closing(SqliteDatabase(Path(sys.argv[1]), remedy="")) as database:
    database.create()
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS number (value INTEGER)"))
    for _ in range(40):
        with database.begin() as connection:
            most = connection.execute(text("SELECT max(value) FROM number")).scalar() or 0
            connection.execute(text("INSERT INTO number VALUES (:value)"), {"value": most + 1})
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SqliteDatabase]:
    with closing(numbers(tmp_path / "numbers.sqlite", 1)) as opened:
        yield opened


def numbers(path: Path, *values: int) -> SqliteDatabase:
    database = SqliteDatabase(path, remedy="Put a backup in its place.")
    create(database)
    for value in values:
        add(database, value)
    return database


def test_what_one_writer_reads_another_has_not_changed_when_it_writes(tmp_path: Path) -> None:
    """Four processes read the largest number and write the next one: as readers first, they would be refused."""
    path = tmp_path / "numbers.sqlite"
    runs = [
        subprocess.Popen([sys.executable, "-c", _ADD_UP, str(path)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [("", 0)] * 4
    with closing(SqliteDatabase(path, remedy="")) as database:
        assert read(database) == list(range(1, 161))


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO number VALUES (2)",
        "UPDATE number SET value = 2",
        "DELETE FROM number",
        "CREATE TABLE other (value INTEGER)",
        "DROP TABLE number",
    ],
)
def test_a_reader_cannot_write_so_that_no_transaction_begins_as_the_wrong_one(
    database: SqliteDatabase, statement: str
) -> None:
    with pytest.raises(LibraryError, match="attempt to write"), database.connect() as connection:
        connection.execute(text(statement))
    with database.begin() as connection:  # the same connection, from the pool
        connection.execute(text("UPDATE number SET value = 7"))
    with pytest.raises(LibraryError, match="attempt to write"), database.connect() as connection:
        connection.execute(text(statement))
    assert read(database) == [7]


def test_readers_do_not_wait_for_a_writer_and_see_nothing_of_it(database: SqliteDatabase) -> None:
    with database.begin() as writer:
        writer.execute(text("INSERT INTO number VALUES (2)"))
        assert read(database) == [1]
    assert read(database) == [1, 2]


def test_many_open_a_new_file_at_the_same_time(tmp_path: Path) -> None:
    def count(path: Path, together: threading.Barrier) -> int:
        with closing(SqliteDatabase(path, remedy="")) as database:
            database.create()
            together.wait()
            with database.connect() as connection:
                tables: int = connection.execute(text("SELECT count(*) FROM sqlite_master")).scalar_one()
                return tables

    with ThreadPoolExecutor(4) as pool:
        for number in range(200):  # about one in fifty was refused
            together = threading.Barrier(4)
            opened = [pool.submit(count, tmp_path / f"{number}.sqlite", together) for _ in range(4)]
            assert [each.result() for each in opened] == [0] * 4


def test_a_transaction_that_fails_leaves_no_trace(database: SqliteDatabase) -> None:
    def fail() -> None:
        with database.begin() as connection:
            connection.execute(text("INSERT INTO number VALUES (2)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert read(database) == [1]
    add(database, 3)
    assert read(database) == [1, 3]


def test_waiting_too_long_for_another_writer_is_an_error_that_says_so(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.1)
    with closing(SqliteDatabase(database.path, remedy="")) as other, database.begin():
        with pytest.raises(LibraryLocked, match=r"numbers\.sqlite for 0\.1 seconds\. Try again"):
            add(other, 2)
        assert read(other) == [1]


class TestAnotherFile:
    """takes the place of the one that is open."""

    @pytest.fixture
    def backup(self, tmp_path: Path) -> Path:
        numbers(tmp_path / "backup.sqlite", 5, 6).close()
        return tmp_path / "backup.sqlite"

    def move(self, backup: Path, path: Path) -> None:
        backup.replace(path)

    def copy_over(self, backup: Path, path: Path) -> None:
        shutil.copyfile(backup, path)

    def delete_and_copy(self, backup: Path, path: Path) -> None:
        for name in ("", "-wal", "-shm"):
            path.with_name(path.name + name).unlink(missing_ok=True)
        shutil.copyfile(backup, path)

    def restore(self, backup: Path, path: Path) -> None:
        """As `sqlite3 catalog.sqlite ".restore backup.sqlite"` does."""
        with closing(sqlite3.connect(backup)) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)

    @pytest.mark.parametrize("replace", [move, copy_over, delete_and_copy, restore])
    def test_it_is_read_and_written_from_then_on(self, database: SqliteDatabase, backup: Path, replace: object) -> None:
        assert callable(replace)
        version = database.version()
        assert read(database) == [1]
        assert database.version() == version
        replace(self, backup, database.path)
        assert database.version() != version
        assert read(database) == [5, 6]
        add(database, 7)
        assert read(database) == [5, 6, 7]
        with closing(SqliteDatabase(database.path, remedy="")) as other:
            assert read(other) == [5, 6, 7]
            assert other.damage() == []

    def test_who_is_reading_reads_the_old_one_to_the_end(self, database: SqliteDatabase, backup: Path) -> None:
        with database.connect() as connection:
            assert connection.execute(text("SELECT value FROM number")).scalars().all() == [1]
            self.delete_and_copy(backup, database.path)
            assert read(database) == [5, 6]  # a connection of its own
            assert connection.execute(text("SELECT value FROM number")).scalars().all() == [1]
        assert read(database) == [5, 6]

    def test_one_that_is_missing_is_named_and_not_made_anew(self, database: SqliteDatabase, backup: Path) -> None:
        for name in ("", "-wal", "-shm"):
            database.path.with_name(database.path.name + name).unlink(missing_ok=True)
        for use in (read, lambda opened: add(opened, 2)):
            with pytest.raises(LibraryMissing, match=r"numbers\.sqlite is missing\. Put a backup in its place"):
                use(database)
        assert not database.path.exists()
        backup.replace(database.path)
        assert read(database) == [5, 6]


class TestClosing:
    def test_it_is_final(self, database: SqliteDatabase) -> None:
        database.version()
        database.close()
        database.close()
        for use in (read, lambda opened: add(opened, 2), SqliteDatabase.version, SqliteDatabase.damage):
            with pytest.raises(LibraryClosed, match=r"numbers\.sqlite has been closed"):
                use(database)

    def test_it_waits_for_who_is_inside(self, database: SqliteDatabase) -> None:
        reading, go_on, order = threading.Event(), threading.Event(), list[str]()

        def reader() -> None:
            with database.connect() as connection:
                reading.set()
                go_on.wait()
                assert read(database) == [1]  # a call inside a call is not turned away
                connection.execute(text("SELECT value FROM number")).scalars().all()
                order.append("read")

        def closer() -> None:
            database.close()
            order.append("closed")

        threads = [threading.Thread(target=reader), threading.Thread(target=closer)]
        threads[0].start()
        reading.wait()
        threads[1].start()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:  # until nobody new is let in
            try:
                read(database)
            except LibraryClosed:
                break
        assert order == []
        go_on.set()
        for thread in threads:
            thread.join()
        assert order == ["read", "closed"]
