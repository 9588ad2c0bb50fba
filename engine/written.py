"""What people wrote about a photo, as evidence: a caption that says it outweighs what the model sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.scoring.calibration import Calibration

_LOGITS = 6.0
"""Added to the logit of the match where every word is written: it lifts the photo above any that is only like it."""
_FLATTEST = 0.01


def bonus(shares: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float32]:
    """(K,) What to add to the scores of K photos, given the share (0 to 1) of the words that is written about each.

    It grows with the square: half the words are a hint, all of them are nearly proof.
    """
    return np.asarray(_LOGITS * shares**2 / max(calibration.match_scale, _FLATTEST), dtype=np.float32)
