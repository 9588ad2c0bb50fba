"""How completely a sentence describes a photo, by its length.

A caption of eight words or more says what there is to say about a photo. A query of one or two words names a thing, and
says nothing of the rest of the photo. So what rests on the sentence as a whole (similarity, the joint pass, and the
words that it leaves out) counts for less there, and what rests on its own words for more. Ranked so, queries of
one word have a mean average precision a third higher, and captions rank as before (docs/development/experiments.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COMPLETE_WORDS = 8
"""Word pieces from which on a sentence is complete."""
_POWER = 0.8


def completeness(words: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a whole sentence of so many word pieces (elementwise) counts, 0 to 1; its single words count the inverse."""
    return np.asarray((np.clip(words, 1, COMPLETE_WORDS) / COMPLETE_WORDS) ** _POWER, dtype=np.float32)
