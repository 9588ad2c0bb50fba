"""The words that the word detectors say of a photo, without any query: what people would likely write about it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from model.processor import PixelBertProcessor
from model.scoring.word_detectors import WordDetectors

_MAX_WORDS = 3
_MIN_ODDS = 5.0
"""A word that is hardly likelier for this photo than for any other, such as "the", says nothing about it."""
_MIN_PROBABILITY = 0.2
"""A rarer word is more often wrong than right, however much likelier it is than usual."""


def seen_words(
    detectors: WordDetectors, processor: PixelBertProcessor, pooled_features: Mapping[int, NDArray[np.float32]]
) -> dict[int, list[str]]:
    """At most three words of each photo, the most telling first, from its pooled features (C,), by photo id.

    Empty lists where the weights have no detectors. A word is there if people likely use it for such a photo, and far
    more often than for any photo. Telling is the log-odds ratio times the probability. Pieces of words are left out.
    """
    if not pooled_features:
        return {}
    log_odds = detectors.detect(np.stack(list(pooled_features.values()))).log_odds  # (N, V)
    probabilities = 1 / (1 + np.exp(-(log_odds + detectors.prior_logits)))
    names = [processor.tokenizer.id_to_token(piece) or "" for piece in detectors.ids.tolist()]
    is_word = np.array([name.isalpha() for name in names], dtype=bool)
    is_seen = is_word & (log_odds >= np.log(_MIN_ODDS)) & (probabilities >= _MIN_PROBABILITY)
    telling = np.where(is_seen, log_odds * probabilities, -np.inf)
    most_telling = np.argsort(-telling, axis=1, kind="stable")[:, :_MAX_WORDS]
    return {
        photo_id: [names[column] for column in columns.tolist() if is_seen[row, column]]
        for row, (photo_id, columns) in enumerate(zip(pooled_features, most_telling, strict=True))
    }
