"""Fit a calibration to the shortlists of dev photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.metrics import ranks
from model.scoring.calibration import Calibration
from model.scoring.match_quality import first_hits
from model.scoring.parts import ScoreParts
from model.scoring.ranker import combine, match_of

_SIMILARITY_SCALES = (0.0, *np.geomspace(0.25, 1024.0, 49).tolist())
_LOG_ODDS_SCALES = (0.0, *np.geomspace(0.02, 20.0, 31).tolist())
_SPLITS = 4  # random halves of the queries whose photos are removed
_CUTOFF_TOLERANCE = 0.01  # of Youden's J: less than its standard error on a thousand sentences


class Gallery(Protocol):
    """The shortlists of Q queries in one gallery, as `Shortlists` has them."""

    @property
    def parts(self) -> ScoreParts:
        """(Q, K)"""

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """(Q, K), True on the right candidates."""


def fit_calibration(galleries: Sequence[Gallery]) -> Calibration:
    """Fit to the shortlists of queries in several galleries, which count alike.

    The scales of the sum are those with the best mean reciprocal rank; of several, the middle one, because at either
    end one of the parts may count for nothing. The match curve has the best likelihood (logistic regression by
    Newton's method) that the first hit is the photo meant, where half the queries have lost theirs: what
    `match_quality` asks. The cut-off is the match that best separates right first hits from wrong ones: the largest
    sum of the share of right ones above it and of wrong ones below (Youden's J), or nearly so.
    """
    calibration = _best_scales(galleries)
    hits, right, weights = [], [], []
    for gallery in galleries:
        for seed in range(_SPLITS):
            scores, is_right = first_hits(combine(gallery.parts, calibration), gallery.relevant, seed)
            hits.append(scores)
            right.append(is_right)
            weights.append(np.full(len(scores), 1.0 / len(gallery.relevant)))
    all_hits, all_right, all_weights = np.concatenate(hits), np.concatenate(right), np.concatenate(weights)
    match_scale, match_bias = _logistic_regression(
        all_hits.astype(np.float64), all_right, all_weights / all_weights.mean()
    )
    calibration = replace(calibration, match_scale=match_scale, match_bias=match_bias)
    return replace(calibration, cutoff=best_cutoff(match_of(all_hits, calibration), all_right, all_weights))


def best_cutoff(match: NDArray[np.floating], right: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The match (N,) at or above which hits are best taken for right ones.

    Of cut-offs that separate nearly as well, the lowest: a right hit called wrong costs more than the reverse.
    """
    order = np.argsort(-match, kind="stable")
    right_above = np.cumsum(weights[order] * right[order]) / max(1e-12, float((weights * right).sum()))
    wrong_above = np.cumsum(weights[order] * ~right[order]) / max(1e-12, float((weights * ~right).sum()))
    youden = right_above - wrong_above
    return round(float(match[order[int(np.flatnonzero(youden >= youden.max() - _CUTOFF_TOLERANCE)[-1])]]), 4)


def _best_scales(galleries: Sequence[Gallery]) -> Calibration:
    """The scales with the best mean reciprocal rank over all pairs of them."""
    log_odds_scales = _LOG_ODDS_SCALES if any(gallery.parts.log_odds.any() for gallery in galleries) else (0.0,)
    best_mean, best = -1.0, Calibration()
    for log_odds_scale in log_odds_scales:
        candidates = [Calibration(similarity_scale, log_odds_scale) for similarity_scale in _SIMILARITY_SCALES]
        means = [
            float(np.mean([_reciprocal_rank(gallery, candidate) for gallery in galleries])) for candidate in candidates
        ]
        if max(means) > best_mean:
            equally_good = [candidate for candidate, mean in zip(candidates, means, strict=True) if mean == max(means)]
            best_mean, best = max(means), equally_good[len(equally_good) // 2]
    return best


def _reciprocal_rank(gallery: Gallery, scales: Calibration) -> float:
    """Mean over the queries whose right candidates are among the K; 0 where there is none."""
    answerable = gallery.relevant.any(axis=1)
    if not answerable.any():
        return 0.0
    scores = combine(gallery.parts, scales)
    return float((1.0 / (1 + ranks(scores[answerable], gallery.relevant[answerable]))).mean())


def _logistic_regression(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], importance: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of `labels` (N,) on `scores` (N,), each counted by its
    `importance` (N,), mean 1.

    Slightly ridged, so that classes that can be separated without error give a finite slope.
    """
    spread, centre = scores.std() + 1e-9, scores.mean()
    inputs = np.stack([(scores - centre) / spread, np.ones_like(scores)], axis=1)  # (N, 2)
    weights = np.zeros(2)
    for _ in range(50):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -60.0, 60.0)))
        gradient = inputs.T @ (importance * (predicted - labels)) + weights
        curvature = (inputs * (importance * predicted * (1.0 - predicted))[:, None]).T @ inputs + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    slope = float(weights[0] / spread)
    return slope, float(weights[1] - slope * centre)
