"""A catalog that is moved between a folder and a server: the same to the last row, whatever happens on the way."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, insert, make_url, select, text

from indexer.library import postgresql, sqlite
from indexer.library.catalog import (
    METADATA,
    encoded_table,
    folder_table,
    found_text_index_table,
    found_text_table,
    photo_table,
    removed_file_table,
    setting_table,
    unsupported_files_table,
)
from indexer.library.copying import Digest, copy_rows, digests, require_same
from indexer.library.database import Database, open_database
from indexer.library.errors import LibraryError, LibraryLocked, LibraryMissing
from indexer.library.library import Library
from indexer.library.moving import move_catalog
from indexer.library.opening import catalog_url, open_catalog
from indexer.library.photo import PhotoRecord
from indexer.library.settings import FILE, IN_FOLDER, Settings
from indexer.library.sqlite import SqliteDatabase
from indexer.library.taught_words import read_taught_names
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter
from tests.indexer.colour_runtime import COLOURS, GENERATION
from tests.indexer.crashes import ROOT
from tests.indexer.desk import Desk, scribble
from tests.indexer.library.killed_move import killed_move
from tests.indexer.servers import PostgresqlServer

SENTENCES = [" ".join(words) for words in itertools.islice(itertools.product(COLOURS, repeat=3), 200)]
PHOTOS = 12


CHANGES = {
    "folder": "UPDATE folder SET online = NOT online",
    "photo": "UPDATE photo SET latitude = latitude + 1e-14 WHERE id = 3",
    "location": "UPDATE location SET mtime_ns = mtime_ns + 1 WHERE photo_id = 5",
    "passed_over": "UPDATE passed_over SET kind = kind || ' '",
    "departed": "UPDATE departed SET gone_at = gone_at - 1",
    "annotation": "UPDATE annotation SET caption = NULL WHERE photo_id = 1",
    "saved_search": "UPDATE saved_search SET query = upper(query)",
    "taught_word": "UPDATE taught_word SET created_at = created_at + 1",
    "not_shown": "DELETE FROM not_shown",
    "found_text": "UPDATE found_text SET texts = '[]'",
    "encoded": "UPDATE encoded SET generation = 'x' WHERE photo_id = 9",
    "setting": "INSERT INTO setting VALUES ('x', 'x')",
    "written": "UPDATE written SET rowid = 17 WHERE rowid = 1",
    "found": "INSERT INTO found (rowid, tokens) SELECT 2, tokens FROM found",
}
"""The least change of each table."""


@pytest.fixture
def catalog() -> None:
    """A library begins in its folder."""


@pytest.fixture
def url(server: PostgresqlServer) -> str:
    """An empty database."""
    return server.new_database()


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """A library with rows in every table, one word of which was deleted last."""
    for seed in range(PHOTOS):
        scribble(desk.photos / f"{seed}\udcff.png" if seed == 7 else desk.photos / f"{seed}.png", seed)
    desk.index()
    with desk.open() as library:
        library.annotate(1, caption="A lake\0 ü ¶ 🚲", tags=["Été", "sea"], favourite=True)
        library.annotate(2, caption="\\u0000 'quoted' \\ %", tags=[])
        library.save_search("sea", "sea -sand")
        library.answer(library.teach_word("Rex").id, [2], shown=False)
        library.delete_taught_word(library.teach_word("Momo").id, keep_tags=False)
        with library.catalog.begin() as connection:
            add_rare_rows(connection)
    return desk


def add_rare_rows(connection: Connection) -> None:
    """Of the tables that an ordinary run leaves empty."""
    texts: list[dict[str, Any]] = [{"text": "EXIT", "box": [0.5, 1e-300, 1 / 3]}]
    connection.execute(insert(found_text_table).values(photo_id=1, reader="a", texts=texts))
    connection.execute(insert(found_text_index_table).values(rowid=1, tokens="exit"))
    connection.execute(insert(unsupported_files_table).values(folder_id=1, path="\udcff", kind=".txt", files=3))
    connection.execute(insert(removed_file_table).values(folder_id=1, path="x", photo_id=1, gone_at=2**60))
    connection.execute(
        photo_table.update().where(photo_table.c.id == 3).values(own={"b": None, "a": ["\0"]}, latitude=-0.1)
    )


def answers(desk: Desk, sentences: Sequence[str] = SENTENCES[:5]) -> list[object]:
    """What the library answers to these sentences, and what people wrote."""
    with desk.open() as library:
        embeddings = desk.runtime.encode_text(sentences).embeddings
        found: list[object] = [
            [values.tolist() for values in library.shortlist(embedding, 10)] for embedding in embeddings
        ]
        photos = library.photos(range(1, PHOTOS + 1))
        found += [photos, library.saved_searches(), library.taught_words(), library.annotation_matches(["lake"])]
        assert verify(library) == []
    return found


def all_digests(catalog: Database) -> object:
    with catalog.connect() as connection:
        return digests(connection)


@pytest.fixture
def databases(filled: Desk, tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    """A catalog, and an empty database of its schema."""
    _, source = open_catalog(filled.library, create=False)
    (tmp_path / "other").mkdir()
    _, target = open_catalog(tmp_path / "other", create=True)
    with closing(source), closing(target):
        yield source, target


@pytest.mark.sqlite
class TestACopy:
    def test_has_every_row_of_every_table_and_a_row_that_differs_in_any_of_them_is_noticed(
        self, databases: tuple[Database, Database]
    ) -> None:
        source, target = databases
        with source.connect() as reader:
            before = digests(reader)
            assert all(digest.rows for digest in before.values()), "every table is tested"
            assert len(before) == len(METADATA.tables) + 2
            with target.begin() as writer:
                copy_rows(reader, writer)
                require_same(before, digests(writer))
        assert CHANGES.keys() == before.keys()
        for table, change in CHANGES.items():
            with pytest.raises(LibraryError, match=f"the table {table} has other rows"), target.begin() as writer:
                change_and_compare(writer, change, before)
        assert all_digests(target) == before

    def test_replaces_what_was_there_and_never_gives_the_id_of_a_deleted_word_again(
        self, databases: tuple[Database, Database]
    ) -> None:
        source, target = databases
        for _ in range(2):
            with source.connect() as reader, target.begin() as writer:
                copy_rows(reader, writer)
        assert all_digests(target) == all_digests(source)
        assert next_ids(target) == next_ids(source) == (2, 3)


def change_and_compare(writer: Connection, change: str, before: dict[str, Digest]) -> None:
    writer.exec_driver_sql(change)
    require_same(before, digests(writer))


def next_ids(catalog: Database) -> tuple[int, int]:
    """Of the next folder and the next taught word, which are not kept."""
    with catalog.connect() as connection:
        known = read_taught_names(connection)
        assert list(known) == [1]
    try:
        with catalog.begin() as connection:
            values = {"path": "/new", "mount_point": "/", "online": True}
            folder = connection.execute(insert(folder_table).values(values).returning(folder_table.c.id)).scalar_one()
            word = connection.execute(
                text("INSERT INTO taught_word (name, key, created_at) VALUES ('x', 'x', 0) RETURNING id")
            ).scalar_one()
            raise ZeroDivisionError
    except ZeroDivisionError:
        return folder, word


@pytest.mark.sqlite
class TestAFileOfOnesOwn:
    def test_is_refused_while_another_connection_is_open_and_keeps_others_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.1)
        path = tmp_path / "a.sqlite"
        with closing(SqliteDatabase(path, remedy="")) as mine, closing(SqliteDatabase(path, remedy="")) as other:
            mine.create()
            with mine.begin() as connection:
                connection.execute(text("CREATE TABLE number (value INTEGER)"))
            with other.connect(), pytest.raises(LibraryLocked, match="Stop `pixelseek serve`"), mine.alone():
                pass
            other._engine.dispose()
            with mine.alone() as reader:
                assert reader.execute(text("SELECT count(*) FROM number")).scalar_one() == 0
                for use in (other.connect, other.begin):
                    with pytest.raises(LibraryLocked), use() as connection:
                        connection.execute(text("SELECT * FROM number"))
                with pytest.raises(LibraryError, match="attempt to write"):
                    reader.execute(text("INSERT INTO number VALUES (1)"))
                kept = mine.retire()
            for use in (mine.connect, other.begin):
                with pytest.raises(LibraryMissing), use() as connection:
                    connection.execute(text("SELECT * FROM number"))
            assert mine.retire() == kept
        assert [str(file) for file in tmp_path.iterdir()] == [kept]
        with closing(SqliteDatabase(Path(kept), remedy="")) as old, old.begin() as connection:
            connection.execute(text("INSERT INTO number VALUES (1)"))


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("source", "target", "reason"),
    [
        (IN_FOLDER, IN_FOLDER, "are the same place"),
        ("postgresql://me:a@h/x", "postgresql+psycopg://me:b@h/x", r"me:\*\*\*@h/x and .* are the same place"),
        ("postgresql://h/x", "postgresql://h/y", "is at sqlite:///, not at postgresql://h/x"),
        ("postgresql://h/x", IN_FOLDER, "is at sqlite:/// already"),
        (IN_FOLDER, "mysql://h/x", "catalog must be sqlite:/// or postgresql"),
        (IN_FOLDER, "postgresql://me@/x?host=/nowhere", "cannot be reached"),
    ],
)
def test_a_move_that_makes_no_sense_changes_nothing(desk: Desk, source: str, target: str, reason: str) -> None:
    with desk.open() as library, LibraryWriter.lock(library):
        before = all_digests(library.catalog)
    with pytest.raises(LibraryError, match=reason):
        move_catalog(desk.library, source, target)
    with desk.open(create=False) as library:
        assert all_digests(library.catalog) == before


@pytest.mark.scale
class TestBothWays:
    def test_the_library_answers_as_before_nothing_is_encoded_again_and_the_next_ids_are_new(
        self, filled: Desk, url: str
    ) -> None:
        before, steps = answers(filled, SENTENCES), list[tuple[int, int]]()
        to_server = move_catalog(filled.library, IN_FOLDER, url, progress=lambda done, all: steps.append((done, all)))
        kept = Path(to_server.kept)
        with closing(SqliteDatabase(kept, remedy="")) as old, closing(open_database(make_url(url), remedy="")) as new:
            assert all_digests(old) == all_digests(new)
        assert steps == sorted(steps)
        assert steps[-1] == (3 * to_server.rows, 3 * to_server.rows)
        assert without_nul(before) == answers(filled, SENTENCES)
        assert_in_use(filled, url)
        assert not (filled.library / "catalog.sqlite").exists()

        to_folder = move_catalog(filled.library, url.replace("+psycopg", ""), IN_FOLDER)
        assert without_nul(before) == answers(filled, SENTENCES)
        assert_in_use(filled, IN_FOLDER)
        assert kept.exists()
        assert make_url(to_folder.kept) == make_url(url)

    def test_from_one_database_to_another(self, filled: Desk, url: str, server: PostgresqlServer) -> None:
        before = without_nul(answers(filled))
        move_catalog(filled.library, IN_FOLDER, url)
        move_catalog(filled.library, url, other := server.new_database())
        assert answers(filled) == before
        assert_in_use(filled, other)


def without_nul(found: list[object]) -> list[object]:
    """PostgreSQL has no character 0."""
    photos = next(answer for answer in found if isinstance(answer, list) and isinstance(answer[0], PhotoRecord))
    for photo in photos:
        if photo.caption is not None:
            object.__setattr__(photo, "caption", photo.caption.replace("\0", " "))
    return found


def assert_in_use(desk: Desk, url: str) -> None:
    """The catalog is there, has no note of the move, and takes new photos, folders and words."""
    assert Settings.load(desk.library).catalog == url
    _, catalog = open_catalog(desk.library, create=False)
    with closing(catalog):
        folder, word = next_ids(catalog)
        assert (folder > 1, word > 2) == (True, True)
        with catalog.connect() as connection:
            assert connection.execute(select(setting_table).where(setting_table.c.name == "copy_of")).first() is None
    photos_encoded = desk.runtime.photos_encoded
    assert desk.index().unchanged == PHOTOS
    assert desk.runtime.photos_encoded == photos_encoded


MOMENTS = [
    ("alone", 1),  # before anything is written
    ("report", 3),  # in the middle of copying
    ("digests", 2),  # copied, and half compared
    ("change", 1),  # the copy is whole, and not in use
    ("retire", 1),  # the settings name the copy, and the old one is there too
    ("_without_note", 1),  # all is done but the note
]


@pytest.mark.scale
@pytest.mark.parametrize(("function", "count"), MOMENTS, ids=[name for name, _ in MOMENTS])
@pytest.mark.parametrize("way", ["to the server", "to the folder"])
def test_a_move_that_was_killed_loses_nothing_and_is_brought_to_its_end_by_the_next(
    filled: Desk, url: str, function: str, count: int, way: str
) -> None:
    before = without_nul(answers(filled))
    source, target = IN_FOLDER, url
    if way == "to the folder":
        move_catalog(filled.library, source, target)
        source, target = target, source
    run = killed_move("catalog", filled.library, source, target, function, count)
    assert run.returncode == -signal.SIGKILL, run.stderr
    is_ambiguous = Settings.load(filled.library).catalog != IN_FOLDER and (filled.library / "catalog.sqlite").exists()
    with pytest.raises(LibraryError, match="run it again") if is_ambiguous else nullcontext():
        assert without_nul(answers(filled)) == before
    report = move_catalog(filled.library, source, target)
    assert without_nul(answers(filled)) == before
    assert_in_use(filled, target)
    if target == url:
        assert Path(report.kept).exists()
    else:
        with (
            closing(open_database(make_url(url), remedy="")) as old,
            pytest.raises(LibraryError, match="moved elsewhere"),
        ):
            old.exists()
    assert not list(filled.library.glob("*.new*"))
    with pytest.raises(LibraryError, match="already"):
        move_catalog(filled.library, source, target)


@pytest.mark.scale
class TestRefusals:
    """The source stays as it is, and so does the target."""

    @pytest.fixture(autouse=True)
    def impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_S", 0.2)
        monkeypatch.setattr(postgresql, "_LOCK_TIMEOUT_S", 0.2)

    @pytest.fixture(params=[IN_FOLDER, "postgresql"])
    def source(self, request: pytest.FixtureRequest, filled: Desk, server: PostgresqlServer) -> str:
        """Where the catalog is, in the folder or on the server."""
        if request.param == IN_FOLDER:
            return IN_FOLDER
        place = server.new_database()
        move_catalog(filled.library, IN_FOLDER, place)
        return place

    def refused(self, desk: Desk, source: str, target: str, reason: str, error: type[Exception] = LibraryError) -> None:
        with closing(open_database(catalog_url(desk.library), remedy="")) as catalog:
            before = all_digests(catalog)
        with pytest.raises(error, match=reason):
            move_catalog(desk.library, source, target)
        with closing(open_database(catalog_url(desk.library), remedy="")) as catalog:
            assert all_digests(catalog) == before
        assert Settings.load(desk.library).catalog == source
        assert not list(desk.library.glob("catalog.sqlite.*.new*"))

    def test_a_target_that_holds_a_library_or_the_copy_of_another_one(
        self, filled: Desk, source: str, url: str, tmp_path: Path
    ) -> None:
        other = Desk(filled.photos, tmp_path / "other")
        other.library.mkdir()
        (other.library / FILE).write_text(f'catalog = "{url}"\n')
        other.index()
        with other.open() as library:
            held = all_digests(library.catalog)
        self.refused(filled, source, url, "holds the catalog of a library already")
        with other.open() as library:
            assert all_digests(library.catalog) == held
        other.execute("INSERT INTO setting VALUES ('copy_of', 'the catalog of /elsewhere')")
        self.refused(filled, source, url, "an unfinished copy of the catalog of /elsewhere")

    def test_a_copy_by_another_version(self, filled: Desk, url: str) -> None:
        self.kill_before_the_change(filled, url)
        with closing(open_database(make_url(url), remedy="")) as target, target.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '0010'"))
        self.refused(filled, IN_FOLDER, url, "another version of Pixelseek made")

    def kill_before_the_change(self, desk: Desk, url: str) -> None:
        run = killed_move("catalog", desk.library, IN_FOLDER, url, "change", 1)
        assert run.returncode == -signal.SIGKILL, run.stderr

    def test_a_catalog_in_the_folder_that_is_none_of_ours(self, filled: Desk, url: str) -> None:
        kept = Path(move_catalog(filled.library, IN_FOLDER, url).kept)
        shutil.copy(kept, filled.library / "catalog.sqlite")
        with pytest.raises(LibraryError, match=r"is a catalog already\. Move that file elsewhere"):
            move_catalog(filled.library, url, IN_FOLDER)
        assert (filled.library / "catalog.sqlite").exists()

    def test_a_library_that_is_being_written_or_open_in_a_server(self, filled: Desk, source: str, url: str) -> None:
        with filled.open() as library, LibraryWriter.lock(library):
            self.refused(filled, source, url, "is being written by process", LibraryLocked)
        script = "import sys; from indexer.library.library import Library\nwith Library.open(sys.argv[1]) as library:\n"
        script += "    library.status(); print('open', flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", script, filled.library],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            self.refused(filled, source, url, "in use by .* Stop `pixelseek serve`", LibraryLocked)

    def test_a_disk_without_room(self, filled: Desk, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        move_catalog(filled.library, IN_FOLDER, url)
        usage = shutil.disk_usage(filled.library)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000))
        self.refused(filled, url, IN_FOLDER, r"has 100,000 bytes free, and \d[\d,]+ are needed")

    def test_whoever_missed_the_move_reads_and_writes_no_more(self, filled: Desk, source: str, url: str) -> None:
        """As a server whose connection was cut, or that waits for its turn when the move ends."""
        place = catalog_url(filled.library)
        late = open_database(place, remedy="")
        move_catalog(filled.library, source, url)
        uses: list[Callable[[], object]] = [late.exists, lambda: write(late)]
        with closing(late):
            if source == IN_FOLDER:
                assert not late.exists()
                del uses[0]
            for use in uses:
                with pytest.raises(LibraryError, match=r"moved elsewhere|is missing"):
                    use()
        if source != IN_FOLDER:
            with pytest.raises(LibraryError, match="moved elsewhere"):
                move_catalog(filled.library, url, source)
        with Library.open(filled.library) as library:
            assert library.current_generation() == GENERATION
            assert "late" not in library.saved_searches()


def write(catalog: Database) -> None:
    with catalog.begin() as connection:
        connection.execute(insert(encoded_table).values(generation="late", photo_id=1))
