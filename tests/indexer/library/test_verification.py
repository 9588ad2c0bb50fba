from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from sqlalchemy import text

from indexer.indexing import index_folders
from indexer.library.errors import LibraryLocked
from indexer.library.generations import index_path
from indexer.library.locking import writer_lock
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter, discard_damaged_encodings
from model.runtime.protocol import EncodedImages
from tests.indexer.colour_runtime import GENERATION, colour_processor
from tests.indexer.desk import Desk, scribble


@pytest.fixture
def filled(desk: Desk) -> Desk:
    for seed in range(3):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()
    return desk


def problems(desk: Desk) -> str:
    with desk.open() as library:
        return "\n".join(map(str, verify(library)))


def test_a_fresh_library_has_no_problems(filled: Desk) -> None:
    assert problems(filled) == ""


def test_an_empty_library_has_no_problems(desk: Desk) -> None:
    assert problems(desk) == ""


def test_files_that_are_gone_or_changed_are_named(filled: Desk) -> None:
    (filled.photos / "0.png").unlink()
    os.utime(filled.photos / "1.png", (1, 1))
    messages = problems(filled).splitlines()
    assert messages == [
        f"{filled.photos / '0.png'}: No such file or directory; index again",
        f"{filled.photos / '1.png'}: has changed since it was indexed; index again",
    ]


def test_encodings_without_a_photo_and_photos_without_an_encoding_are_counted(filled: Desk) -> None:
    with filled.open() as library:
        library.encodings.remove([1])
        library.encodings.add(
            [8, 9],
            EncodedImages(
                np.eye(2, 32, dtype=np.float32), [np.ones((4, 32), np.float32)] * 2, np.ones((2, 8), np.float32)
            ),
        )
        messages = "\n".join(map(str, verify(library)))
    assert "1 encodings are missing" in messages
    assert "2 encodings belong to no photo" in messages
    assert "made from other encodings" in messages


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("UPDATE embedding SET vector = zeroblob(128) WHERE photo_id = 1", "1 embeddings are not of length 1"),
        ("DELETE FROM pixel_features WHERE photo_id = 2", "1 photos have no pixel features"),
        (
            "UPDATE pixel_features SET packed = x'0102' WHERE photo_id = 2",
            "1 photos have pixel features of the wrong size",
        ),
        (
            "UPDATE pixel_features SET pooled = x'0102' WHERE photo_id = 2",
            "1 photos have pixel features of the wrong size",
        ),
    ],
)
def test_spoilt_encodings_are_found(filled: Desk, spoil: str, message: str) -> None:
    with filled.open() as library:
        with library.encodings.database.begin() as connection:
            connection.execute(text(spoil))
        assert message in "\n".join(map(str, verify(library)))


def test_an_index_that_disagrees_with_the_encodings_is_found(filled: Desk) -> None:
    with filled.open() as library:
        with library.encodings.database.begin() as connection:
            connection.execute(
                text("UPDATE embedding SET vector = :vector WHERE photo_id = 1"),
                {"vector": np.eye(1, 32, dtype=np.float32).tobytes()},
            )
        assert "1 vectors differ from the encodings" in "\n".join(map(str, verify(library)))


def test_a_missing_and_a_cut_index_are_found(filled: Desk) -> None:
    with filled.open() as library:
        content = index_path(library.path, library.generation).read_bytes()
        index_path(library.path, library.generation).unlink()
        assert "missing; searches are slower" in str(verify(library)[0])
        index_path(library.path, library.generation).write_bytes(content[:-9])
        assert "incomplete, and not used" in str(verify(library)[0])


def test_a_damaged_database_is_found(filled: Desk) -> None:
    with filled.open() as library:
        path = library.encodings.path
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(path.read_bytes())
    content[4096 * 2 : 4096 * 4] = b"\xff" * 4096 * 2
    path.write_bytes(content)
    with filled.open() as library:
        assert str(verify(library)[0]).startswith(path.name)


def test_words_that_are_not_those_written_are_found(filled: Desk) -> None:
    with filled.open() as library:
        library.annotate(1, caption="a red ball", tags=[])
        with library.catalog.begin() as connection:
            connection.execute(text("UPDATE written SET tokens = replace(tokens, 'red', 'green')"))
        assert "1 photos are not found by what is written about them" in "\n".join(map(str, verify(library)))


class TestRepair:
    @pytest.mark.parametrize(
        ("database", "spoil"),
        [
            ("encodings", "UPDATE embedding SET vector = zeroblob(128) WHERE photo_id = 1"),
            ("encodings", "UPDATE embedding SET vector = x'0102' WHERE photo_id IN (1, 2, 3)"),
            ("encodings", "DELETE FROM pixel_features WHERE photo_id = 2"),
            ("encodings", "UPDATE pixel_features SET packed = x'0102' WHERE photo_id = 2"),
            ("encodings", "UPDATE embedding SET photo_id = 77 WHERE photo_id = 3"),
            ("encodings", "DROP TABLE pixel_features"),
            ("catalog", "DELETE FROM encoded WHERE photo_id = 1"),
            ("catalog", "DELETE FROM written"),
            ("catalog", "INSERT INTO written (rowid, tokens) VALUES (2, 'wrong')"),
        ],
    )
    def test_what_is_spoilt_is_made_again_and_what_people_wrote_is_kept(
        self, filled: Desk, database: str, spoil: str
    ) -> None:
        with filled.open() as library:
            library.annotate(1, caption="a red ball", tags=["toys"])
        before = filled.search("red")
        if database == "catalog":
            filled.execute(spoil)
        else:
            with closing(sqlite3.connect(next(filled.library.glob("encodings*.sqlite")))) as connection, connection:
                connection.execute(spoil)
        mend(filled)
        assert problems(filled) == ""
        assert filled.search("red") == before
        with filled.open() as library:
            (photo,) = library.photos([1])
            assert (photo.caption, photo.tags) == ("a red ball", ["toys"])
            assert library.annotation_matches(["red", "toys"]) == {1: 2}

    @pytest.mark.parametrize("content", [b"", b"not an index", None])
    def test_an_index_that_is_not_whole_is_built_again(self, filled: Desk, content: bytes | None) -> None:
        with filled.open() as library:
            path = index_path(library.path, library.generation)
        path.write_bytes(path.read_bytes()[:-9] if content is None else content)
        mend(filled)
        assert problems(filled) == ""

    @pytest.mark.parametrize("whole", [True, False])
    def test_encodings_that_are_no_database_are_made_again(self, filled: Desk, whole: bool) -> None:
        path = filled.library / f"encodings-{GENERATION}.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = bytearray(path.read_bytes())
        content[0 if whole else 4096 * 2 : 4096 * 4] = b"\xff" * (4096 * (4 if whole else 2))
        path.write_bytes(content)
        mend(filled)
        assert problems(filled) == ""

    def test_a_sound_library_is_left_as_it_is(self, filled: Desk) -> None:
        with filled.open() as library:
            library.annotate(1, caption="a red ball", tags=[])
            # Written anew, the file would be another: reading it moves only its access time.
            index = index_path(library.path, library.generation).stat()
        mend(filled)
        assert filled.runtime.photos_encoded == 3
        with filled.open() as library:
            after = index_path(library.path, library.generation).stat()
        assert (after.st_ino, after.st_mtime_ns) == (index.st_ino, index.st_mtime_ns)

    def test_it_waits_for_no_other_writer(self, filled: Desk) -> None:
        with writer_lock(filled.library):
            with pytest.raises(LibraryLocked):
                discard_damaged_encodings(filled.library, GENERATION)
            with filled.open() as library, pytest.raises(LibraryLocked), LibraryWriter.lock(library):
                pass


def mend(desk: Desk) -> None:
    """What `pixelseek library verify --repair` does."""
    discard_damaged_encodings(desk.library, GENERATION)
    with desk.open() as library:
        with LibraryWriter.lock(library) as writer:
            writer.repair()
        index_folders(library, [], processor=colour_processor(), load_runtime=lambda: desk.runtime, workers=1)
