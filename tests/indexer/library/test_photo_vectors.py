"""The vectors that a library compares: made from what it has stored, and made again when the score changes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from indexer.indexing import index_folders
from indexer.library.faiss_file import read_stamp
from indexer.library.generations import index_path
from indexer.library.verification import verify
from indexer.library.writer import LibraryWriter
from model.runtime.protocol import EncodedImages
from model.scoring.photo_vectors import PhotoVectors
from tests.indexer.colour_runtime import GENERATION, colour_processor
from tests.indexer.desk import Desk, scribble
from tests.indexer.library.scored import EMBEDDING, PARAMETERS, RECALIBRATED, SENTENCE, expected, found

PHOTOS = 12


@pytest.fixture
def desk(desk: Desk) -> Desk:
    """A library of twelve photos, whose vectors hold word detectors."""
    for seed in range(PHOTOS):
        scribble(desk.photos / f"{seed:02}.png", seed)
    desk.photo_vectors = PhotoVectors(PARAMETERS)
    desk.index()
    return desk


def file_of(desk: Desk) -> Path:
    return index_path(desk.library, GENERATION)


def vectors_in(desk: Desk) -> str:
    stamp = read_stamp(file_of(desk))
    assert stamp is not None
    return stamp.vectors


def test_photos_are_found_in_the_order_of_the_score(desk: Desk) -> None:
    with desk.open() as library:
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)
        by_similarity = library.shortlist(EMBEDDING[0], 100)[0].tolist()
        assert by_similarity != expected(library, PARAMETERS), "otherwise nothing is tested"


def test_an_embedding_alone_finds_photos_by_their_cosine(desk: Desk) -> None:
    with desk.open() as library:
        own = library.embeddings([3])[3]
        ids, cosines = library.shortlist(own, 100)
        assert ids[0] == 3
        embeddings = np.stack(list(library.embeddings(ids.tolist()).values()))
        np.testing.assert_allclose(cosines, embeddings @ own, atol=1e-3)


def test_newer_photos_are_compared_with_the_same_numbers_as_those_in_the_index(desk: Desk) -> None:
    query = PhotoVectors(PARAMETERS).of_sentences(SENTENCE).vectors[0]
    with desk.open() as library:
        indexed = library.shortlist(query, 100)
        file_of(desk).unlink()
        newer = library.shortlist(query, 100)
    assert indexed[0].tolist() == newer[0].tolist()
    np.testing.assert_allclose(indexed[1], newer[1], atol=1e-3)


class Counting(PhotoVectors):
    """Counts the photos that vectors are made of."""

    made = 0

    def of_photos(self, *encodings: NDArray[np.float32]) -> NDArray[np.float16]:
        self.made += len(encodings[0])
        return super().of_photos(*encodings)


def test_while_photos_are_indexed_each_vector_is_made_once_for_all_searches(desk: Desk) -> None:
    file_of(desk).unlink()
    counting = desk.photo_vectors = Counting(PARAMETERS)
    writer = Desk(desk.photos, desk.library, desk.runtime)  # leaves the index to others: it makes no such vectors
    with desk.open() as library:
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)
        assert counting.made == PHOTOS
        for seed in (50, 51):
            scribble(desk.photos / f"{seed}.png", seed)
            writer.index()
            assert found(library, PARAMETERS) == expected(library, PARAMETERS)
        assert counting.made == PHOTOS + 2
        (desk.photos / "50.png").unlink()
        writer.index()
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)
        library.encodings.remove([3])
        assert 3 not in found(library, PARAMETERS)
        assert counting.made == PHOTOS + 2


def test_a_photo_that_was_encoded_again_is_found_once_and_by_its_new_encoding(desk: Desk) -> None:
    file_of(desk).unlink()
    with desk.open() as library:
        found(library, PARAMETERS)
        other = library.embeddings([5])[5][None], list(library.pixel_features([5]).values())
        pooled = library.pooled_features([5])[5][None]
        library.encodings.add([3], EncodedImages(*other, pooled))
        order = found(library, PARAMETERS)
        assert sorted(order) == library.photo_ids().tolist()
        assert abs(order.index(3) - order.index(5)) == 1, "they are alike now"


def test_new_photos_extend_the_index(desk: Desk) -> None:
    scribble(desk.photos / "new.png", 99)
    desk.index()
    with desk.open() as library:
        assert library.status().index_fresh
        assert len(found(library, PARAMETERS)) == PHOTOS + 1
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)


def spoil_nothing(path: Path) -> None:
    pass


def made_before_there_were_such_vectors(path: Path) -> None:
    """Write the stamp as it was then: without the name of the vectors."""
    content, stamp = path.read_bytes(), read_stamp(path)
    assert stamp is not None
    values = {name: value for name, value in vars(stamp).items() if name != "vectors"}
    text = json.dumps(values).encode()
    path.write_bytes(content[: stamp.faiss_bytes] + text + len(text).to_bytes(4, "little") + b"pixelseek-index1")


@pytest.mark.parametrize("change", [spoil_nothing, made_before_there_were_such_vectors, Path.unlink])
def test_a_library_made_by_the_code_before_opens_and_encodes_nothing_anew(
    tmp_path: Path, change: object, caplog: pytest.LogCaptureFixture
) -> None:
    desk = Desk(tmp_path / "photos", tmp_path / "library")
    for seed in range(PHOTOS):
        scribble(desk.photos / f"{seed:02}.png", seed)
    desk.index()  # embeddings alone
    assert callable(change)
    change(file_of(desk))
    encoded = desk.runtime.photos_encoded
    desk.photo_vectors = PhotoVectors(PARAMETERS)
    with desk.open() as library, caplog.at_level(logging.WARNING):
        assert found(library, PARAMETERS) == expected(library, PARAMETERS), "searched exactly meanwhile"
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)
    assert len(caplog.records) == (change is not Path.unlink), "one line says so"
    progress: list[tuple[int, int]] = []
    with desk.open() as library:
        index_folders(
            library,
            [desk.photos],
            processor=colour_processor(),
            load_runtime=lambda: desk.runtime,
            workers=1,
            index_progress=lambda done, total: progress.append((done, total)),
        )
        assert library.status().index_fresh
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)
    assert progress[-1] == (PHOTOS, PHOTOS)
    assert vectors_in(desk) == PhotoVectors(PARAMETERS).digest
    assert desk.runtime.photos_encoded == encoded


def test_after_a_calibration_the_index_is_made_again_and_no_photo_encoded(desk: Desk) -> None:
    encoded = desk.runtime.photos_encoded
    desk.photo_vectors = PhotoVectors(RECALIBRATED)
    with desk.open() as library:
        assert library.vectors.covered() == 0
        assert found(library, RECALIBRATED) == expected(library, RECALIBRATED)
        assert expected(library, RECALIBRATED) != expected(library, PARAMETERS), "otherwise nothing is tested"
    desk.index()
    assert vectors_in(desk) == PhotoVectors(RECALIBRATED).digest
    with desk.open() as library:
        assert library.vectors.covered() == PHOTOS
        assert found(library, RECALIBRATED) == expected(library, RECALIBRATED)
    assert desk.runtime.photos_encoded == encoded


def test_a_running_search_keeps_to_its_parameters_while_another_process_goes_over_to_others(desk: Desk) -> None:
    with desk.open() as running:
        before = found(running, PARAMETERS)
        other = Desk(desk.photos, desk.library, desk.runtime, PhotoVectors(RECALIBRATED))
        other.index()
        assert vectors_in(desk) == PhotoVectors(RECALIBRATED).digest
        assert found(running, PARAMETERS) == before
        scribble(desk.photos / "new.png", 99)
        other.index()
        assert found(running, PARAMETERS) == expected(running, PARAMETERS)
        with other.open() as opened:
            assert found(opened, RECALIBRATED) == expected(opened, RECALIBRATED)


def test_without_a_model_a_library_is_verified_and_searched_by_cosine(desk: Desk) -> None:
    desk.photo_vectors = None
    with desk.open() as library:
        assert verify(library) == []
        assert library.status().index_fresh
        assert library.shortlist(library.embeddings([5])[5], 1)[0].tolist() == [5]
        with LibraryWriter.lock(library) as writer:
            writer.update_index()
    assert vectors_in(desk) == PhotoVectors(PARAMETERS).digest, "a sound index stays as it is"


def test_a_repair_without_a_model_leaves_a_sound_index_which_the_next_run_replaces(desk: Desk) -> None:
    path = file_of(desk)
    path.write_bytes(path.read_bytes()[:-100])
    with_model, desk.photo_vectors = desk.photo_vectors, None
    with desk.open() as library:
        with LibraryWriter.lock(library) as writer:
            writer.repair()
        assert verify(library) == []
    assert vectors_in(desk) == ""
    desk.photo_vectors = with_model
    desk.index()
    assert vectors_in(desk) == PhotoVectors(PARAMETERS).digest
    with desk.open() as library:
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)


def test_a_library_whose_photos_have_all_gone_takes_new_ones_in(desk: Desk) -> None:
    with desk.open() as library:
        library.encodings.remove(library.encodings.photo_ids().tolist())
        with LibraryWriter.lock(library) as writer:
            writer.update_index()
            assert library.vectors.covered() == 0
    desk.index()
    with desk.open() as library:
        assert library.status().index_fresh
        assert found(library, PARAMETERS) == expected(library, PARAMETERS)
