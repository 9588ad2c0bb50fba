"""Words as evidence: what people wrote about a photo outweighs what the model sees, text in the photo is a hint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from indexer.library.library import Library
from indexer.library.text_analysis import search_words
from model.scoring.ranker import Ranker

_LOGITS = 6.0
"""Added to the logit of the match where the annotation has every word: more than any visual similarity adds."""
_FOUND_LOGITS = 2.5
"""The same where every word can be read in the photo. It is less, because a photo may say "dog" and show none."""


def word_logits(library: Library, phrase: str) -> dict[int, float]:
    """What the words of `phrase` add to the logit of the match of each photo that has any of them in its annotation, or
    in the text that was found in it.

    It grows with the square of their share: half the words are a hint, all of them are nearly proof.
    """
    logits: dict[int, float] = {}
    for whole, shares in zip((_LOGITS, _FOUND_LOGITS), _shares(library, phrase), strict=True):
        for photo_id, share in shares.items():
            logits[photo_id] = max(logits.get(photo_id, 0.0), whole * share**2)
    return logits


def has_all_words(library: Library, phrase: str) -> bool:
    """Whether all words of `phrase` are in the annotation of one photo, or in the text in it."""
    return any(share == 1.0 for shares in _shares(library, phrase) for share in shares.values())


def _shares(library: Library, phrase: str) -> tuple[dict[int, float], dict[int, float]]:
    """The share of the words that each photo has in its annotation, and that it has in the text that was found in it.

    Only of photos that have any of them.
    """
    words = search_words(phrase)
    of_annotations, of_texts = (
        {photo_id: count / len(words) for photo_id, count in counts.items()}
        for counts in (library.annotation_matches(words), library.found_text_matches(words))
    )
    return of_annotations, of_texts


def word_bonus(logits: Mapping[int, float], photo_ids: Sequence[int], ranker: Ranker) -> NDArray[np.float32]:
    """(K,) What to add to the scores of K photos, given the `word_logits`."""
    added = np.array([logits.get(photo_id, 0.0) for photo_id in photo_ids], dtype=np.float32)
    return ranker.score_of_logits(added)
