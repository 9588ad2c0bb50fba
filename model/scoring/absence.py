"""When does a search say "nothing like that here"? Where even its best photos give no evidence for one of its words.

    evidence = logit(match of the first hit) + logit(probability of the weakest word)

The probability of a word is the highest that its detector gives any reranked photo; the weakest content word is the one
for which it is lowest. The first hit is absent where the evidence is below a threshold, which is chosen on dev photos
(`absence_fitting`): what else was tried is in docs/development/experiments.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.processor import PixelBertProcessor
from model.scoring.vocabulary import Vocabulary, content_words
from model.scoring.word_detectors import WordDetectors, power_normalize

_MIN_MATCH = 1e-6


@dataclass(frozen=True)
class AbsenceRule:
    """The evidence below which what a sentence names is absent; None where that was never chosen: it never is."""

    min_evidence: float | None = None

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> AbsenceRule:
        """The rule of numbers by name. Raises TypeError or ValueError when they are none."""
        rule = cls(**numbers)
        if rule.min_evidence is not None and not math.isfinite(rule.min_evidence):
            raise ValueError("a number of it is not finite")
        return rule

    def is_absent(self, evidence: float | None) -> bool:
        """Whether a search with that evidence has found nothing like its sentence; False where there is no evidence."""
        return evidence is not None and self.min_evidence is not None and evidence < self.min_evidence


def evidence(match: float, weakest_word: float | None) -> float | None:
    """The evidence of a search from the match of its first hit and the logit of its weakest word, if it has any."""
    if weakest_word is None:
        return None
    match = min(max(match, _MIN_MATCH), 1 - _MIN_MATCH)
    return math.log(match / (1 - match)) + weakest_word


def weakest_word(
    detectors: WordDetectors, pooled_features: NDArray[np.float32], content_ids: NDArray[np.int64]
) -> float | None:
    """The logit of the weakest of some word pieces (T,), each of the photo that shows it best.

    `pooled_features` are (N, C). None where there are no photos, or no piece has a detector.
    """
    columns = np.flatnonzero(np.isin(detectors.ids, content_ids))
    if not len(columns) or not len(pooled_features):
        return None
    logits = power_normalize(pooled_features) @ detectors.weights[columns].T + detectors.bias[columns]
    return float(logits.max(axis=0).min())


def content_ids(processor: PixelBertProcessor, vocabulary: Vocabulary, text: str) -> NDArray[np.int64]:
    """The word pieces (T,) of the content words of `text` that were learned: others give no evidence."""
    words = [word for word in content_words(text) if vocabulary.knows(word)]
    pieces = processor.tokenize([" ".join(words)])["input_ids"][0] if words else []
    return np.asarray(pieces, dtype=np.int64)
