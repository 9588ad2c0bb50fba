"""Weights of words, learned from what detectors say of photos that they have not seen."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from model.runtime.protocol import EncodedText
from model.scoring.sentence_length import completeness
from model.scoring.word_detectors import WordDetectors
from model.scoring.word_learning import learn_detectors
from model.scoring.word_weights import HardList, hard_lists, learn_weighted_detectors, weighted

CLS, SEP, CAT, DOG, VERY, RARE = 101, 102, 5, 6, 7, 8


def sentence(*words: int) -> NDArray[np.int64]:
    return np.array([CLS, *words, SEP])


def detectors_of(ids: list[int]) -> WordDetectors:
    """Each word reads one feature of its own."""
    count = len(ids)
    return WordDetectors(
        np.array(ids), np.eye(count, dtype=np.float32), *(np.full(count, -1.0, dtype=np.float32) for _ in range(2))
    )


def text(*words: int) -> EncodedText:
    ids = sentence(*words)
    return EncodedText(np.zeros((1, 2), dtype=np.float32), [np.zeros((len(ids), 4), dtype=np.float32)], [ids])


def test_a_list_holds_the_photos_that_fit_a_caption_best_and_says_which_is_its_own() -> None:
    shown = np.random.default_rng(0).normal(0, 1, (100, 2)).astype(np.float32)
    captions = [[sentence(CAT, 99), sentence(DOG)] for _ in shown]
    detectors = detectors_of([CAT, DOG])
    detected = detectors.detect(shown)
    lists = list(hard_lists(detectors, shown, captions))
    in_list = 0
    for own in range(100):
        for column, word in ((0, CAT), (1, DOG)):
            scores = detected.log_odds[:, column] + detected.absent_log_odds
            if own in np.argsort(-scores)[:32]:
                hard = lists[in_list]
                in_list += 1
                assert hard.words.tolist() == [word], "words without a detector are left out"
                of_list = hard.log_odds[:, 0] + hard.absent_log_odds
                np.testing.assert_allclose(np.sort(of_list), np.sort(scores)[-32:], atol=1e-5)
                assert of_list[hard.right] == pytest.approx(scores[own], abs=1e-5)
    assert in_list == len(lists), "a caption whose own photo is not among them has no list"


def lists_that_tell(informative: int, misleading: int) -> list[HardList]:
    """Lists of captions of two words: one speaks for the right photo, the other for any."""
    random, lists = np.random.default_rng(1), []
    for _ in range(2000):
        log_odds = random.normal(0, 1, (8, 2)).astype(np.float32)
        right = int(random.integers(8))
        log_odds[right, 0] += 1.5
        lists.append(HardList(np.array([informative, misleading]), log_odds, np.zeros(8, dtype=np.float32), right))
    return lists


def test_a_word_that_tells_photos_apart_weighs_more_than_one_that_does_not() -> None:
    learned = weighted(detectors_of([CAT, DOG, VERY]), lists_that_tell(CAT, VERY))
    of_cat, of_dog, of_very = learned.word_weights.tolist()
    assert of_cat > 1 > of_very
    assert of_dog == 1, "it is in no list"


def test_lists_of_different_lengths_are_learned_from_together() -> None:
    short = [
        replace(hard, log_odds=hard.log_odds[:3], absent_log_odds=hard.absent_log_odds[:3])
        for hard in lists_that_tell(CAT, VERY)
        if hard.right < 3
    ]
    learned = weighted(detectors_of([CAT, VERY]), [*short, *lists_that_tell(CAT, VERY)])
    assert np.isfinite(learned.word_weights).all()
    assert np.isfinite(learned.absent_weight)
    assert learned.word_weights[0] > 1 > learned.word_weights[1]


def test_without_lists_or_words_nothing_changes() -> None:
    plain = detectors_of([CAT, DOG])
    assert weighted(plain, []) is plain
    none = WordDetectors()
    assert weighted(none, lists_that_tell(CAT, DOG)) is none


@pytest.fixture(scope="module")
def photos() -> tuple[NDArray[np.float32], list[list[NDArray[np.int64]]]]:
    """Photos of cats and dogs; "very" is said of any photo, and there are features enough to learn it by heart."""
    random = np.random.default_rng(2)
    features = random.normal(0, 0.3, (1500, 60)).astype(np.float32)
    captions = []
    for row in range(len(features)):
        features[row, 0] += 1.0 if row % 2 else -1.0
        words = [CAT if row % 2 else DOG, *([VERY] if random.random() < 0.4 else [])]
        captions.append([sentence(*words)])
    return features, captions


def test_what_was_learned_by_heart_weighs_less(
    photos: tuple[NDArray[np.float32], list[list[NDArray[np.int64]]]],
) -> None:
    learned = learn_weighted_detectors(*photos, progress=False)
    assert learned.ids.tolist() == [CAT, DOG, VERY]
    assert learned.word_weights[2] < min(learned.word_weights[:2])
    plain = learn_detectors(*photos, progress=False)
    np.testing.assert_array_equal(learned.weights, plain.weights, "the detectors themselves are those of all photos")


@pytest.mark.parametrize("count", [1, 3, 12])
def test_few_photos_are_no_error(count: int) -> None:
    captions = [[sentence(CAT if row % 2 else DOG)] for row in range(count)]
    learned = learn_weighted_detectors(np.ones((count, 4), dtype=np.float32), captions, progress=False)
    assert len(learned.word_weights) == len(learned.ids)


WEIGHED = replace(detectors_of([CAT, DOG]), word_weights=np.array([2.0, 0.5], np.float32), absent_weight=1.5)


def test_weights_count_in_the_log_odds_of_a_sentence_and_not_in_what_each_word_says() -> None:
    features = np.random.default_rng(3).normal(0, 1, (4, 2)).astype(np.float32)
    detected = WEIGHED.detect(features)
    plain = replace(WEIGHED, word_weights=np.ones(2, np.float32), absent_weight=1.0).detect(features)
    rows = np.arange(4)
    whole = completeness(text(CAT, DOG).lengths())
    said = 2.0 * plain.log_odds[:, 0] + 0.5 * plain.log_odds[:, 1]
    expected = said / whole + whole * 1.5 * plain.absent_log_odds
    np.testing.assert_allclose(detected.sentence_log_odds(text(CAT, DOG), rows), expected, atol=1e-5)
    np.testing.assert_array_equal(detected.per_token(sentence(CAT, DOG)), plain.per_token(sentence(CAT, DOG)))
    np.testing.assert_allclose(
        detected.part(1, 3).sentence_log_odds(text(CAT, DOG), np.arange(2)), expected[1:3], atol=1e-5
    )


def test_weights_are_kept_in_the_file_and_files_without_them_go_on_working() -> None:
    file = io.BytesIO()
    WEIGHED.write(file)
    file.seek(0)
    kept = WordDetectors.read(file)
    assert (kept.word_weights.tolist(), kept.absent_weight) == ([2.0, 0.5], 1.5)
    with np.load(io.BytesIO(file.getvalue())) as archive:
        older = {name: archive[name] for name in archive if not name.endswith("weight") and name != "word_weights"}
    file = io.BytesIO()
    np.savez(file, **older)
    file.seek(0)
    kept = WordDetectors.read(file)
    assert (kept.word_weights.tolist(), kept.absent_weight) == ([1.0, 1.0], 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"word_weights": np.ones(3, np.float32)},
        {"word_weights": np.array([1.0, np.nan], np.float32)},
        {"word_weights": np.array([1, 2])},
        {"absent_weight": np.array(np.inf)},
        {"absent_weight": np.ones(2)},
    ],
)
def test_weights_that_make_no_sense_are_refused(wrong: dict[str, NDArray[np.float32]]) -> None:
    file = io.BytesIO()
    WEIGHED.write(file)
    with np.load(io.BytesIO(file.getvalue())) as archive:
        arrays = {name: archive[name] for name in archive} | wrong
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with pytest.raises(ValueError, match="does not hold word detectors"):
        WordDetectors.read(file)
