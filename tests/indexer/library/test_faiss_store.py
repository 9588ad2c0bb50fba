from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.library.encodings import Encodings
from indexer.library.faiss_file import covering_stamp, read_stamp, update_index
from indexer.library.faiss_store import FaissStore
from indexer.library.generations import index_path
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from tests.indexer.desk import Desk, scribble
from tests.indexer.library.exactly import assert_exact, indexed, query


def spoil_nothing(path: Path) -> None:
    pass


def delete(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def lose_the_middle(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:300] + content[-400:])


def replace_by_words(path: Path) -> None:
    path.write_text("not an index")


def garble_the_start(path: Path) -> None:
    path.write_bytes(b"nonsense" + path.read_bytes()[8:])


@pytest.mark.parametrize("spoil", [spoil_nothing, delete, cut, lose_the_middle, replace_by_words, garble_the_start])
def test_a_missing_or_half_written_index_costs_no_result_and_is_made_again(desk: Desk, spoil: object) -> None:
    indexed(desk, 9)
    assert callable(spoil)
    with desk.open() as library:
        spoil(index_path(library.path, library.generation))
        assert_exact(library)
        with LibraryWriter.lock(library) as writer:
            writer.update_index()
        assert_exact(library)
        assert covering_stamp(index_path(library.path, library.generation), library.encodings) is not None


def test_photos_newer_than_the_index_are_searched_beside_it(desk: Desk) -> None:
    indexed(desk, 5)
    with desk.open() as library:
        old = index_path(library.path, library.generation).read_bytes()
    for seed in range(100, 104):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index()
    with desk.open() as library:
        index_path(library.path, library.generation).write_bytes(old)
        status = library.status()
        assert (status.index_covers, status.index_fresh) == (5, False)
        assert library.photo_count() == 9
        assert_exact(library)
        with LibraryWriter.lock(library) as writer:
            writer.update_index()
        assert library.status().index_fresh
        assert_exact(library)


def test_an_open_library_sees_what_others_add_and_remove(desk: Desk) -> None:
    indexed(desk, 2)
    with desk.open() as library:
        assert len(library.shortlist(query(), 10)[0]) == 2
        assert isinstance(library.vectors, FaissStore)
        snapshot = library.vectors.snapshot()
        assert library.vectors.snapshot() is snapshot
        scribble(desk.photos / "new.png", 99)
        desk.index()
        assert len(library.shortlist(query(), 10)[0]) == 3
        (desk.photos / "new.png").unlink()
        desk.index()
        assert len(library.shortlist(query(), 10)[0]) == 2


def test_an_index_over_other_encodings_is_not_believed(tmp_path: Path) -> None:
    vectors = np.eye(3, 8, dtype=np.float32)
    features = [np.ones((2, 4), dtype=np.float32)] * 3
    first, second = Encodings(tmp_path / "one.sqlite"), Encodings(tmp_path / "other.sqlite")
    for encodings in (first, second):
        encodings.add([1, 2, 3], EncodedImages(vectors, features, vectors))
    update_index(tmp_path / "index.faiss", first)
    assert read_stamp(tmp_path / "index.faiss") is not None
    assert covering_stamp(tmp_path / "index.faiss", first) is not None
    assert covering_stamp(tmp_path / "index.faiss", second) is None
    first.add([2], EncodedImages(vectors[:1], features[:1], vectors[:1]))  # encoded anew
    assert covering_stamp(tmp_path / "index.faiss", first) is None
    first.close()
    second.close()
