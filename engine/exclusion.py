"""Excluded terms: photos that show them rank lower.

`benchmarks/exclusion.py` measures it on photos with captions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WEIGHT = 0.5
"""Of the excluded terms in the shortlist. More excludes more photos that show them, and more wanted photos too."""


def search_direction(wanted: NDArray[np.float32], excluded: NDArray[np.float32]) -> NDArray[np.float32]:
    """(D,) The query vector for photos near to `wanted` (D,) and away from `excluded` (X, D).

    Several excluded terms weigh as much as one.
    """
    return wanted if not len(excluded) else np.asarray(wanted - _WEIGHT * excluded.mean(axis=0), dtype=np.float32)


def exclusion_penalties(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K,) What to subtract from the score of each of K photos, given their scores (X, K) for the excluded terms.

    It is how much the score for a term exceeds the median of the K photos, for the term where that is most. So a photo
    that shows no excluded term keeps its score, and its match stays a calibrated probability.
    """
    excess = scores - np.median(scores, axis=1, keepdims=True)
    return np.asarray(np.maximum(excess, 0).max(axis=0), dtype=np.float32)
