"""What a match is worth: by hand, on probabilities that are true, and on ones that are not."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from model.scoring.match_quality import first_hits, match_quality


def test_a_photo_removed_can_be_no_right_hit() -> None:
    scores = np.tile(np.array([3, 2, 1], dtype=np.float32), (1000, 1))
    relevant = np.tile(np.array([True, False, False]), (1000, 1))
    hits, right = first_hits(scores, relevant)
    assert right.sum() == 500
    assert (hits[right] == 3).all()
    assert (hits[~right] == 2).all()


@pytest.mark.parametrize("candidates", [1, 2], ids=["a shortlist of one", "nothing but right candidates"])
def test_a_query_that_has_no_candidate_left_is_left_out(candidates: int) -> None:
    match = np.full((10, candidates), 0.75, dtype=np.float32)
    hits, right = first_hits(match, np.ones((10, candidates), dtype=np.bool_))
    assert hits.tolist() == [0.75] * 5
    assert right.all()
    quality = json.dumps(match_quality(hits, right), allow_nan=False)
    assert json.loads(quality)["first_hits"] == 5


def test_a_query_that_has_a_wrong_candidate_left_stays() -> None:
    relevant = np.tile(np.array([True, False]), (10, 1))
    hits, right = first_hits(np.tile(np.array([0.75, 0.25], dtype=np.float32), (10, 1)), relevant)
    assert sorted(hits.tolist()) == [0.25] * 5 + [0.75] * 5
    assert right.tolist() == (hits == 0.75).tolist()


def test_a_right_photo_that_is_not_first_is_no_right_hit() -> None:
    _, right = first_hits(np.array([[3, 2]] * 8, dtype=np.float32), np.array([[False, True]] * 8))
    assert not right.any()


def test_probabilities_that_are_true_are_calibrated() -> None:
    random = np.random.default_rng(0)
    match = random.random(20_000).astype(np.float32)
    quality = match_quality(match, random.random(20_000) < match)
    assert quality["ece"] < 0.02
    assert quality["brier"] < quality["brier_constant"]
    assert quality["auroc"] == pytest.approx(5 / 6, abs=0.02)


def test_overconfidence_shows() -> None:
    random = np.random.default_rng(0)
    truth = random.random(20_000)
    loud = np.where(truth > 0.5, np.float32(0.99), np.float32(0.01))
    assert match_quality(loud, random.random(20_000) < truth)["ece"] == pytest.approx(0.24, abs=0.02)


def test_a_constant_is_no_better_than_a_constant() -> None:
    right = np.arange(100) < 30
    quality = match_quality(np.full(100, 0.3, dtype=np.float32), right)
    assert quality["auroc"] == 0.5
    assert quality["brier"] == quality["brier_constant"] == 0.21


def test_auroc_counts_pairs() -> None:
    random = np.random.default_rng(1)
    match, right = random.integers(0, 5, 60).astype(np.float32) / np.float32(5), random.random(60) < 0.4
    won = [(a > b) + (a == b) / 2 for a, b in itertools.product(match[right], match[~right])]
    assert match_quality(match, right)["auroc"] == pytest.approx(np.mean(won), abs=1e-4)


def test_without_a_wrong_hit_nothing_was_told_apart() -> None:
    assert match_quality(np.ones(4, dtype=np.float32), np.ones(4, dtype=np.bool_))["auroc"] == 0.5


def test_bins_hold_equally_many_hits_and_are_what_the_error_is_made_of() -> None:
    random = np.random.default_rng(2)
    match = random.random(1000).astype(np.float32)
    quality = match_quality(match, random.random(1000) < match**2)
    bins = quality["bins"]
    assert [row["hits"] for row in bins] == [100] * 10
    assert [row["match"] for row in bins] == sorted(row["match"] for row in bins)
    assert np.mean([abs(row["match"] - row["right"]) for row in bins]) == pytest.approx(100 * quality["ece"], abs=0.01)


def test_bins_by_hand() -> None:
    match = np.array([0.9, 0.1, 0.5], dtype=np.float32)
    assert match_quality(match, np.array([True, False, True]))["bins"] == [
        {"hits": 1, "match": 10.0, "right": 0.0},
        {"hits": 1, "match": 50.0, "right": 100.0},
        {"hits": 1, "match": 90.0, "right": 100.0},
    ]
