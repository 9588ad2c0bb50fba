"""Fit a calibration to the shortlists of dev photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from model.metrics import ranks
from model.scoring.calibration import Calibration
from model.scoring.parts import ScoreParts
from model.scoring.ranker import combine, match_of

_SIMILARITY_SCALES = (0.0, *np.geomspace(0.25, 1024.0, 49).tolist())
_LOG_ODDS_SCALES = (0.0, *np.geomspace(0.02, 20.0, 31).tolist())
_RANK_TOLERANCE = 0.001  # of the mean reciprocal rank: less than its standard error on a thousand queries
_CUTOFF_TOLERANCE = 0.01  # of Youden's J: less than its standard error on a thousand sentences


@dataclass(frozen=True)
class Gallery:
    """The shortlists of Q queries in one gallery, K candidates each."""

    parts: ScoreParts  # (Q, K)
    fit: NDArray[np.float32]
    """(Q, K) The probability that a person says that the query fits the candidate, 0 to 1."""
    relevant: NDArray[np.bool_] | None = None
    """(Q, K) True on the candidate that the query was written about; None where queries were written about none."""


def fit_scales(galleries: Sequence[Gallery], *, ratio: float | None = None) -> Calibration:
    """The scales of the sum with the best mean reciprocal rank of relevant candidates, in galleries that count alike.

    Of several that are equally good but for noise the middle one, because at either end one of the parts may count for
    nothing. With `ratio`, that of the log-odds' scale to the similarity's, only how much both count beside the ITM
    logit is sought.
    """
    judged = [gallery for gallery in galleries if gallery.relevant is not None]
    if ratio is not None:
        candidates = [Calibration(scale, ratio * scale) for scale in _SIMILARITY_SCALES]
        return _best_of(candidates, judged)[1]
    log_odds_scales = _LOG_ODDS_SCALES if any(gallery.parts.log_odds.any() for gallery in judged) else (0.0,)
    best = [
        _best_of([Calibration(similarity_scale, log_odds_scale) for similarity_scale in _SIMILARITY_SCALES], judged)
        for log_odds_scale in log_odds_scales
    ]
    return max(best, key=lambda of_scale: of_scale[0])[1]


def fit_calibration(galleries: Sequence[Gallery], *, ratio: float | None = None) -> Calibration:
    """Fit to the shortlists of queries in several galleries, which count alike.

    The scales are those of `fit_scales`. The match curve has the best likelihood of what a person says of every
    candidate: logistic regression on score and prior log-odds, by Newton's method. The
    cut-off is that of `best_cutoff`.
    """
    calibration = fit_scales(galleries, ratio=ratio)
    inputs, fit, importance = [], [], []
    for gallery in galleries:
        scores = combine(gallery.parts, calibration).ravel()
        inputs.append(np.stack([scores, gallery.parts.prior_log_odds.ravel()], axis=1))
        fit.append(gallery.fit.ravel())
        importance.append(np.full(scores.size, 1.0 / scores.size))
    weights = np.concatenate(importance)
    (match_scale, match_prior_scale), match_bias = _logistic_regression(
        np.concatenate(inputs).astype(np.float64), np.concatenate(fit).astype(np.float64), weights / weights.mean()
    )
    calibration = replace(
        calibration, match_scale=match_scale, match_bias=match_bias, match_prior_scale=match_prior_scale
    )
    match = np.concatenate(
        [match_of(combine(g.parts, calibration), g.parts.prior_log_odds, calibration).ravel() for g in galleries]
    )
    return replace(calibration, cutoff=best_cutoff(match, np.concatenate(fit), weights))


def best_cutoff(match: NDArray[np.floating], right: NDArray[np.generic], weights: NDArray[np.float64]) -> float:
    """The match (N,) at or above which hits are best taken for right ones: for those that fit.

    `right` (N,) is whether they are, or how likely. The cut-off has the largest sum of the share of right hits above it
    and of wrong ones below (Youden's J), or nearly so: of those that separate nearly as well it is the lowest, because
    a right hit called wrong costs more than the reverse.
    """
    order = np.argsort(-match, kind="stable")
    right_weights = weights * right.astype(np.float64)
    wrong_weights = weights - right_weights
    right_above = np.cumsum(right_weights[order]) / max(1e-12, float(right_weights.sum()))
    wrong_above = np.cumsum(wrong_weights[order]) / max(1e-12, float(wrong_weights.sum()))
    youden = right_above - wrong_above
    return round(float(match[order[int(np.flatnonzero(youden >= youden.max() - _CUTOFF_TOLERANCE)[-1])]]), 4)


def _best_of(candidates: Sequence[Calibration], galleries: Sequence[Gallery]) -> tuple[float, Calibration]:
    """The best mean reciprocal rank, and the middle one of the candidates that have it but for noise."""
    means = [
        float(np.mean([_reciprocal_rank(gallery, candidate) for gallery in galleries])) for candidate in candidates
    ]
    least = max(means) - _RANK_TOLERANCE
    equally_good = [candidate for candidate, mean in zip(candidates, means, strict=True) if mean >= least]
    return max(means), equally_good[len(equally_good) // 2]


def _reciprocal_rank(gallery: Gallery, scales: Calibration) -> float:
    """Mean over the queries whose relevant candidates are among the K; 0 where there is none."""
    assert gallery.relevant is not None
    answerable = gallery.relevant.any(axis=1)
    if not answerable.any():
        return 0.0
    scores = combine(gallery.parts, scales)
    return float((1.0 / (1 + ranks(scores[answerable], gallery.relevant[answerable]))).mean())


def _logistic_regression(
    inputs: NDArray[np.float64], labels: NDArray[np.float64], importance: NDArray[np.float64]
) -> tuple[tuple[float, ...], float]:
    """Slopes (D,) and intercept of the logistic regression of `labels` (N,), 0 to 1, on `inputs` (N, D), each counted
    by its `importance` (N,), mean 1.

    Slightly ridged, so that classes that can be separated without error give finite slopes.
    """
    spread, centre = inputs.std(axis=0) + 1e-9, inputs.mean(axis=0)
    standardised = np.concatenate([(inputs - centre) / spread, np.ones((len(inputs), 1))], axis=1)  # (N, D + 1)
    weights = np.zeros(standardised.shape[1])
    for _ in range(50):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(standardised @ weights, -60.0, 60.0)))
        gradient = standardised.T @ (importance * (predicted - labels)) + weights
        curvature = (standardised * (importance * predicted * (1.0 - predicted))[:, None]).T @ standardised
        step = np.linalg.solve(curvature + np.eye(len(weights)), gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    slopes = weights[:-1] / spread
    return tuple(slopes.tolist()), float(weights[-1] - slopes @ centre)
