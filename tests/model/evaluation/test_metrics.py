"""Ranks, recall and its uncertainty, against a slow reference and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from model.metrics import area_under_curve, best_candidates, ranks, recall, recall_gain


def by_sorting(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> list[int]:
    """The rank of each query's first right candidate in a list sorted by score, wrong ones first among equals."""
    ranks = []
    for row, right in zip(scores.tolist(), relevant.tolist(), strict=True):
        ranked = sorted(zip(row, right, strict=True), key=lambda pair: (-pair[0], pair[1]))
        ranks.append([is_right for _, is_right in ranked].index(True))
    return ranks


@pytest.fixture(params=range(5))
def lists(request: pytest.FixtureRequest) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scores of few different values, so that most are tied, and 1 to 5 right candidates for each query."""
    random = np.random.default_rng(request.param)
    scores = random.integers(0, 6, (40, 30)).astype(np.float32)
    relevant = np.argsort(random.random(scores.shape), axis=1) < random.integers(1, 6, (40, 1))
    return scores, relevant


def test_ranks_are_those_of_sorting(lists: tuple[NDArray[np.float32], NDArray[np.bool_]]) -> None:
    assert ranks(*lists).tolist() == by_sorting(*lists)


def test_the_best_candidates_are_those_of_sorting(lists: tuple[NDArray[np.float32], NDArray[np.bool_]]) -> None:
    scores, relevant = lists
    best = best_candidates(scores, relevant, 7)
    kept = np.take_along_axis(scores, best, 1)
    assert np.array_equal(kept, -np.sort(-scores, axis=1)[:, :7])
    # A right candidate is there only where sorting, which lets it lose every tie, has it too.
    assert [rank < 7 for rank in by_sorting(scores, relevant)] == np.take_along_axis(relevant, best, 1).any(1).tolist()


def test_asking_for_more_candidates_than_there_are_gives_all() -> None:
    scores = np.array([[1, 3, 2]], dtype=np.float32)
    assert best_candidates(scores, np.zeros((1, 3), dtype=np.bool_), 10).tolist() == [[1, 2, 0]]


NAN = np.float32(np.nan)


@pytest.mark.parametrize(
    ("scores", "rank"),
    [
        ([NAN, 1, 0, -1], 3),
        ([NAN, 1, NAN, -np.inf], 3),
        ([NAN, NAN, NAN, NAN], 3),
        ([2, NAN, 1, NAN], 2),
        ([np.inf, NAN, 1, 0], 1),
        ([-np.inf, 1, -np.inf, 0], 3),
        ([2, 1, 0, -1], 0),
    ],
    ids=["right one", "right and wrong one", "all", "wrong ones", "beside infinity", "as low as a wrong one", "none"],
)
def test_a_score_that_is_no_number_counts_against_the_model(scores: list[float], rank: int) -> None:
    row, relevant = np.array([scores], dtype=np.float32), np.array([[True, False, False, False]])
    assert ranks(row, relevant).tolist() == [rank]
    assert best_candidates(row, relevant, 4)[0].tolist().index(0) == rank
    found = [depth for depth in range(1, 5) if 0 in best_candidates(row, relevant, depth)]
    assert found == list(range(rank + 1, 5))


def test_of_two_right_candidates_the_one_with_a_score_counts() -> None:
    assert ranks(np.array([[NAN, 2, 3, 1]], np.float32), np.array([[True, True, False, False]])).tolist() == [1]


def test_a_network_that_gives_no_numbers_finds_and_tells_apart_nothing() -> None:
    scores, relevant = np.full((20, 20), NAN), np.eye(20, dtype=np.bool_)
    assert recall(ranks(scores, relevant))["r@10"] == 0.0
    assert area_under_curve(scores.ravel().astype(np.float64), relevant.ravel()) == 0.0


def test_recall_by_hand() -> None:
    assert recall(np.array([0, 2, 4, 9, 10])) == {"r@1": 20.0, "r@5": 60.0, "r@10": 80.0, "median_rank": 5.0}


def test_a_query_whose_scores_are_all_equal_is_found_last() -> None:
    assert ranks(np.zeros((1, 3), dtype=np.float32), np.array([[True, False, False]])).tolist() == [2]


def test_the_gain_of_a_ranking_over_itself_is_zero_for_sure() -> None:
    ranks = np.array([0, 1, 0, 7])
    assert recall_gain(ranks, ranks, np.arange(4), 1) == {"gain": 0.0, "low": 0.0, "high": 0.0}


def test_a_gain_of_one_point_on_a_thousand_photos_is_noise_and_of_ten_is_not() -> None:
    random = np.random.default_rng(0)
    photos = np.arange(1000)
    before = (random.random(1000) > 0.3).astype(np.int64)
    slightly, clearly = before.copy(), before.copy()
    changed = random.permutation(1000)[:300]  # more than are lost or won
    slightly[changed] = 1 - slightly[changed]
    clearly[np.flatnonzero(before)[:100]] = 0
    small, large = recall_gain(before, slightly, photos, 1), recall_gain(before, clearly, photos, 1)
    assert large["gain"] == 10.0
    assert large["low"] > 7.0
    assert small["high"] - small["low"] > 4.0


def test_captions_of_one_photo_are_not_independent_queries() -> None:
    random = np.random.default_rng(0)
    change = random.integers(0, 2, 50)
    once = recall_gain(np.ones(50, dtype=np.int64), change, np.arange(50), 1)
    five_times = recall_gain(np.ones(250, dtype=np.int64), np.repeat(change, 5), np.repeat(np.arange(50), 5), 1)
    assert five_times == once
