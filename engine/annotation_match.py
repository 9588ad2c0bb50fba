"""Annotations as evidence: a caption with the words of the query outweighs what the model sees in the photo."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.scoring.ranker import Ranker

_LOGITS = 6.0
"""Added to the logit of the match where the annotation has every word: more than any visual similarity adds."""


def annotation_bonus(shares: NDArray[np.float32], ranker: Ranker) -> NDArray[np.float32]:
    """(K,) What to add to the scores of K photos, given the share (0 to 1) of the words that each annotation has.

    It grows with the square of the share: half the words are a hint, all of them are nearly proof.
    """
    return ranker.score_of_logits(np.float32(_LOGITS) * shares**2)
