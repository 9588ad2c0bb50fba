"""What people wrote about a photo, as evidence: a caption that says it outweighs what the model sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.scoring.ranker import Ranker

_LOGITS = 6.0
"""Added to the logit of the match where every word is written: it lifts the photo above any that is only like it."""


def bonus(shares: NDArray[np.float32], ranker: Ranker) -> NDArray[np.float32]:
    """(K,) What to add to the scores of K photos, given the share (0 to 1) of the words that is written about each.

    It grows with the square: half the words are a hint, all of them are nearly proof.
    """
    return ranker.score_of_logits(np.float32(_LOGITS) * shares**2)
