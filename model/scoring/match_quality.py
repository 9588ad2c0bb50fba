"""How reliable is the match of the first hit?

A user asks: the first hit says 80 %, is it the right photo? So only first hits count. The right photo of half the
sentences is removed, because otherwise few first hits would be wrong. Over all sentence-photo pairs, nearly all of
which do not belong together, a constant near zero would look well calibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.metrics import area_under_curve, equal_bins, percent

_BINS = 10


def first_hits(
    match: NDArray[np.float32], relevant: NDArray[np.bool_], seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The match (F,) of each query's first hit, and whether it is right (F,).

    `match` and `relevant` are (Q, K), of shortlists. The right candidates of a random half of the queries are removed.
    Those of them that have no other candidate are left out: they have no hit.
    """
    removed = np.random.default_rng(seed).permutation(len(match)) < len(match) // 2  # (Q,)
    gone = relevant & removed[:, None]  # (Q, K)
    first = np.where(gone, -np.inf, match).argmax(axis=1)[:, None]  # (Q, 1)
    has_hit = ~gone.all(axis=1)
    return np.take_along_axis(match, first, 1)[has_hit, 0], np.take_along_axis(relevant, first, 1)[has_hit, 0]


def match_quality(match: NDArray[np.float32], right: NDArray[np.bool_]) -> dict[str, Any]:
    """How well probabilities (Q,) predict which hits are right (Q,).

    - `auroc`: how often a right hit has a higher match than a wrong one (0.5 is chance);
    - `ece`: expected calibration error, the mean difference of match and share of right hits over ten equal bins;
    - `brier`: mean squared error of the match; `brier_constant`: that of the best constant;
    - `bins`: those bins by ascending match, each with the number of its hits (`hits`), their mean match and the share
      of right ones (`match` and `right`, in percent): the points of a reliability diagram.
    """
    probabilities, outcome = match.astype(np.float64), right.astype(np.float64)
    bins = equal_bins(probabilities, _BINS)
    gaps = [abs(float(probabilities[rows].mean() - outcome[rows].mean())) for rows in bins]
    return {
        "first_hits": len(match),
        "right": percent(outcome.mean()),
        "auroc": round(area_under_curve(probabilities, right), 4),
        "ece": round(float(np.average(gaps, weights=[len(rows) for rows in bins])), 4),
        "brier": round(float(np.mean((probabilities - outcome) ** 2)), 4),
        "brier_constant": round(float(outcome.var()), 4),
        "bins": [
            {"hits": len(rows), "match": percent(probabilities[rows].mean()), "right": percent(outcome[rows].mean())}
            for rows in bins
        ],
    }
