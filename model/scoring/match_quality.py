"""Is the match of the first hit to be believed?

The question a user's cut-off asks: the first hit says 80 %, is it the right photo? Half the sentences are asked
where their photo is not there, so that there is something to be wrong about. Over all sentence-photo pairs
instead, nearly all of which plainly do not belong together, a constant near zero would look well calibrated.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.metrics import percent

_BINS = 10


def first_hits(
    scores: NDArray[np.float32], relevant: NDArray[np.bool_], seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Score (Q,) of each query's first hit, and whether (Q,) it is the right one, its photo being there or not.

    `scores` and `relevant` are (Q, K), of shortlists. For a random half of the queries the right candidates are
    taken out.
    """
    taken_out = np.random.default_rng(seed).permutation(len(scores)) < len(scores) // 2  # (Q,)
    left = np.where(relevant & taken_out[:, None], -np.inf, scores)
    first = left.argmax(axis=1)[:, None]  # (Q, 1)
    right = np.take_along_axis(relevant, first, 1)[:, 0] & ~taken_out
    return np.take_along_axis(left, first, 1)[:, 0].astype(np.float32), right


def match_quality(match: NDArray[np.float32], right: NDArray[np.bool_]) -> dict[str, Any]:
    """How well probabilities (Q,) foretell what is right (Q,).

    - `auroc`: how often a right hit has a higher match than a wrong one (0.5 is chance);
    - `ece`: by how much match and share of right ones differ, over ten bins of equally many hits;
    - `brier`: mean squared error of the match; `brier_constant`: that of the best constant;
    - `bins`: those bins by rising match, each with how many hits are in it (`hits`), their mean match and the share
      of right ones (`match` and `right`, in percent): the points of a reliability diagram.
    """
    probabilities, outcome = match.astype(np.float64), right.astype(np.float64)
    bins = np.array_split(np.argsort(probabilities, kind="stable"), min(_BINS, len(match)))
    gaps = [abs(float(probabilities[rows].mean() - outcome[rows].mean())) for rows in bins]
    return {
        "first_hits": len(match),
        "right": percent(outcome.mean()),
        "auroc": round(_auroc(probabilities, right), 4),
        "ece": round(float(np.average(gaps, weights=[len(rows) for rows in bins])), 4),
        "brier": round(float(np.mean((probabilities - outcome) ** 2)), 4),
        "brier_constant": round(float(outcome.var()), 4),
        "bins": [
            {"hits": len(rows), "match": percent(probabilities[rows].mean()), "right": percent(outcome[rows].mean())}
            for rows in bins
        ],
    }


def _auroc(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, a tie counting half; chance when all or none are right."""
    positives, negatives = int(right.sum()), int((~right).sum())
    if not positives or not negatives:
        return 0.5
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]  # from 1, equal scores share the mean of theirs
    return float((ranks[right].sum() - positives * (positives + 1) / 2) / (positives * negatives))
