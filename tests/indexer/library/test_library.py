from __future__ import annotations

import os
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert

from indexer.indexing import index_folders
from indexer.library import migrations
from indexer.library.catalog import METADATA, encoded_table
from indexer.library.defaults import default_library
from indexer.library.encodings import Encodings
from indexer.library.errors import (
    LibraryDamaged,
    LibraryError,
    LibraryLocked,
    LibraryMissing,
    LibraryTooNew,
    PhotoMissing,
)
from indexer.library.exporting import exported_photos
from indexer.library.library import Library
from indexer.library.locking import writer_lock
from indexer.library.sqlite import SqliteDatabase
from indexer.library.text_analysis import search_words
from indexer.library.verification import verify
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from tests.indexer.colour_runtime import GENERATION, ColourRuntime, colour_processor
from tests.indexer.desk import Desk, paint, scribble

ENCODED = EncodedImages(
    np.eye(1, 32, dtype=np.float32), [np.ones((4, 32), np.float32)], np.ones((1, 8), dtype=np.float32)
)


def empty_database(path: Path) -> None:
    """What a process leaves that was killed while it made the file."""
    with closing(SqliteDatabase(path, remedy="")) as database:
        database.create()
        with database.connect() as connection:
            connection.exec_driver_sql("SELECT 1")


def set_version(library: Path, version: str) -> None:
    with closing(sqlite3.connect(library / "catalog.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [version])


class TestOpening:
    @pytest.mark.sqlite
    def test_a_missing_library_is_an_error_that_says_how_to_make_one(self, desk: Desk) -> None:
        with pytest.raises(LibraryMissing, match="Make one with `pixelseek index FOLDER`"):
            desk.open(create=False)
        assert not desk.library.exists()

    def test_a_new_library_is_empty(self, desk: Desk) -> None:
        with desk.open() as library:
            status = library.status()
            assert library.photo_count() == 0
            assert library.shortlist(np.ones(32, dtype=np.float32), 5)[0].tolist() == []
        assert (status.photos, status.failed, status.folders, status.index_fresh) == (0, 0, [], True)
        with desk.open(create=False) as library:
            assert library.photo_count() == 0

    @pytest.mark.sqlite
    def test_the_half_made_catalog_of_a_killed_process_is_no_library_and_no_obstacle(self, desk: Desk) -> None:
        desk.library.mkdir()
        empty_database(desk.library / "catalog.sqlite")
        with pytest.raises(LibraryMissing):
            desk.open(create=False)
        desk.open(create=True).close()

    @pytest.mark.sqlite
    def test_a_newer_library_is_left_alone(self, desk: Desk) -> None:
        desk.open().close()
        set_version(desk.library, "9999")
        before = (desk.library / "catalog.sqlite").read_bytes()
        with pytest.raises(LibraryTooNew, match="written by a newer Pixelseek"):
            desk.open()
        assert (desk.library / "catalog.sqlite").read_bytes() == before

    @pytest.mark.sqlite
    def test_a_catalog_that_is_no_database_is_named(self, desk: Desk) -> None:
        desk.library.mkdir()
        (desk.library / "catalog.sqlite").write_bytes(b"not a database, but long enough to look at" * 99)
        with pytest.raises(LibraryDamaged, match=r"catalog\.sqlite is damaged: file is not a database"):
            desk.open()

    def test_encodings_that_are_no_database_are_named(self, desk: Desk) -> None:
        desk.library.mkdir(exist_ok=True)
        (desk.library / f"encodings-{GENERATION}.sqlite").write_bytes(b"not a database, but long enough" * 99)
        with pytest.raises(LibraryDamaged, match=r"encodings-colours\.sqlite is damaged.*Delete it and index again"):
            desk.open()

    def test_what_needs_no_model_works_although_the_encodings_are_no_database(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        (desk.library / f"encodings-{GENERATION}.sqlite").write_bytes(b"not a database, but long enough" * 99)
        with Library.open(desk.library) as library:
            photo = library.photo_at(desk.photos / "a.png")
            library.annotate(photo.id, caption="a lake", tags=[])
            assert [exported["caption"] for exported in exported_photos(library)] == ["a lake"]
            assert library.current_generation() == GENERATION

    @pytest.mark.sqlite
    def test_a_place_where_no_folder_can_be_made_is_named(self, desk: Desk) -> None:
        desk.library.write_text("a file in the way")
        with pytest.raises(LibraryError, match="cannot be made"):
            desk.open()

    def test_the_default_library_is_the_environments_or_the_users(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PIXELSEEK_LIBRARY", str(tmp_path))
        assert default_library() == tmp_path
        monkeypatch.delenv("PIXELSEEK_LIBRARY")
        assert default_library().name == "pixelseek"


class TestMigrations:
    def test_migrations_and_models_agree(self, desk: Desk) -> None:
        with desk.open() as library, library.catalog.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "compare_server_default": connection.dialect.name == "sqlite",  # PostgreSQL cannot compare JSON
                    "include_name": lambda name, kind, _: (
                        not (
                            kind == "table"
                            and re.fullmatch("catalog_state|(written|found)(_(config|content|data|docsize|idx))?", name)
                        )
                    ),
                },
            )
            assert compare_metadata(context, METADATA) == []

    def test_the_head_written_down_is_the_newest_migration(self) -> None:
        scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
        assert scripts.get_current_head() == migrations.HEAD

    @pytest.mark.sqlite
    def test_a_failed_migration_changes_nothing(self, desk: Desk) -> None:
        desk.library.mkdir()
        with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection:
            connection.execute("CREATE TABLE setting (unexpected INTEGER)")  # the last table to be made
        with pytest.raises(LibraryError, match="already exists"):
            desk.open()
        with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("setting",)]

    @pytest.mark.sqlite
    def test_a_catalog_that_another_process_has_just_migrated_is_not_backed_up(self, desk: Desk) -> None:
        desk.library.mkdir()
        with ThreadPoolExecutor(max_workers=1) as other:
            with writer_lock(desk.library):
                late = other.submit(lambda: desk.open().close())
                while not (desk.library / "catalog.sqlite").exists():
                    time.sleep(0.01)
                time.sleep(0.3)  # it has found no tables, and waits for the lock
                with (
                    closing(SqliteDatabase(desk.library / "catalog.sqlite", remedy="")) as catalog,
                    catalog.begin() as new,
                ):
                    migrations.upgrade(new)
            late.result()
        assert not list(desk.library.glob("catalog-before-*"))

    @pytest.mark.sqlite
    def test_a_library_of_the_first_schema_is_backed_up_and_migrated_with_its_photos(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(migrations, "HEAD", "0001")
            desk.open().close()
        with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection, connection:
            connection.execute("INSERT INTO folder VALUES (1, ?, '/', TRUE)", [bytes(desk.photos)])
            connection.execute("INSERT INTO photo (id, digest, size, width, height) VALUES (7, x'00', 9, 40, 30)")
            connection.execute("INSERT INTO location VALUES (1, ?, 5, 9, 7, NULL)", [b"a.png"])
        with desk.open() as library:
            (photo,) = library.photos([7])
        assert (photo.path, photo.width, photo.title, photo.keywords) == (str(desk.photos / "a.png"), 40, None, [])
        with closing(sqlite3.connect(desk.library / f"catalog-before-{migrations.HEAD}.sqlite")) as backup:
            assert backup.execute("SELECT version_num FROM alembic_version").fetchall() == [("0001",)]
            assert backup.execute("SELECT id FROM photo").fetchall() == [(7,)]

    @pytest.mark.sqlite
    def test_what_was_written_before_there_was_a_text_index_is_found(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(migrations, "HEAD", "0003")
            desk.open().close()
        with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection, connection:
            connection.execute("INSERT INTO folder VALUES (1, ?, '/', TRUE)", [bytes(desk.photos)])
            for photo_id in (7, 8, 9):
                connection.execute(
                    "INSERT INTO photo (id, digest, size, width, height) VALUES (?, ?, 9, 40, 30)",
                    [photo_id, bytes([photo_id])],
                )
                connection.execute(
                    "INSERT INTO location VALUES (1, ?, 5, 9, ?, NULL, NULL)", [b"%d.png" % photo_id, photo_id]
                )
            connection.execute("UPDATE photo SET title = 'Łódź' WHERE id = 7")
            connection.execute("INSERT INTO annotation VALUES (8, '東京タワーの夜景', '[\"❤️\"]')")
        with desk.open() as library:
            assert library.annotation_matches(search_words("lodz")) == {7: 1}
            assert library.annotation_matches(search_words("夜景 ❤")) == {8: 2}
            assert library.photos([8])[0].tags == ["❤️"]

    @pytest.mark.sqlite
    def test_a_folder_of_before_anything_could_be_left_out_leaves_out_nothing(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(migrations, "HEAD", "0005")
            desk.open().close()
        with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection, connection:
            connection.execute("INSERT INTO folder VALUES (1, ?, '/', TRUE)", [bytes(desk.photos)])
        with desk.open() as library:
            status = library.status()
        assert [(folder.exclude, folder.include) for folder in status.folders] == [([], [])]
        assert status.passed_over == {}

    @pytest.mark.sqlite
    def test_what_was_written_before_there_were_favourites_is_kept_and_none_is_a_favourite(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as earlier:
            earlier.setattr(migrations, "HEAD", "0006")
            desk.open().close()
        with closing(sqlite3.connect(desk.library / "catalog.sqlite")) as connection, connection:
            connection.execute("INSERT INTO folder VALUES (1, ?, '/', TRUE, '[]', '[]')", [bytes(desk.photos)])
            connection.execute("INSERT INTO photo (id, digest, size, width, height) VALUES (7, x'00', 9, 40, 30)")
            connection.execute(
                "INSERT INTO location (folder_id, path, mtime_ns, size, photo_id) VALUES (1, ?, 5, 9, 7)", [b"a.png"]
            )
            connection.execute("INSERT INTO annotation VALUES (7, 'A lake', '[\"sea\"]')")
        with desk.open() as library:
            photo = library.photo(7)
            assert (photo.caption, photo.tags, photo.favourite) == ("A lake", ["sea"], False)
            library.annotate(7, caption="A lake", tags=[], favourite=True)
            assert library.photo(7).favourite

    def test_a_catalog_is_not_migrated_under_a_writer(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        desk.open().close()
        monkeypatch.setattr(migrations, "HEAD", "later")
        monkeypatch.setattr("indexer.library.opening._MIGRATION_WAIT_S", 0.1)
        with writer_lock(desk.library), pytest.raises(LibraryLocked):
            desk.open()


class TestReading:
    def test_photos_features_and_embeddings_come_in_the_order_asked_for(self, desk: Desk) -> None:
        for colour in ("red", "green", "blue"):
            paint(desk.photos / f"{colour}.png", colour)
        desk.index()
        with desk.open() as library:
            ids, similarities = library.shortlist(desk.runtime.encode_text(["green"]).embeddings[0], 3)
            backwards = ids[::-1].tolist()
            embeddings = list(library.embeddings(backwards).values())
            features = list(library.pixel_features(backwards).values())
            pooled = list(library.pooled_features(backwards).values())
            names = [Path(photo.path).name for photo in library.photos(backwards)]
        assert names[-1] == "green.png"
        assert similarities[0] == pytest.approx(1.0, abs=1e-3)
        assert list(similarities) == sorted(similarities, reverse=True)
        expected = desk.runtime.encode_image([np.full((32, 32, 3), (0, 255, 0), dtype=np.uint8)])
        np.testing.assert_array_equal(embeddings[-1], expected.embeddings[0])
        np.testing.assert_allclose(features[-1], expected.pixel_features[0], atol=0.02)
        np.testing.assert_allclose(pooled[-1], expected.pooled_features[0], atol=0.02)

    def test_an_unknown_photo_is_an_error(self, desk: Desk) -> None:
        with desk.open() as library:
            with pytest.raises(PhotoMissing, match="photo 7 is no longer in the library"):
                library.photo(7)
            with pytest.raises(PhotoMissing, match="photo 7 is no longer in the library"):
                library.annotate(7, caption="a dog", tags=[])

    def test_of_several_photos_unknown_ones_are_left_out(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as library:
            assert [photo.id for photo in library.photos([7, 1, 8])] == [1]
            for read in (library.pixel_features, library.pooled_features, library.embeddings, library.paths):
                assert list(read([7, 1, 8])) == [1]
                assert read([7]) == read([]) == {}

    def test_metadata_of_a_photo_is_kept(self, desk: Desk) -> None:
        path = scribble(desk.photos / "a.png", 1, size=(60, 45))
        os.utime(path, (0, 0))  # a clock that was never set: no date
        desk.index()
        with desk.open() as library:
            (photo,) = library.photos(library.encodings.photo_ids().tolist())
        assert (photo.path, photo.width, photo.height, photo.online) == (str(path), 60, 45, True)
        assert (photo.taken_at, photo.camera, photo.latitude) == (None, None, None)

    def test_status_counts_photos_files_and_encodings(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        (desk.photos / "b.jpg").touch()
        desk.index()
        with desk.open() as library:
            status = library.status()
        assert (status.photos, status.failed, status.locations, status.waiting, status.hidden) == (1, 1, 1, 0, 0)
        assert status.failures == [(str(desk.photos / "b.jpg"), "empty file")]
        assert [(folder.path, folder.locations) for folder in status.folders] == [(str(desk.photos), 2)]
        assert status.bytes_on_disk > 10_000
        assert (status.index_covers, status.encodings, status.index_fresh) == (1, 1, True)
        assert status.other_generations == {}

    def test_status_lists_the_files_of_other_generations(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open(generation="other") as library:  # half done
            library.encodings.add([1], ENCODED)
            with library.catalog.begin() as connection:
                connection.execute(insert(encoded_table).values(generation="other", photo_id=1))
        with desk.open() as library:
            others = library.status().other_generations
        files = [path for path in desk.library.iterdir() if "-other." in path.name]
        assert others == {"other": sum(path.stat().st_size for path in files)}
        for path in files:  # as its words say: nothing else is lost
            path.unlink()
        assert desk.search("red") == ["a.png"]
        assert desk.index().unchanged == 1

    def test_damage_found_by_a_search_is_an_error_with_the_remedy(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        path = desk.library / f"encodings-{GENERATION}.sqlite"
        content = bytearray(path.read_bytes())
        for page in range(1, len(content) // 4096):
            content[page * 4096 : page * 4096 + 100] = b"\xff" * 100
        path.write_bytes(content)
        with pytest.raises(LibraryDamaged, match=r"is damaged.*Delete it and index again"), desk.open() as library:
            library.shortlist(np.ones(32, dtype=np.float32), 5)


class TestEncodingsWithoutTables:
    """SQLite makes an empty file first; a process may be killed before it has filled it."""

    def test_the_tables_come_with_the_first_encodings_or_not_at_all(self, tmp_path: Path) -> None:
        encodings = Encodings(tmp_path / "encodings.sqlite")
        with pytest.raises(ValueError, match="shorter"):
            encodings.add([1, 2], ENCODED)
        with closing(sqlite3.connect(encodings.path)) as connection:
            assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
        assert (encodings.count(), encodings.origin()) == (0, None)
        encodings.add([1], ENCODED)
        assert encodings.photo_ids().tolist() == [1]
        encodings.close()

    def test_an_empty_file_is_as_good_as_none(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.open().close()
        empty_database(desk.library / f"encodings-{GENERATION}.sqlite")
        with desk.open(create=False) as library:
            assert library.status().photos == 0
            assert library.shortlist(np.ones(32, dtype=np.float32), 5)[0].tolist() == []
            assert verify(library) == []
        assert desk.index().encoded == 1

    def test_an_empty_file_may_take_the_place_of_a_full_one_while_a_library_is_open(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as library, library.encodings.database.connect():  # a thread is reading: the next opens anew
            for path in desk.library.glob("encodings-*"):
                path.unlink()
            (desk.library / f"encodings-{GENERATION}.sqlite").touch()
            assert library.status().index_covers == 0
            assert library.shortlist(np.ones(32, dtype=np.float32), 5)[0].tolist() == []
            assert library.encodings.vectors([1]) == library.encodings.pixel_features([1]) == {}
        assert desk.index().encoded == 1


class TestSweeping:
    def test_encodings_that_no_mark_speaks_of_are_removed(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as library:  # what a process killed between the two commits leaves behind
            library.encodings.add([77], ENCODED)
        with desk.open() as library:
            assert library.encodings.count() == 1
            assert 77 not in library.encodings.photo_ids()

    def test_a_running_writer_is_not_disturbed(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as writer, LibraryWriter.lock(writer):
            writer.encodings.add([77], ENCODED)
            with desk.open() as reader:
                assert reader.encodings.count() == 2
                assert 77 not in reader.shortlist(np.ones(32, dtype=np.float32), 9)[0]

    def test_a_library_that_has_long_been_open_is_swept_before_it_is_written(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        with desk.open() as library:
            library.encodings.add([77], ENCODED)
            with LibraryWriter.lock(library):
                assert 77 not in library.encodings.photo_ids()

    def test_deleted_encodings_are_made_again(self, desk: Desk) -> None:
        for seed in range(3):
            scribble(desk.photos / f"{seed}.png", seed)
        desk.index()
        before = desk.search("red")
        for path in desk.library.glob("encodings-*"):
            path.unlink()
        with desk.open() as library:
            assert (library.photo_count(), library.status().waiting) == (0, 3)
            report = index_folders(library, [], processor=colour_processor(), load_runtime=ColourRuntime)
        assert (report.encoded, report.unchanged) == (3, 3)
        assert desk.search("red") == before

    @pytest.mark.sqlite
    def test_encodings_do_not_outlive_their_catalog(self, desk: Desk) -> None:
        scribble(desk.photos / "a.png", 1)
        desk.index()
        for path in desk.library.glob("catalog.sqlite*"):
            path.unlink()
        with desk.open() as library:
            assert library.encodings.count() == 0


def test_the_mark_of_an_encoding_needs_its_photo(desk: Desk) -> None:
    with (
        desk.open() as library,
        pytest.raises(Exception, match=r"(?i)foreign key"),
        library.catalog.begin() as connection,
    ):
        connection.execute(insert(encoded_table).values(generation=GENERATION, photo_id=5))


def test_two_libraries_can_be_open_at_once(desk: Desk) -> None:
    with desk.open() as first, LibraryView.open(desk.library, generation="other") as second:
        assert first.photo_count() == second.photo_count() == 0
