"""What every vector store does, whatever compares the vectors: FAISS, or Milvus."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from model.scoring.photo_vectors import PhotoVectors
from tests.indexer.colour_runtime import ColourRuntime
from tests.indexer.desk import Desk, paint, scribble
from tests.indexer.library.exactly import assert_exact, indexed, query
from tests.indexer.library.scored import PARAMETERS, RECALIBRATED, expected, found


@pytest.fixture(params=["faiss", pytest.param("milvus", marks=pytest.mark.scale)])
def vectors(request: pytest.FixtureRequest) -> str | None:
    if request.param == "faiss":
        return None
    url: str = request.getfixturevalue("milvus").url
    return url


def test_every_photo_is_compared(desk: Desk) -> None:
    indexed(desk, 12)
    with desk.open() as library:
        assert library.status().index_fresh
        assert_exact(library)
        ids, similarities = library.shortlist(query(), 5)
        assert len(ids) == len(similarities) == 5
        assert ids.tolist() == library.shortlist(query(), 12)[0][:5].tolist()


def test_hidden_photos_are_masked_and_do_not_take_the_place_of_others(desk: Desk) -> None:
    indexed(desk, 10)
    with desk.open() as library:
        hidden = library.photos(library.shortlist(query(), 6)[0].tolist())
        rest = library.shortlist(query(), 10)[0][6:].tolist()
    for photo in hidden:
        Path(photo.path).unlink()
    desk.index()
    with desk.open() as library:
        assert library.photo_count() == 4
        assert library.shortlist(query(), 3)[0].tolist() == rest[:3]
        assert library.shortlist(query(), 10)[0].tolist() == rest


def test_a_search_among_some_photos_finds_the_nearest_of_them_and_no_other(desk: Desk) -> None:
    indexed(desk, 12)
    with desk.open() as library:
        order = library.shortlist(query(), 12)[0]
        among = np.sort(order[5:])
        assert library.shortlist(query(), 3, among)[0].tolist() == order[5:8].tolist()
        assert library.shortlist(query(), 100, among[::-1])[0].tolist() == order[5:].tolist()
        assert library.shortlist(query(), 3, np.array([999_999]))[0].tolist() == []
        assert library.shortlist(query(), 3, np.empty(0, dtype=np.int64))[0].tolist() == []


def test_newer_photos_are_found_with_the_numbers_that_the_store_gives_them_later(desk: Desk) -> None:
    indexed(desk, 8)
    with desk.open() as library:
        (hidden,) = library.photos(library.shortlist(query(), 1)[0].tolist())
    Path(hidden.path).unlink()
    for seed in (99, 100):
        scribble(desk.photos / f"{seed}.png", seed)
    desk.index(newer_allowed=10)
    with desk.open() as library:
        assert (library.vectors.covered(), library.photo_count()) == (8, 9)
        ids, similarities = library.shortlist(query(), 100)
        new = np.setdiff1d(ids, library.encodings.photo_ids()[:8])
        among = np.concatenate([ids[2:5], new, [hidden.id]])
        expected_ids = [photo_id for photo_id in ids.tolist() if photo_id in among]
        assert len(new) == 2
        assert library.shortlist(query(), 100, among)[0].tolist() == expected_ids
        with LibraryWriter.lock(library) as writer:
            writer.update_index()
        assert library.status().index_fresh
        later_ids, later = library.shortlist(query(), 100)
        assert later_ids.tolist() == ids.tolist()
        np.testing.assert_array_equal(later, similarities)


def test_photos_that_are_equally_near_go_by_id(desk: Desk) -> None:
    for row in range(9):
        paint(desk.photos / f"{row}.png", "red" if row % 2 else "blue", size=(40 + row, 30))
    desk.index()
    with desk.open() as library:
        embedding = ColourRuntime().encode_text(["red"]).embeddings[0]
        ids, similarities = library.shortlist(embedding, 9)
        assert len(set(similarities.tolist())) == 2
        assert ids.tolist() == sorted(ids[:4].tolist()) + sorted(ids[4:].tolist())
        for count in range(1, 9):
            assert library.shortlist(embedding, count)[0].tolist() == ids[:count].tolist()


def test_an_open_library_sees_what_others_add_and_remove(desk: Desk) -> None:
    indexed(desk, 2)
    with desk.open() as library:
        assert len(library.shortlist(query(), 10)[0]) == 2
        scribble(desk.photos / "new.png", 99)
        desk.index()
        assert len(library.shortlist(query(), 10)[0]) == 3
        (desk.photos / "new.png").unlink()
        desk.index()
        assert len(library.shortlist(query(), 10)[0]) == 2


def test_a_photo_that_was_encoded_again_is_found_once_and_by_its_new_encoding(desk: Desk) -> None:
    indexed(desk, 6)
    with desk.open() as library:
        other = library.embeddings([5])[5][None], list(library.pixel_features([5]).values())
        library.encodings.add([3], EncodedImages(*other, library.pooled_features([5])[5][None]))
        for _ in range(2):
            ids, similarities = library.shortlist(query(), 10)
            assert sorted(ids.tolist()) == [1, 2, 3, 4, 5, 6]
            similarity_of = dict(zip(ids.tolist(), similarities.tolist(), strict=True))
            assert similarity_of[3] == similarity_of[5]
            assert library.photo_vectors(np.array([3]))[1].tolist() == library.photo_vectors(np.array([5]))[1].tolist()
            with LibraryWriter.lock(library) as writer:
                writer.update_index()
        assert verify(library) == []


def test_photos_are_found_in_the_order_of_the_score_and_by_their_cosine(desk: Desk) -> None:
    desk.photo_vectors = PhotoVectors(PARAMETERS)
    indexed(desk, 12)
    with desk.open() as library:
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)
        own = library.embeddings([3])[3]
        ids, cosines = library.shortlist(own, 100)
        assert ids[0] == 3
        embeddings = np.stack(list(library.embeddings(ids.tolist()).values()))
        np.testing.assert_allclose(cosines, embeddings @ own, atol=1e-3)


def test_after_a_calibration_the_vectors_are_made_again_and_no_photo_encoded(desk: Desk) -> None:
    desk.photo_vectors = PhotoVectors(PARAMETERS)
    indexed(desk, 12)
    encoded = desk.runtime.photos_encoded
    with desk.open() as running:
        before = found(running, PARAMETERS)
        other = Desk(desk.photos, desk.library, desk.runtime, PhotoVectors(RECALIBRATED))
        with other.open() as library:
            assert library.vectors.covered() == 0
            assert found(library, RECALIBRATED) == expected(library, RECALIBRATED)
        other.index()
        with other.open() as library:
            assert library.vectors.covered() == 12
            assert found(library, RECALIBRATED) == expected(library, RECALIBRATED)
        assert found(running, PARAMETERS) == before
    assert desk.runtime.photos_encoded == encoded


def test_a_store_that_was_cleared_costs_no_result_and_is_made_again(desk: Desk) -> None:
    indexed(desk, 9)
    with desk.open() as library:
        assert verify(library) == []
        with LibraryWriter.lock(library) as writer:
            library.vectors.clear()
            assert_exact(library)
            assert [problem.subject for problem in verify(library)] == [library.vectors.name]
            writer.repair()
        assert_exact(library)
        assert verify(library) == []


def test_a_library_whose_photos_have_all_gone_takes_new_ones_in(desk: Desk) -> None:
    indexed(desk, 4)
    with desk.open() as library:
        library.encodings.remove(library.encodings.photo_ids().tolist())
        with LibraryWriter.lock(library) as writer:
            writer.update_index()
        assert library.shortlist(query(), 10)[0].tolist() == []
    desk.index()
    with desk.open() as library:
        assert library.status().index_fresh
        assert_exact(library)
