"""Words to keep out: how much less a photo is wanted for showing them.

Measured on photos with captions by `benchmarks/without.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WEIGHT = 0.5
"""Of the unwanted words in the shortlist. More keeps out more, and loses photos that were wanted."""


def direction(wanted: NDArray[np.float32], unwanted: NDArray[np.float32]) -> NDArray[np.float32]:
    """(E,) The direction in which to look for photos near `wanted` (E,) and not near `unwanted` (U, E).

    Several unwanted phrases count together as much as one.
    """
    if not len(unwanted):
        return wanted
    together = unwanted.sum(axis=0)
    return np.asarray(wanted - _WEIGHT * together / max(1e-6, float(np.linalg.norm(together))), dtype=np.float32)


def penalties(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K,) What to take off the score of each of K photos, given their scores (U, K) for the unwanted phrases.

    It is how far a photo fits the phrase it fits best beyond what is usual among the K: so a photo without the
    unwanted keeps its score, and its match is still a probability that it is the photo meant.
    """
    beyond = scores - np.median(scores, axis=1, keepdims=True)
    return np.asarray(np.maximum(beyond, 0).max(axis=0), dtype=np.float32)
