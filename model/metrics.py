"""Metrics of rankings and of probabilities: recall@k, median rank, confidence intervals of differences, AUC.

Recall and median rank are computed from ranks. The rank of a query is the number of wrong candidates before its best
right candidate. Ties count against the model: a right candidate comes last among equals. So do scores that are no
number: such a right candidate is the worst there is, and such a wrong one the best. Scores are compared as float32.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Score = TypeVar("Score", bound=np.floating)

RECALL_AT = (1, 5, 10)
_RESAMPLES = 2000


def ranks(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Rank (Q,) of each query's best relevant candidate: `scores` and `relevant` are (Q, N).

    N where none is relevant.
    """
    scores = _as_numbers(scores, relevant)
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)  # (Q, 1)
    return np.asarray(((scores >= best) & ~relevant).sum(axis=1), dtype=np.int64)


def best_candidates(similarities: NDArray[np.float32], relevant: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """The `count` most similar candidates (Q, K) of each query, best first, from (Q, N)."""
    count = min(count, similarities.shape[1])
    keys = -_as_numbers(similarities, relevant)
    # One float32 step less puts a relevant candidate last among equals.
    keys[relevant] = np.nextafter(keys[relevant], np.float32(np.inf))
    keys[relevant & (keys == np.inf)] = np.nan  # infinity has no next step, but NumPy sorts NaN behind it
    nearest = np.argpartition(keys, count - 1, axis=1)[:, :count]
    order = np.argsort(np.take_along_axis(keys, nearest, 1), axis=1, kind="stable")
    return np.take_along_axis(nearest, order, 1)


def recall(query_ranks: NDArray[np.int64]) -> dict[str, float]:
    """Recall@1, @5 and @10 in percent of ranks (Q,), and the median rank, counted from 1."""
    figures = {f"r@{k}": percent((query_ranks < k).mean()) for k in RECALL_AT}
    return {**figures, "median_rank": float(np.median(query_ranks)) + 1.0}


def recall_gain(
    before: NDArray[np.int64], after: NDArray[np.int64], photos: NDArray[np.int64], k: int
) -> dict[str, float]:
    """Recall@k of ranks `after` (Q,) minus that of `before` (Q,), in points, with its 95 % interval.

    The interval comes from a paired bootstrap over photos: the captions of one photo are not independent queries, so
    whole photos are resampled. `photos` (Q,) is the photo of each query. The same ranks always give the same interval.
    """
    gain, low, high = mean_interval((after < k).astype(np.float64) - (before < k), photos)
    return {"gain": percent(gain), "low": percent(low), "high": percent(high)}


def mean_interval(values: NDArray[np.float64], photos: NDArray[np.int64]) -> tuple[float, float, float]:
    """The mean of `values` (Q,) and its 95 % interval, by a bootstrap over the photos (Q,) they belong to."""
    _, rows = np.unique(photos, return_inverse=True)
    sums, counts = np.bincount(rows, weights=values), np.bincount(rows)
    even = np.full(len(sums), 1.0 / len(sums))
    drawn = np.random.default_rng(0).multinomial(len(sums), even, size=_RESAMPLES)  # (R, photos)
    low, high = np.percentile((drawn @ sums) / (drawn @ counts), (2.5, 97.5))
    return float(values.mean()), float(low), float(high)


def area_under_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how often a positive (N,) scores above a negative, a tie counting half.

    0.5, chance, where there are no positives or no negatives.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return 0.5
    _, groups, counts = np.unique(_as_numbers(scores, positive), return_inverse=True, return_counts=True)
    mean_ranks = (np.cumsum(counts) - (counts - 1) / 2)[groups]  # from 1; equal scores share their mean rank
    return float((mean_ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def equal_bins(values: NDArray[np.floating], count: int) -> list[NDArray[np.int64]]:
    """The rows of at most `count` bins of equally many values (N,), by ascending value."""
    return np.array_split(np.argsort(values, kind="stable"), min(count, len(values)))


def _as_numbers(scores: NDArray[Score], right: NDArray[np.bool_]) -> NDArray[Score]:
    """The scores, in place of NaN the one that counts most against the model: no comparison with NaN is true."""
    against = np.where(right, -np.inf, np.inf).astype(scores.dtype)
    return np.where(np.isnan(scores), against, scores)


def percent(share: float) -> float:
    """A share in percent, to two decimals."""
    return round(100.0 * float(share), 2)
