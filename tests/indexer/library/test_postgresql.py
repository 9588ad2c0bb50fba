"""What only a catalog on PostgreSQL has: a server that goes away and comes back, and writers on several machines."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Connection, make_url, text

from indexer.library import postgresql
from indexer.library.annotations import count_matching_words
from indexer.library.catalog import text_index_table
from indexer.library.database import open_database
from indexer.library.defaults import recorded_weights
from indexer.library.errors import CatalogUnreachable, LibraryClosed, LibraryError, LibraryLocked, LibraryMissing
from indexer.library.filters import Filters
from indexer.library.library import Library
from indexer.library.postgresql import PostgresqlDatabase
from indexer.library.settings import FILE
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from tests.indexer.colour_runtime import ColourRuntime
from tests.indexer.desk import Desk, scribble
from tests.indexer.library.number_table import add, create, read
from tests.indexer.servers import PostgresqlServer

pytestmark = pytest.mark.scale


@pytest.fixture
def catalog(server: PostgresqlServer) -> str:
    return server.new_database()


@pytest.fixture
def database(catalog: str) -> Iterator[PostgresqlDatabase]:
    with closing(opened(catalog)) as database:
        create(database)
        yield database


def opened(url: str) -> PostgresqlDatabase:
    database = open_database(make_url(url), remedy="Ask for a backup.")
    assert isinstance(database, PostgresqlDatabase)
    return database


def end_sessions(server: PostgresqlServer, url: str) -> None:
    """As where a connection of the network is cut."""
    server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{make_url(url).database}'")


class TestTransactions:
    def test_what_one_writer_reads_another_has_not_changed_when_it_writes(
        self, database: PostgresqlDatabase, catalog: str
    ) -> None:
        def add_up() -> None:
            with closing(opened(catalog)) as own:
                for _ in range(10):
                    with own.begin() as connection:
                        most = connection.execute(text("SELECT max(value) FROM number")).scalar() or 0
                        connection.execute(text("INSERT INTO number VALUES (:value)"), {"value": most + 1})

        with ThreadPoolExecutor() as writers:
            for run in [writers.submit(add_up) for _ in range(4)]:
                run.result()
        assert read(database) == list(range(1, 41))

    def test_a_reader_sees_one_state_does_not_wait_and_cannot_write(self, database: PostgresqlDatabase) -> None:
        add(database, 1)
        with database.connect() as reader:
            assert reader.execute(text("SELECT value FROM number")).scalars().all() == [1]
            with database.begin() as writer:
                writer.execute(text("INSERT INTO number VALUES (2)"))
                assert read(database) == [1]
            assert reader.execute(text("SELECT value FROM number")).scalars().all() == [1]
        assert read(database) == [1, 2]
        with pytest.raises(LibraryError, match="read-only transaction"), database.connect() as reader:
            reader.execute(text("INSERT INTO number VALUES (3)"))
        add(database, 4)  # the same connection, from the pool

    def test_a_transaction_that_fails_leaves_no_trace(self, database: PostgresqlDatabase) -> None:
        def fail() -> None:
            with database.begin() as connection:
                connection.execute(text("INSERT INTO number VALUES (2)"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()
        assert read(database) == []

    def test_waiting_too_long_for_another_writer_is_an_error_that_says_so(
        self, database: PostgresqlDatabase, catalog: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(postgresql, "_LOCK_TIMEOUT_S", 0.1)
        with closing(opened(catalog)) as other, database.begin():
            with pytest.raises(LibraryLocked, match=r"has been writing to .* for 0\.1 seconds\. Try again"):
                add(other, 2)
            assert read(other) == []

    def test_the_version_changes_with_every_commit_and_with_nothing_else(
        self, database: PostgresqlDatabase, catalog: str
    ) -> None:
        versions = [database.version(), database.version()]
        with closing(opened(catalog)) as other:
            other.create()
            add(other, 1)
        versions.append(database.version())
        read(database)
        assert database.version() == versions[2] != versions[1] == versions[0]

    def test_closing_is_final(self, database: PostgresqlDatabase) -> None:
        database.close()
        for use in (read, PostgresqlDatabase.version, PostgresqlDatabase.damage):
            with pytest.raises(LibraryClosed):
                use(database)


class TestErrors:
    def test_an_unknown_database_a_wrong_password_and_a_missing_server_are_named_with_the_remedy(
        self, server: PostgresqlServer, catalog: str, tmp_path: Path
    ) -> None:
        server.require_password("guest")
        wrong = {
            catalog.replace("/photos", "/nothing"): 'database "nothing',
            catalog.replace("//pixelseek@", "//guest:sesame@"): 'password authentication failed for user "guest"',
            f"postgresql+psycopg://me:sesame@/photos?host={tmp_path}": "No such file or directory",
        }
        for url, reason in wrong.items():
            with closing(opened(url)) as database, pytest.raises(CatalogUnreachable, match=reason) as error:
                database.exists()
            assert "correct the setting `catalog`" in str(error.value)
            assert "sesame" not in str(error.value)

    def test_a_database_that_cannot_hold_every_text_is_refused(self, server: PostgresqlServer) -> None:
        server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
        with (
            closing(opened(f"postgresql://pixelseek@/latin?host={server.folder}")) as database,
            pytest.raises(LibraryError, match=r"of the encoding LATIN1.*createdb --encoding=UTF8"),
        ):
            database.create()

    def test_a_user_who_may_not_write_is_told_so(self, server: PostgresqlServer, desk: Desk, catalog: str) -> None:
        desk.open().close()
        server.execute("CREATE ROLE reader LOGIN")
        name = make_url(catalog).database
        server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader", str(name))
        (desk.library / FILE).write_text(f'catalog = "{catalog.replace("//pixelseek", "//reader")}"\n')
        with desk.open() as library:
            assert library.status().photos == 0
            with pytest.raises(LibraryError, match=r"permission denied.*the user its owner"):
                library.save_search("sea", "sea")

    def test_an_empty_database_is_no_library_until_one_is_made(self, desk: Desk) -> None:
        with pytest.raises(LibraryMissing, match="Make one with `pixelseek index FOLDER`"):
            desk.open(create=False)
        desk.open().close()
        desk.open(create=False).close()

    def test_a_library_of_two_catalogs_is_not_opened_so_that_neither_is_taken_for_the_other(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        (desk.library / "catalog.sqlite").touch()
        with pytest.raises(LibraryError, match="beside the one of its settings"):
            desk.open()


def test_the_status_says_where_the_catalog_is_and_the_weights_are_known(desk: Desk, catalog: str) -> None:
    with desk.open() as library:
        assert make_url(library.status().catalog) == make_url(catalog)
        with LibraryWriter.lock(library) as writer:
            writer.begin_generation("small")
    assert recorded_weights(desk.library) == "small"
    assert recorded_weights(desk.photos) is None


def test_a_word_of_any_length_and_any_signs_is_found_as_a_phrase_and_not_across_texts(desk: Desk) -> None:
    long = "ab" * 1000
    texts = {1: f"{long} sea", 2: f"{long}c sea ¶ sand", 3: "it's \\ 'quoted' ¶ 東 京"}
    with desk.open() as library:
        with library.catalog.begin() as connection:
            rows = [{"rowid": number, "tokens": tokens} for number, tokens in texts.items()]
            connection.execute(text_index_table.insert(), rows)
            for number in texts:
                connection.execute(
                    text("INSERT INTO photo (id, digest, size, width, height) VALUES (:id, '\\x00', :id, 1, 1)"),
                    {"id": number},
                )
            connection.execute(text("INSERT INTO folder VALUES (1, '/photos', '/', TRUE)"))
            columns = "folder_id, path, mtime_ns, size, photo_id"
            connection.execute(
                text(f"INSERT INTO location ({columns}) SELECT 1, CAST(id AS text)::bytea, 0, 0, id FROM photo")
            )
        with library.catalog.connect() as connection:

            def found(words: str) -> set[int]:
                return set(count_matching_words(connection, [words]))

            assert (found(long), found(f"{long}c"), found(long[:-1])) == ({1}, {2}, set())
            assert (found("sea"), found("sea sand"), found(f"{long} sea")) == ({1, 2}, set(), {1})
            assert (found("it's \\"), found("'quoted'"), found("東 京"), found("京 東")) == ({3}, {3}, {3}, set())


def test_a_backup_is_a_library_without_a_server(desk: Desk, tmp_path: Path) -> None:
    for seed in range(2):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()
    with desk.open() as library:
        library.annotate(1, caption="A lake", tags=["Été"], favourite=True)
        library.save_search("sea", "sea -sand")
        library.answer(library.teach_word("Rex").id, [2], shown=False)
        (tmp_path / "copy").mkdir()
        library.back_up(tmp_path / "copy" / "catalog.sqlite")
        with pytest.raises(LibraryError, match="exists"):
            library.back_up(tmp_path / "copy" / "catalog.sqlite")
    assert [file.name for file in (tmp_path / "copy").iterdir()] == ["catalog.sqlite"]
    with Library.open(tmp_path / "copy") as copy:
        assert [Path(photo.path).name for photo in copy.photos([1, 2])] == ["0.png", "1.png"]
        assert copy.matching(Filters(tag=("ete",), favourite=(True,))).tolist() == [1]
        assert copy.annotation_matches(["lake"]) == {1: 1}
        assert copy.saved_searches() == {"sea": "sea -sand"}
        assert [word.not_shown for word in copy.taught_words()] == [[2]]
    moved = Desk(desk.photos, tmp_path / "copy")
    report = moved.index()
    assert (report.unchanged, report.encoded) == (2, 2)
    with moved.open() as library:
        assert verify(library) == []


class Interrupted(ColourRuntime):
    """Something happens when the model encodes for the first time: between two transactions of a run."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self._happens = happens

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        if not self.photos_encoded:
            self._happens()
        return super().encode_image(images)


class TestAServerThatGoesAway:
    @pytest.fixture
    def filled(self, desk: Desk) -> Desk:
        for seed in range(40):  # more than are committed at once
            scribble(desk.photos / f"{seed}.png", seed)
        return desk

    def restart(self, server: PostgresqlServer) -> None:
        server.kill()
        threading.Timer(1, server.start).start()

    def test_a_search_says_so_and_works_when_it_is_back(self, filled: Desk, server: PostgresqlServer) -> None:
        filled.index()
        with filled.open() as library:
            query = filled.runtime.encode_text(["red"]).embeddings[0]
            before = library.shortlist(query, 5)[0].tolist()
            server.kill()
            try:
                for use in (
                    lambda: library.shortlist(query, 5),
                    lambda: library.annotate(1, caption="A lake", tags=[]),
                    library.status,
                ):
                    with pytest.raises(CatalogUnreachable, match=r"cannot be reached.*Start the server"):
                        use()
                with pytest.raises(CatalogUnreachable):
                    filled.open()
            finally:
                server.start()
            assert library.shortlist(query, 5)[0].tolist() == before
            library.annotate(1, caption="A lake", tags=[])
            assert library.photo(1).caption == "A lake"

    def test_an_indexing_run_goes_on_when_it_is_started_again(self, filled: Desk, server: PostgresqlServer) -> None:
        filled.runtime = Interrupted(lambda: self.restart(server))
        assert (report := filled.index()).encoded == report.added == 40
        with filled.open() as library:
            assert verify(library) == []

    def test_an_indexing_run_goes_on_when_its_connections_are_cut(
        self, filled: Desk, server: PostgresqlServer, catalog: str
    ) -> None:
        filled.runtime = Interrupted(lambda: end_sessions(server, catalog))
        assert filled.index().encoded == 40
        with filled.open() as library:
            assert verify(library) == []

    def test_one_that_waits_too_long_ends_with_an_error_and_the_next_one_goes_on(
        self, filled: Desk, server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        filled.runtime = Interrupted(server.kill)
        with monkeypatch.context() as impatient:
            impatient.setattr(postgresql, "_RETURN_WAIT_S", 0.2)
            try:
                with pytest.raises(CatalogUnreachable):
                    filled.index()
            finally:
                server.start()
        filled.runtime = ColourRuntime()
        assert filled.index().added == 40
        with filled.open() as library:
            assert (library.photo_count(), verify(library)) == (40, [])

    def test_a_transaction_that_was_cut_off_is_done_again_by_the_holder_of_the_lock_and_by_nobody_else(
        self, database: PostgresqlDatabase, server: PostgresqlServer, catalog: str
    ) -> None:
        tries: list[int] = []

        def work(connection: Connection) -> int:
            connection.execute(text("INSERT INTO number VALUES (7)"))
            tries.append(1)
            if len(tries) == 1:
                end_sessions(server, catalog)
            connection.execute(text("INSERT INTO number VALUES (8)"))
            return len(tries)

        with database.lock():
            assert database.write(work) == 2
        assert read(database) == [7, 8]
        tries.clear()
        with pytest.raises(CatalogUnreachable, match=r"the connection to .* was lost"):
            database.write(work)
        assert read(database) == [7, 8]

    @pytest.mark.parametrize("arrives", [True, False])
    def test_a_commit_without_an_answer_is_looked_up(
        self, database: PostgresqlDatabase, server: PostgresqlServer, catalog: str, tmp_path: Path, arrives: bool
    ) -> None:
        with (
            Proxy(server.folder, tmp_path, arrives=arrives) as proxy,
            closing(opened(catalog.replace(str(server.folder), str(tmp_path)))) as cut,
        ):
            add(cut, 1)
            proxy.cuts_commit = True
            if arrives:
                add(cut, 2)
            else:
                with pytest.raises(CatalogUnreachable):
                    add(cut, 2)
        assert read(database) == ([1, 2] if arrives else [1])


class TestWritersOnSeveralMachines:
    """Each has a folder of its own, and all the same catalog."""

    @pytest.fixture
    def machines(self, desk: Desk, tmp_path: Path) -> Iterator[tuple[LibraryView, LibraryView]]:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / FILE).write_text((desk.library / FILE).read_text())
        with desk.open() as first, LibraryView.open(tmp_path / "other") as second:
            yield first, second

    def test_they_exclude_each_other_and_are_named(self, machines: tuple[LibraryView, LibraryView]) -> None:
        first, second = machines
        with LibraryWriter.lock(first):
            with pytest.raises(LibraryLocked, match=r"is being written by process \d+ on .* since 20"):
                write_something(second)
            first.save_search("sea", "sea")
            second.save_search("sand", "sand")  # what people write does not wait for it
        with LibraryWriter.lock(second):
            assert second.saved_searches() == {"sand": "sand", "sea": "sea"}

    def test_one_that_has_lost_its_lock_to_another_writes_no_more(
        self, machines: tuple[LibraryView, LibraryView], server: PostgresqlServer, catalog: str
    ) -> None:
        first, second = machines
        with LibraryWriter.lock(first) as writer:
            end_sessions(server, catalog)
            writer.begin_generation("small")  # it has the lock again
            end_sessions(server, catalog)
            with ThreadPoolExecutor() as elsewhere:
                elsewhere.submit(write_something, second).result()
            with pytest.raises(LibraryLocked, match="another process has written to it"):
                writer.begin_generation("small")


def write_something(library: LibraryView) -> None:
    with LibraryWriter.lock(library) as writer:
        writer.begin_generation("large")


class Proxy:
    """Stands between a client and the server. When told to, it cuts the connection at the next COMMIT."""

    def __init__(self, server: Path, folder: Path, *, arrives: bool) -> None:
        self.cuts_commit = False
        self._server, self._arrives = str(server / ".s.PGSQL.5432"), arrives
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(folder / ".s.PGSQL.5432"))
        self._listener.listen()

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, server = self._listener.accept()[0], socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, suppress(OSError):
            while sent := client.recv(1 << 16):
                if self.cuts_commit and b"COMMIT\0" in sent:
                    self.cuts_commit = False
                    client.shutdown(socket.SHUT_RDWR)
                    if self._arrives:
                        server.sendall(sent)
                        time.sleep(0.5)  # until it is committed
                    server.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(sent)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                client.sendall(answer)
