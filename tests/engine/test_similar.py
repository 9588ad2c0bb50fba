from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.errors import QueryError
from engine.search import SearchEngine
from indexer.library.errors import PhotoMissing
from indexer.library.view import LibraryView
from model.weights import generation
from tests.engine.libraries import PHOTO_COUNT, SENTENCE, index, similarities_of


@pytest.fixture(scope="module")
def engine(indexed: Path, weights: Path) -> Iterator[SearchEngine]:
    with SearchEngine.open(indexed, weights=weights, device="cpu") as opened:
        yield opened


def contents(library: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in library.iterdir() if path.suffix in (".sqlite", ".faiss")}


def test_photos_come_in_the_order_of_their_similarity_to_one_without_that_one(
    engine: SearchEngine, indexed: Path, weights: Path
) -> None:
    itself = engine.search(SENTENCE, limit=1).hits[0].photo_id
    hits = engine.similar(itself, limit=100)
    assert len(hits) == PHOTO_COUNT - 1
    assert itself not in [hit.photo_id for hit in hits]
    assert similarities_of(hits) == sorted(similarities_of(hits), reverse=True)
    assert {(hit.match, hit.score) for hit in hits} == {(None, None)}
    with LibraryView.open(indexed, generation=generation(weights)) as library:
        embeddings = np.stack(list(library.embeddings([hit.photo_id for hit in hits]).values()))
        expected = embeddings @ library.embeddings([itself])[itself]
    np.testing.assert_allclose(similarities_of(hits), expected, atol=2e-3)
    assert engine.similar(itself, limit=3) == hits[:3]


def test_without_words_nothing_is_encoded(engine: SearchEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    itself = engine.search(SENTENCE, limit=1).hits[0].photo_id
    expected, encoded = engine.similar(itself, "", limit=3), []
    encode_text = engine._runtime.encode_text

    def encode(sentences: list[str]) -> object:
        encoded.extend(sentences)
        return encode_text(sentences)

    monkeypatch.setattr(engine._runtime, "encode_text", encode)
    assert engine.similar(itself, limit=3) == engine.similar(itself, "folder:/", limit=3) == expected
    assert encoded == []
    engine.similar(itself, "-crowd folder:/")
    assert encoded == ["crowd"]


def test_a_file_of_the_library_and_a_copy_of_it_elsewhere_are_that_photo(
    engine: SearchEngine, photos: Path, tmp_path: Path
) -> None:
    (itself,) = [hit.photo_id for hit in engine.search(SENTENCE).hits if hit.path == str(photos / "scene 05.jpg")]
    expected = engine.similar(itself)
    assert engine.similar(photos / "scene 05.jpg") == expected
    assert engine.similar(Path(shutil.copy(photos / "scene 05.jpg", tmp_path / "copy.jpg"))) == expected


def test_a_file_outside_the_library_is_compared_and_not_stored(
    library: Path, weights: Path, photos: Path, tmp_path: Path
) -> None:
    with Image.open(photos / "scene 05.jpg") as image:
        image.save(tmp_path / "again.png")
    with SearchEngine.open(library, weights=weights) as engine:
        before = contents(library)
        nearest = engine.similar(tmp_path / "again.png", limit=1)[0]
    assert nearest.path == str(photos / "scene 05.jpg")
    assert similarities_of([nearest])[0] > 0.99
    assert contents(library) == before


def test_a_photo_that_has_left_the_library_is_no_hit_and_cannot_be_asked_for_by_id(
    tmp_path: Path, photos: Path, weights: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        shutil.copy(photos / f"scene 0{number + 1}.jpg", folder)
    index(tmp_path / "library", folder, weights)
    (folder / "scene 01.jpg").rename(tmp_path / "gone.jpg")
    index(tmp_path / "library", folder, weights)
    with SearchEngine.open(tmp_path / "library", weights=weights) as engine:
        hits = engine.similar(tmp_path / "gone.jpg")
        assert sorted(Path(hit.path).name for hit in hits) == [f"scene 0{number}.jpg" for number in (2, 3, 4)]
        (gone,) = {1, 2, 3, 4} - {hit.photo_id for hit in hits}
        with pytest.raises(PhotoMissing):
            engine.similar(gone)


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere.jpg", "is not a file"), (".", "is not a file"), ("broken.jpg", "not a photo|damaged")],
)
def test_what_cannot_be_read_as_a_photo_is_named(engine: SearchEngine, photos: Path, name: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        engine.similar(photos / name)


def test_a_limit_out_of_range_is_refused(engine: SearchEngine) -> None:
    with pytest.raises(QueryError, match=r"must be 1"):
        engine.similar(1, limit=0)


def test_a_file_is_decoded_while_others_search(engine: SearchEngine, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    with ExitStack() as others:
        for _ in range(engine.at_once):
            others.enter_context(engine._turns)
        with pytest.raises(QueryError, match="not a photo"):
            engine.similar(tmp_path / "broken.jpg")


def test_with_words_the_photos_near_to_both_are_reranked_by_the_words(
    engine: SearchEngine, monkeypatch: pytest.MonkeyPatch, indexed: Path, weights: Path
) -> None:
    monkeypatch.setattr("engine.search._COMBINED", 5)
    by_words = engine.search(SENTENCE)
    itself = by_words.hits[3].photo_id
    hits = engine.similar(itself, SENTENCE)
    assert itself not in [hit.photo_id for hit in hits]
    assert len(hits) == PHOTO_COUNT - 1
    assert [hit.match is not None for hit in hits] == [True] * 5 + [False] * (PHOTO_COUNT - 6)
    expected = {hit.photo_id: hit for hit in by_words.hits}
    for hit in hits[:5]:
        assert hit.match == pytest.approx(expected[hit.photo_id].match, abs=1e-3), "the match is that of the words"
        assert hit.similarity == pytest.approx(expected[hit.photo_id].similarity, abs=2e-3)
    scores = [hit.score for hit in hits[:5]]
    assert scores == sorted(scores, key=lambda score: -(score or 0))
    with LibraryView.open(indexed, generation=generation(weights)) as library:
        ids = [hit.photo_id for hit in hits]
        to_photo = np.stack(list(library.embeddings(ids).values())) @ library.embeddings([itself])[itself]
    sums = to_photo + [hit.similarity for hit in hits]
    assert min(sums[:5]) >= max(sums[5:]) - 2e-3
    assert engine.similar(itself, SENTENCE, limit=3) == hits[:3]


def test_filters_and_excluded_terms_hold_beside_a_photo_too(engine: SearchEngine) -> None:
    itself, *others = (hit.photo_id for hit in engine.search(SENTENCE).hits)
    assert engine.similar(itself, "taken:1900") == []
    assert {hit.photo_id for hit in engine.similar(itself, "type:jpg")} == set(others)
    plain, excluding = engine.similar(itself), engine.similar(itself, "-circle")
    assert [hit.photo_id for hit in plain] != [hit.photo_id for hit in excluding]
    assert {hit.match for hit in excluding} == {None}
    with pytest.raises(QueryError, match="excluded terms"):
        engine.similar(itself, " ".join(f"-{letter}" for letter in "abcdefghi"))
