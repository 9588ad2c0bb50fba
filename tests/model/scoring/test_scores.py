"""What scores become: a calibrated match; and features: bytes on disk."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from model.metrics import equal_bins
from model.quantization import dequantize, quantize
from model.scoring.calibration import Calibration
from model.scoring.calibration_fitting import Gallery, best_cutoff, fit_calibration, fit_scales
from model.scoring.parts import ScoreParts
from model.scoring.ranker import combine, match_of


def scored(
    similarity: NDArray[np.float32],
    itm_logits: NDArray[np.float32],
    relevant: NDArray[np.bool_],
    log_odds: NDArray[np.float32] | None = None,
) -> Gallery:
    """Scored shortlists of one gallery, where people agree on what is relevant."""
    nothing = np.zeros_like(itm_logits)
    parts = ScoreParts(
        similarity, nothing, nothing if log_odds is None else log_odds, itm_logits, nothing + 10, nothing - 8
    )
    return Gallery(parts, relevant.astype(np.float32), relevant)


def gallery(queries: int, candidates: int, seed: int) -> Gallery:
    """The right candidate comes first, and both scores are a little higher for it."""
    random = np.random.default_rng(seed)
    relevant = np.zeros((queries, candidates), dtype=np.bool_)
    relevant[:, 0] = True
    itm = random.normal(0, 1, relevant.shape) + 2.0 * relevant
    similarities = random.normal(0, 0.1, relevant.shape) + 0.2 * relevant
    return scored(similarities.astype(np.float32), itm.astype(np.float32), relevant)


def match(gallery: Gallery, calibration: Calibration) -> NDArray[np.float32]:
    return match_of(combine(gallery.parts, calibration), gallery.parts.prior_log_odds, calibration)


def assert_calibrated(match: NDArray[np.float32], fit: NDArray[np.floating], within: float) -> None:
    for rows in equal_bins(match.ravel(), 10):
        assert fit.ravel()[rows].mean() == pytest.approx(match.ravel()[rows].mean(), abs=within)


def test_a_match_is_how_often_people_say_that_a_pair_like_it_fits() -> None:
    calibration, fresh = fit_calibration([gallery(4000, 20, seed=0)]), gallery(4000, 20, seed=1)
    assert_calibrated(match(fresh, calibration), fresh.fit, within=0.03)


def test_it_holds_where_people_disagree() -> None:
    people = Calibration(similarity_scale=10.0, match_scale=0.5, match_bias=-2.0)

    def judged(seed: int) -> Gallery:
        sound = gallery(4000, 20, seed=seed)
        return replace(sound, fit=match(sound, people))

    calibration, fresh = fit_calibration([judged(0)]), judged(1)
    assert_calibrated(match(fresh, calibration), fresh.fit, within=0.05)
    assert match(fresh, calibration).max() < 0.95, "nobody is sure"


def test_a_sentence_of_rare_words_fits_fewer_photos_than_one_of_usual_words_with_the_same_score() -> None:
    def judged(seed: int, prior: float, share: float) -> Gallery:
        sound = gallery(4000, 20, seed=seed)
        parts = replace(sound.parts, prior_log_odds=np.full_like(sound.parts.words, prior))
        return replace(sound, parts=parts, fit=(share * sound.fit).astype(np.float32))

    calibration = fit_calibration([judged(0, -3.0, 0.9), judged(1, -12.0, 0.3)])
    for fresh in (judged(2, -3.0, 0.9), judged(3, -12.0, 0.3)):
        assert match(fresh, calibration).mean() == pytest.approx(fresh.fit.mean(), abs=0.01)
    assert calibration.match_prior_scale > 0


def test_where_any_sum_ranks_as_well_both_scores_count() -> None:
    scores = np.array([[1.0, 0.0, 0.0]] * 8, dtype=np.float32)  # each is right about all of them
    assert 1.0 < fit_calibration([scored(scores, scores, scores == 1.0)]).similarity_scale < 100.0


def test_similarity_counts_as_much_as_ranks_best() -> None:
    # Both scores tell right from wrong by two standard deviations: the best sum weighs them alike.
    assert fit_calibration([gallery(4000, 20, seed=0)]).similarity_scale == pytest.approx(10.0, rel=0.3)
    useless = gallery(2000, 20, seed=0)
    noise = np.random.default_rng(2).normal(0, 0.1, useless.fit.shape).astype(np.float32)
    assert fit_calibration([with_parts(useless, similarity=noise)]).similarity_scale <= 1.0


def with_parts(gallery: Gallery, **parts: NDArray[np.float32]) -> Gallery:
    return replace(gallery, parts=replace(gallery.parts, **parts))


def test_words_count_as_much_as_rank_best() -> None:
    known = gallery(4000, 20, seed=0)
    random = np.random.default_rng(3)
    noise = random.normal(0, 4.0, known.fit.shape).astype(np.float32)
    assert fit_calibration([known]).log_odds_scale == 0.0, "there are none"
    # All three scores tell right from wrong by two standard deviations: the best sum weighs them alike.
    fitted = fit_calibration([with_parts(known, log_odds=(noise + 8.0 * known.fit).astype(np.float32))])
    assert fitted.log_odds_scale == pytest.approx(0.25, rel=0.4)
    assert fitted.similarity_scale == pytest.approx(10.0, rel=0.4)
    assert fit_calibration([with_parts(known, log_odds=noise)]).log_odds_scale <= 0.05


def test_the_parts_of_the_shortlist_keep_their_ratio_beside_the_joint_pass() -> None:
    known = gallery(4000, 20, seed=0)
    noise = np.random.default_rng(3).normal(0, 4.0, known.fit.shape).astype(np.float32)
    judged = with_parts(known, log_odds=(noise + 8.0 * known.fit).astype(np.float32))
    free, bound = fit_scales([judged]), fit_scales([judged], ratio=0.1)
    assert bound.log_odds_scale == pytest.approx(0.1 * bound.similarity_scale)
    assert fit_calibration([judged], ratio=0.1).similarity_scale == bound.similarity_scale
    assert free.log_odds_scale != pytest.approx(0.1 * free.similarity_scale, rel=0.2)
    without = with_parts(judged, itm_logits=np.zeros_like(noise))
    alone = fit_scales([without])
    assert alone.log_odds_scale / alone.similarity_scale == pytest.approx(0.025, rel=0.5), (
        "two standard deviations each"
    )


def test_queries_about_no_one_photo_decide_the_match_and_not_the_sum() -> None:
    known, other = gallery(4000, 20, seed=0), gallery(4000, 20, seed=1)
    nobody = replace(with_parts(other, similarity=-other.parts.similarity), relevant=None)
    alone, both = fit_calibration([known]), fit_calibration([known, nobody])
    assert both.similarity_scale == alone.similarity_scale
    assert both.match_scale != alone.match_scale


def test_galleries_count_alike_however_many_queries_they_have() -> None:
    small, large = gallery(500, 5, seed=0), gallery(500, 100, seed=1)
    often = Gallery(
        ScoreParts.joined([small.parts] * 8), *(np.concatenate([a] * 8) for a in (small.fit, small.relevant))
    )
    first, second = fit_calibration([small, large]), fit_calibration([often, large])
    assert first.match_bias == pytest.approx(second.match_bias, rel=0.1)
    assert first.match_scale == pytest.approx(second.match_scale, rel=0.1)


def test_of_cutoffs_that_tell_as_well_the_lowest_is_taken() -> None:
    match = np.array([0.9, 0.8, 0.5, 0.2, 0.1])
    right = np.array([True, True, False, True, False])  # 0.8 lets two of three pass, 0.2 all and one wrong one
    weights = np.array([1.0, 1.0, 1.0, 0.995, 2.0])
    assert best_cutoff(match, right, weights) == 0.2


def test_the_cutoff_tells_hits_that_fit_from_others() -> None:
    calibration, fresh = fit_calibration([gallery(4000, 20, seed=0)]), gallery(4000, 20, seed=1)
    matches, fits = match(fresh, calibration), fresh.fit == 1.0

    def told_apart(cutoff: float) -> float:
        return float((matches[fits] >= cutoff).mean() + (matches[~fits] < cutoff).mean()) / 2

    assert told_apart(calibration.cutoff) > 0.8
    assert all(told_apart(calibration.cutoff) > told_apart(other) - 0.02 for other in np.linspace(0, 1, 21))


def test_the_order_of_the_hits_is_the_order_of_their_match() -> None:
    calibration = Calibration(similarity_scale=4.0, match_scale=0.3, match_bias=-2.0)
    scores = np.linspace(-20, 20, 50, dtype=np.float32)
    assert (np.diff(match_of(scores, np.full(50, -7.0, dtype=np.float32), calibration)) > 0).all()


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
