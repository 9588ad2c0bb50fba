"""When a search says that nothing like that is here, and the queries by which this is fitted and measured."""

from __future__ import annotations

import numpy as np
import pytest

from model.processor import PixelBertProcessor
from model.scoring.absence import AbsenceRule, content_ids, evidence, weakest_word
from model.scoring.absence_queries import ShortQuery, short_queries
from model.scoring.vocabulary import Vocabulary, content_words, singular
from model.scoring.word_detectors import WordDetectors

HERE = [
    [f"a dog and a {thing} near the ball" for thing in pair] for pair in (("boat", "house"), ("bench", "tree"))
] * 10
ELSEWHERE = [[f"a {thing} beside the red fence", "the dog on a boat"] for thing in ("lamp", "sofa", "oven")] * 10


def words(queries: list[ShortQuery], present: bool) -> set[str]:
    return {singular(word) for query in queries if query.present == present for word in content_words(query.text)}


def test_an_absent_query_names_something_that_no_caption_of_the_gallery_has() -> None:
    queries = short_queries(HERE, [*ELSEWHERE, *ELSEWHERE], 5)
    here = {singular(word) for captions in HERE for caption in captions for word in content_words(caption)}
    for query in queries:
        named = {singular(word) for word in content_words(query.text)}
        assert (named <= here) == query.present


def test_there_are_as_many_of_each_kind_with_as_many_words() -> None:
    queries = short_queries(HERE, [*ELSEWHERE, *ELSEWHERE], 5)
    lengths = {
        present: sorted(len(query.text.split()) for query in queries if query.present == present)
        for present in (True, False)
    }
    assert lengths[True] == lengths[False]
    assert set(lengths[True]) <= {1, 2}


def test_the_same_captions_and_seed_give_the_same_queries() -> None:
    arguments = (HERE, [*ELSEWHERE, *ELSEWHERE], 5)
    assert short_queries(*arguments, seed=3) == short_queries(*arguments, seed=3)


def test_plurals_of_what_is_here_are_not_absent() -> None:
    elsewhere = [["the dogs beside a lamp", "some boats in the ball"]] * 30
    assert words(short_queries(HERE, elsewhere, 5), present=False) <= {"lamp"}


def test_without_words_from_elsewhere_there_are_no_queries() -> None:
    assert short_queries(HERE, [], 5) == []
    assert short_queries([], ELSEWHERE, 5) == []


DETECTORS = WordDetectors(
    np.array([3, 5, 8]),
    np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=np.float32),
    np.array([-2.0, -2.0, -2.0], dtype=np.float32),
    np.array([-4.0, -4.0, -4.0], dtype=np.float32),
)
POOLED = np.array([[16.0, 0.0], [1.0, 4.0]], dtype=np.float32)  # roots: 4 and 0, 1 and 2


@pytest.mark.parametrize(
    ("ids", "weakest"),
    [([3], 2.0), ([5], 0.0), ([3, 5], 0.0), ([8, 3], 2.0), ([3, 99], 2.0), ([99], None), ([], None)],
)
def test_each_word_counts_by_the_photo_that_shows_it_best_and_the_weakest_decides(
    ids: list[int], weakest: float | None
) -> None:
    assert weakest_word(DETECTORS, POOLED, np.array(ids, dtype=np.int64)) == weakest


def test_no_photos_give_no_evidence() -> None:
    assert weakest_word(DETECTORS, np.zeros((0, 2), dtype=np.float32), np.array([3])) is None
    assert evidence(0.4, None) is None


def test_evidence_rises_with_the_match_and_with_the_weakest_word() -> None:
    assert evidence(0.5, -3.0) == pytest.approx(-3.0)
    by_match = [evidence(match, -3.0) for match in (0.0, 0.1, 0.5, 0.9, 1.0)]
    assert by_match == sorted(by_match, key=lambda value: value or 0.0)
    assert (evidence(0.2, -2.0) or 0.0) > (evidence(0.2, -3.0) or 0.0)


@pytest.mark.parametrize(
    ("rule", "value", "absent"),
    [
        (AbsenceRule(-5.0), -6.0, True),
        (AbsenceRule(-5.0), -5.0, False),
        (AbsenceRule(-5.0), None, False),
        (AbsenceRule(), -60.0, False),
    ],
)
def test_what_has_less_evidence_than_the_rule_asks_for_is_absent(
    rule: AbsenceRule, value: float | None, absent: bool
) -> None:
    assert rule.is_absent(value) == absent


@pytest.mark.parametrize("numbers", [{"min_evidence": float("nan")}, {"min_evidence": "low"}, {"threshold": 1.0}])
def test_something_else_is_no_rule(numbers: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        AbsenceRule.of(numbers)


def test_function_words_and_words_that_were_not_learned_are_no_evidence(processor: PixelBertProcessor) -> None:
    vocabulary = Vocabulary({"red": 5, "circle": 5})
    both = content_ids(processor, vocabulary, "the red circle")
    assert set(both.tolist()) == {*content_ids(processor, vocabulary, "red circle with a xylophone").tolist()}
    assert len(content_ids(processor, vocabulary, "a xylophone and the")) == 0
