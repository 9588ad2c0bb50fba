"""What scores become: a calibrated match; and features: bytes on disk."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from model.quantization import dequantize, quantize
from model.scoring.calibration import Calibration
from model.scoring.calibration_fitting import best_cutoff, fit_calibration
from model.scoring.match_quality import first_hits
from model.scoring.parts import ScoreParts
from model.scoring.ranker import combine, match_of


@dataclass(frozen=True)
class Gallery:
    """Scored shortlists of one gallery."""

    similarity: NDArray[np.float32]
    itm_logits: NDArray[np.float32]
    relevant: NDArray[np.bool_]
    log_odds: NDArray[np.float32] | None = None

    @property
    def parts(self) -> ScoreParts:
        nothing = np.zeros_like(self.itm_logits)
        log_odds = nothing if self.log_odds is None else self.log_odds
        return ScoreParts(self.similarity, nothing, log_odds, self.itm_logits)


def gallery(queries: int, candidates: int, seed: int) -> Gallery:
    """The right candidate comes first, and both scores are a little higher for it."""
    random = np.random.default_rng(seed)
    relevant = np.zeros((queries, candidates), dtype=np.bool_)
    relevant[:, 0] = True
    itm = random.normal(0, 1, relevant.shape) + 2.0 * relevant
    similarities = random.normal(0, 0.1, relevant.shape) + 0.2 * relevant
    return Gallery(similarities.astype(np.float32), itm.astype(np.float32), relevant)


def test_a_match_is_how_often_a_first_hit_like_it_is_right() -> None:
    calibration = fit_calibration([gallery(4000, 20, seed=0)])
    fresh = gallery(4000, 20, seed=1)
    hits, right = first_hits(combine(fresh.parts, calibration), fresh.relevant)
    match = match_of(hits, calibration)
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        inside = (match >= low) & (match < high)
        assert inside.sum() > 50
        assert right[inside].mean() == pytest.approx(match[inside].mean(), abs=0.06)


def test_where_any_sum_ranks_as_well_both_scores_count() -> None:
    scores = np.array([[1.0, 0.0, 0.0]] * 8, dtype=np.float32)  # each is right about all of them
    assert 1.0 < fit_calibration([Gallery(scores, scores, scores == 1.0)]).similarity_scale < 100.0


def test_similarity_counts_as_much_as_ranks_best() -> None:
    # Both scores tell right from wrong by two standard deviations: the best sum weighs them alike.
    assert fit_calibration([gallery(4000, 20, seed=0)]).similarity_scale == pytest.approx(10.0, rel=0.3)
    useless = gallery(2000, 20, seed=0)
    noise = np.random.default_rng(2).normal(0, 0.1, useless.relevant.shape).astype(np.float32)
    assert fit_calibration([replace(useless, similarity=noise)]).similarity_scale <= 1.0


def test_words_count_as_much_as_rank_best() -> None:
    scored = gallery(4000, 20, seed=0)
    random = np.random.default_rng(3)
    noise = random.normal(0, 4.0, scored.relevant.shape).astype(np.float32)
    assert fit_calibration([scored]).log_odds_scale == 0.0, "there are none"
    # All three scores tell right from wrong by two standard deviations: the best sum weighs them alike.
    fitted = fit_calibration([replace(scored, log_odds=(noise + 8.0 * scored.relevant).astype(np.float32))])
    assert fitted.log_odds_scale == pytest.approx(0.25, rel=0.4)
    assert fitted.similarity_scale == pytest.approx(10.0, rel=0.4)
    assert fit_calibration([replace(scored, log_odds=noise)]).log_odds_scale <= 0.05


def test_galleries_count_alike_however_many_queries_they_have() -> None:
    small, large = gallery(500, 5, seed=0), gallery(500, 100, seed=1)
    often = Gallery(*(np.concatenate([table] * 8) for table in (small.similarity, small.itm_logits, small.relevant)))
    first, second = fit_calibration([small, large]), fit_calibration([often, large])
    assert first.match_bias == pytest.approx(second.match_bias, rel=0.1)
    assert first.match_scale == pytest.approx(second.match_scale, rel=0.1)


def test_of_cutoffs_that_tell_as_well_the_lowest_is_taken() -> None:
    match = np.array([0.9, 0.8, 0.5, 0.2, 0.1])
    right = np.array([True, True, False, True, False])  # 0.8 lets two of three pass, 0.2 all and one wrong one
    weights = np.array([1.0, 1.0, 1.0, 0.995, 2.0])
    assert best_cutoff(match, right, weights) == 0.2


def test_the_cutoff_tells_right_first_hits_from_wrong_ones() -> None:
    calibration, fresh = fit_calibration([gallery(4000, 20, seed=0)]), gallery(4000, 20, seed=1)
    hits, right = first_hits(combine(fresh.parts, calibration), fresh.relevant)
    match = match_of(hits, calibration)

    def told_apart(cutoff: float) -> float:
        return float((match[right] >= cutoff).mean() + (match[~right] < cutoff).mean()) / 2

    assert told_apart(calibration.cutoff) > 0.7
    assert all(told_apart(calibration.cutoff) > told_apart(other) - 0.02 for other in np.linspace(0, 1, 21))


def test_the_order_of_the_hits_is_the_order_of_their_match() -> None:
    calibration = Calibration(similarity_scale=4.0, match_scale=0.3, match_bias=-2.0)
    scores = np.linspace(-20, 20, 50, dtype=np.float32)
    assert (np.diff(match_of(scores, calibration)) > 0).all()


def test_pixel_features_survive_eight_bits() -> None:
    features = np.random.default_rng(0).normal(0, 1, (64, 384)).astype(np.float32)
    packed = quantize(features)
    assert len(packed) == 64 * (384 + 2)
    worst = np.abs(features).max(axis=1, keepdims=True) / 127
    assert (np.abs(dequantize(packed, 384) - features) <= 0.6 * worst).all()


def test_an_all_zero_token_stays_zero() -> None:
    assert not dequantize(quantize(np.zeros((2, 8), dtype=np.float32)), 8).any()


def test_a_cut_blob_is_noticed() -> None:
    packed = quantize(np.ones((2, 8), dtype=np.float32))
    with pytest.raises(ValueError, match="whole number of tokens"):
        dequantize(packed[:-1], 8)
