"""Sentences made of a library's own words."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.example_sentences import MAX_CANDIDATES, example_sentences, plain_texts
from engine.search import SearchEngine
from indexer.library.library import Library
from model.bundle import TrainedModel
from model.scoring.word_detectors import DetectedWords
from model.weights import find_weights
from tests.engine.libraries import index

WORDS = ("dog", "cat", "bus", "running", "swimming", "grass", "water", "street")


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    return TrainedModel(find_weights())


def sentences(model: TrainedModel, *photos: dict[str, float]) -> list[str]:
    """The sentences of photos of which the detectors say that."""
    ids = [int(model.processor.tokenize([word])["input_ids"][0][1]) for word in WORDS]
    order = np.argsort(ids)
    log_odds = np.array([[photo.get(WORDS[row], 0.0) for row in order] for photo in photos], dtype=np.float32)
    none = np.zeros(len(photos), dtype=np.float32)
    weights = np.ones(len(ids), dtype=np.float32)
    return example_sentences(model.processor, DetectedWords(np.sort(ids), log_odds, none, weights, 1.0))


@pytest.mark.parametrize(
    ("photo", "sentence"),
    [
        ({"dog": 4.0, "running": 3.0, "grass": 2.0}, "a dog running in the grass"),
        ({"dog": 4.0, "cat": 3.0, "running": 1.0}, "a dog"),
        ({"bus": 4.0, "running": 3.0, "street": 2.0}, "a bus on a street"),
        ({"dog": 4.0, "swimming": 3.0, "grass": 2.0}, "a dog in the grass"),
        ({"dog": 4.0, "swimming": 3.0}, "a dog swimming"),
    ],
)
def test_a_sentence_says_what_is_clearly_seen_in_one_photo(
    model: TrainedModel, photo: dict[str, float], sentence: str
) -> None:
    assert sentences(model, photo) == [sentence]


def test_where_no_subject_is_clearly_seen_there_is_no_sentence(model: TrainedModel) -> None:
    assert sentences(model, {"grass": 9.0}, {"dog": 1.0}, {}) == []


def test_no_subject_comes_twice_before_each_has_come_once(model: TrainedModel) -> None:
    dog, cat = {"dog": 4.0, "grass": 2.0}, {"cat": 3.0}
    assert sentences(model, dog, dog, {"dog": 3.9, "water": 2.0}, cat) == [
        "a dog in the grass", "a cat", "a dog in the water",
    ]  # fmt: skip
    assert len(sentences(model, *[{"dog": 4.0, "grass": 2.0}] * 50)) == 1 <= MAX_CANDIDATES


def test_tags_and_captions_are_tried_unless_a_search_would_not_take_them_as_words() -> None:
    texts = ["Rex", "folder:x", "-crowd", "after:20211", "a" * 41, "★★", "at the lake", "Nina", "Oma"]
    assert plain_texts(texts) == ["Rex", "★★", "at the lake"]


def test_a_library_of_photos_makes_sentences_that_find_its_photos(shared: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for path in sorted((shared / "photos").glob("*.jpg"))[:12]:
        shutil.copy(path, photos)
    library = tmp_path / "library"
    index(library, photos, find_weights())
    with Library.open(library) as opened:
        photo = opened.photo_at(min(photos.iterdir()))
        opened.annotate(photo.id, caption=None, tags=["Rex"])
    with SearchEngine.open(library) as engine:
        tag, *seen = engine.example_sentences()
        assert tag == "Rex"
        assert any(sentence.startswith(("a ", "an ", "people")) for sentence in seen)
        assert engine.search(seen[0], limit=1).line >= 1
