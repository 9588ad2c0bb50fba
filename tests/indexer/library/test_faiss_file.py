from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import text

from indexer.library.encodings import Encodings
from indexer.library.errors import LibraryDamaged, LibraryError
from indexer.library.faiss_file import read_index, read_stamp, update_index
from indexer.library.faiss_index import EXACT, SearchableIndex
from indexer.library.generations import index_path
from indexer.library.settings import BY_SIZE, change
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from tests.indexer.colour_runtime import GENERATION
from tests.indexer.desk import Desk, scribble

SIZE = 16
FACTORY = "IVF16,RaBitQfs"
PIXELS = [np.ones((1, 2), dtype=np.float32)]


@pytest.fixture
def encodings(tmp_path: Path) -> Iterator[Encodings]:
    opened = Encodings(tmp_path / "encodings.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.faiss"


def add(encodings: Encodings, count: int) -> None:
    first = encodings.count() + 1
    vectors = np.random.default_rng(first).normal(size=(count, SIZE)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    for start in range(0, count, 1000):
        part = vectors[start : start + 1000]
        encodings.add(range(first + start, first + start + len(part)), EncodedImages(part, PIXELS * len(part), part))


def read(path: Path) -> SearchableIndex:
    stamp = read_stamp(path)
    assert stamp is not None
    index = read_index(path, stamp)
    assert index is not None
    return index


def nearest(path: Path, query: NDArray[np.float32], count: int) -> list[int]:
    index = read(path)
    ids: list[int] = index.ids[index.nearest(query, count)[0]].tolist()
    return ids


def test_an_index_is_extended_until_it_has_doubled_and_then_trained_anew(path: Path, encodings: Encodings) -> None:
    covered = []
    for more in (10_000, 100, 9_900, 1):
        add(encodings, more)
        update_index(path, encodings, FACTORY)
        stamp = read_stamp(path)
        assert stamp is not None
        covered.append((stamp.count, stamp.built_with))
        newest = encodings.count()
        assert nearest(path, encodings.vectors([newest])[newest], 1) == [newest]
    assert covered == [(10_000, 10_000), (10_100, 10_000), (20_000, 10_000), (20_001, 20_001)]


def test_another_choice_of_index_is_followed(path: Path, encodings: Encodings) -> None:
    add(encodings, 10_000)
    for setting, factory in ((BY_SIZE, EXACT), (FACTORY, FACTORY), ("HNSW8", "HNSW8")):
        update_index(path, encodings, setting)
        stamp = read_stamp(path)
        assert stamp is not None
        assert stamp.factory == factory
        assert nearest(path, encodings.vectors([7])[7], 1) == [7]


def test_where_photos_are_too_few_to_train_with_all_are_compared(path: Path, encodings: Encodings) -> None:
    add(encodings, 5)
    update_index(path, encodings, FACTORY)
    assert nearest(path, encodings.vectors([3])[3], 5)[0] == 3
    add(encodings, 1)
    update_index(path, encodings, FACTORY)
    assert len(read(path).ids) == 6


@pytest.mark.parametrize("setting", ["nonsense", "PCA8,SQfp16", "IVF16"])
def test_an_index_that_faiss_cannot_make_is_refused_in_one_line(path: Path, encodings: Encodings, setting: str) -> None:
    add(encodings, 5)
    with pytest.raises(LibraryError, match="setting index_factory is") as error:
        update_index(path, encodings, setting)
    assert "\n" not in str(error.value)
    assert repr(setting) in str(error.value)


def test_the_setting_of_the_library_is_the_users_choice(desk: Desk) -> None:
    scribble(desk.photos / "one.png", 1)
    desk.index()
    change(desk.library, "index_factory", ["HNSW8"])
    with desk.open() as library:
        with LibraryWriter.lock(library) as writer:
            writer.update_index()
        stamp = read_stamp(index_path(library.path, library.generation))
        assert stamp is not None
        assert stamp.factory == "HNSW8"


def test_an_index_in_use_stays_whole_while_a_writer_puts_another_in_its_place(path: Path, encodings: Encodings) -> None:
    add(encodings, 3000)
    update_index(path, encodings)
    before = read(path)
    copy = before.vectors.copy()
    add(encodings, 4000)
    update_index(path, encodings)
    assert len(read(path).ids) == 7000
    np.testing.assert_array_equal(before.vectors, copy)


def test_a_similarity_stays_the_same_when_the_index_takes_a_newer_photo_in(desk: Desk) -> None:
    for seed in range(5):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()
    query = np.random.default_rng(1).normal(size=32).astype(np.float32)
    with desk.open() as library:
        indexed = library.shortlist(query, 10)
        index_path(library.path, library.generation).unlink()
        newer = library.shortlist(query, 10)
    assert [part.tolist() for part in indexed] == [part.tolist() for part in newer]


def test_an_index_from_elsewhere_is_read_or_left_aside_whatever_its_numbers_say(desk: Desk) -> None:
    for seed in range(6):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()
    path, random = index_path(desk.library, GENERATION), Random(0)
    content, stamp = path.read_bytes(), read_stamp(path)
    assert stamp is not None
    outcomes = set[bool]()
    for _ in range(300):
        spoilt, at = bytearray(content), random.randrange(stamp.faiss_bytes - 8)
        spoilt[at : at + 4] = random.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4), random.randbytes(4)))
        path.write_bytes(spoilt)
        index = read_index(path, stamp)
        outcomes.add(index is None)
        if index is not None:
            index.nearest(np.ones(32, dtype=np.float32), 3)
    assert outcomes == {True, False}


@pytest.mark.parametrize("content", [b"[" * 9000, b'{"count": 1}', b'{"token": 1, "sequence": -1}', b"\xff", b"null"])
def test_a_stamp_from_elsewhere_that_makes_no_sense_is_no_stamp(path: Path, content: bytes) -> None:
    path.write_bytes(content + struct.pack("<I16s", len(content), b"pixelseek-index1"))
    assert read_stamp(path) is None
    path.write_bytes(content + struct.pack("<I16s", 2**32 - 1, b"pixelseek-index1"))
    assert read_stamp(path) is None


@pytest.mark.parametrize(
    ("what", "spoil", "message"),
    [
        ("embeddings", "embedding SET vector = x'0102' WHERE photo_id = 2", "an embedding has 2 bytes, not 128"),
        ("pixel_features", "pixel_features SET packed = x'0102'", "2 bytes are not a whole number of tokens"),
        ("pooled_features", "pixel_features SET pooled = x'0102'", "2 bytes are not a whole number of tokens"),
        (
            "pooled_features",
            "pixel_features SET pooled = zeroblob(2 * length(pooled))",
            "pooled features are not of one token",
        ),
    ],
)
def test_encodings_of_another_size_are_damage_and_not_read(desk: Desk, what: str, spoil: str, message: str) -> None:
    for seed in range(3):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()
    with desk.open() as library:
        with library.encodings.database.begin() as connection:
            connection.execute(text(f"UPDATE {spoil}"))
        with pytest.raises(LibraryDamaged, match=f"{message}.*pixelseek library verify --repair"):
            getattr(library, what)([2])
