"""What a library has learned of taught words: detectors, how good they are, and what to ask next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.search import SearchEngine
from engine.teaching import Teaching
from indexer.library.taught_words import TaughtWord
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from tests.engine.libraries import PHOTO_COUNT


@pytest.fixture(scope="module")
def view(indexed: Path, weights: Path) -> Iterator[LibraryView]:
    """The library, to be read only."""
    model = TrainedModel(weights)
    with LibraryView.open(indexed, generation=model.generation, photo_vectors=model.photo_vectors) as opened:
        yield opened


@pytest.fixture
def teaching(view: LibraryView, weights: Path) -> Teaching:
    return Teaching(view, TrainedModel(weights).photo_vectors)


@pytest.fixture(scope="module")
def ids(view: LibraryView) -> list[int]:
    """The photos of the library, those first that are most alike to the first of them."""
    photo_ids = view.photo_ids()
    (embedding,) = view.embeddings([int(photo_ids[0])]).values()
    return [int(photo_id) for photo_id in view.shortlist(embedding, PHOTO_COUNT)[0]]


def word(shown: list[int], not_shown: list[int] | None = None) -> TaughtWord:
    return TaughtWord(1, "Rex", "rex", 0, sorted(shown), sorted(not_shown or []))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_fewer_than_three_photos_teach_no_detector_and_it_says_so(
    teaching: Teaching, ids: list[int], count: int
) -> None:
    taught = word(ids[:count], ids[5:8])
    assert teaching.detector(taught) is None
    quality = teaching.quality(taught)
    assert quality.state == "few"
    assert "at least 3 photos" in quality.text
    assert f"there are {count} so far" in quality.text


def test_photos_that_are_no_longer_there_are_no_examples(teaching: Teaching, ids: list[int]) -> None:
    assert teaching.detector(word([*ids[:2], 4711])) is None
    assert teaching.quality(word([*ids[:2], 4711])).state == "few"


def test_a_detector_finds_its_examples_and_photos_like_them(
    teaching: Teaching, view: LibraryView, ids: list[int]
) -> None:
    detector = teaching.detector(word(ids[:3]))
    assert detector is not None
    order = view.shortlist(detector.weights, PHOTO_COUNT)[0].tolist()
    assert len(set(order[:4]) & set(ids[:3])) >= 2


def test_a_detector_is_kept_until_an_answer_changes_its_examples(teaching: Teaching, ids: list[int]) -> None:
    first = teaching.detector(word(ids[:3]))
    assert teaching.detector(word(ids[:3])) is first
    changed = teaching.detector(word(ids[:3], ids[-1:]))
    assert first is not None
    assert changed is not None
    assert not np.array_equal(changed.weights, first.weights)
    again = teaching.detector(word(ids[:3]))
    assert again is not None
    assert np.array_equal(again.weights, first.weights), "taking an answer back undoes what it taught"


def test_suggestions_are_photos_that_nobody_answered_or_skipped_each_once(teaching: Teaching, ids: list[int]) -> None:
    suggestions = teaching.suggestions(word(ids[:3], ids[10:]), leave_out=ids[3:5])
    assert len(suggestions) == len(set(suggestions)) > 0
    assert not {*ids[:5], *ids[10:]} & set(suggestions)
    assert set(suggestions) <= set(ids)
    assert teaching.suggestions(word(ids), count=12) == []
    assert len(teaching.suggestions(word(ids[:3]), count=2)) == 2


def test_the_likeliest_photo_is_asked_about_first(teaching: Teaching, view: LibraryView, ids: list[int]) -> None:
    taught = word(ids[:3])
    detector = teaching.detector(taught)
    assert detector is not None
    best = [
        photo_id for photo_id in view.shortlist(detector.weights, PHOTO_COUNT)[0].tolist() if photo_id not in ids[:3]
    ]
    assert teaching.suggestions(taught)[0] in best[:3]


def test_without_an_example_the_word_as_a_sentence_or_any_photo_is_suggested(
    teaching: Teaching, view: LibraryView, ids: list[int]
) -> None:
    (embedding,) = view.embeddings(ids[4:5]).values()
    assert teaching.suggestions(word([]), wanted=embedding)[0] == ids[4]
    assert set(teaching.suggestions(word([]))) <= set(ids)
    assert len(teaching.suggestions(word([]))) == PHOTO_COUNT
    assert len(teaching.suggestions(word(ids[:1]))) > 1, "one example is enough to ask about photos like it"


def test_quality_counts_each_example_by_what_the_others_teach(teaching: Teaching, ids: list[int]) -> None:
    quality = teaching.quality(word(ids[:6], ids[6:]))
    assert quality.tested <= 6
    assert 0 <= quality.found <= quality.tested
    assert quality.refused == len(ids[6:])
    assert f"{quality.found} of {quality.tested} of its photos" in quality.text
    assert quality.to_json()["state"] == quality.state


def test_contradictory_answers_are_called_so(teaching: Teaching, ids: list[int]) -> None:
    quality = teaching.quality(word(ids[::2], ids[1::2]))
    assert quality.state in ("unclear", "alike")


def test_few_examples_are_called_a_first_guess(teaching: Teaching, ids: list[int]) -> None:
    assert "first guess" in teaching.quality(word(ids[:3])).text


def test_an_engine_answers_the_same(indexed: Path, weights: Path, teaching: Teaching, ids: list[int]) -> None:
    taught, untaught = word(ids[:6], ids[6:8]), word([])
    with SearchEngine.open(indexed, weights=weights, device="cpu") as engine:
        assert engine.taught_quality(taught) == teaching.quality(taught)
        assert engine.suggestions(taught, leave_out=ids[8:9]) == teaching.suggestions(taught, leave_out=ids[8:9])
        by_name = engine.search("Rex", rerank=False, limit=1).hits
        assert engine.suggestions(untaught)[0] == by_name[0].photo_id
