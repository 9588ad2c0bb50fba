"""What the word detectors say of a photo without a query."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.search import SearchEngine
from engine.seen_words import seen_words
from model.image_processor import PixelBertImageProcessor
from model.processor import SPECIAL_TOKENS, PixelBertProcessor, wordpiece_tokenizer
from model.scoring.word_detectors import WordDetectors

WORDS = ("dog", "grass", "runs", "collar", "the", "zebra", "##board")
GRASS, EMPTY = np.array([4, 1], np.float32), np.array([0, 0], np.float32)


def detectors(probabilities: list[float], priors: list[float]) -> WordDetectors:
    """Words that a photo of grass has with these probabilities, and an empty one as rarely as any."""

    def logit(values: list[float]) -> NDArray[np.float32]:
        odds = np.array(values, np.float32) / (1 - np.array(values, np.float32))
        return np.asarray(np.log(odds), np.float32)

    weights = np.stack([(logit(probabilities) - logit(priors)) / 2, np.zeros(len(WORDS), np.float32)], axis=1)
    ids = np.arange(len(SPECIAL_TOKENS), len(SPECIAL_TOKENS) + len(WORDS))
    return WordDetectors(ids, weights, logit(priors), logit(priors))


def processor() -> PixelBertProcessor:
    vocabulary = {token: row for row, token in enumerate((*SPECIAL_TOKENS, *WORDS))}
    return PixelBertProcessor(PixelBertImageProcessor(image_size=64), wordpiece_tokenizer(vocabulary))


def test_a_photo_has_the_words_that_are_likely_and_unusual_the_most_telling_first() -> None:
    words = seen_words(
        detectors([0.6, 0.9, 0.5, 0.4, 0.99, 0.1, 0.9], [0.05, 0.05, 0.05, 0.05, 0.97, 0.001, 0.01]),
        processor(),
        {7: GRASS, 3: EMPTY},
    )
    assert words == {7: ["grass", "dog", "runs"], 3: []}, "the: usual; zebra: unlikely; board: a piece; collar: fourth"


def test_nothing_is_seen_without_photos_or_detectors() -> None:
    assert seen_words(WordDetectors(), processor(), {7: GRASS}) == {7: []}
    assert seen_words(WordDetectors(), processor(), {}) == {}


def test_the_engine_says_what_is_seen_in_photos_that_are_still_there(indexed: Path, word_weights: Path) -> None:
    with SearchEngine.open(indexed, weights=word_weights) as engine:
        photo_id = engine.search("a red circle", limit=1).hits[0].photo_id
        assert engine.seen_words([photo_id, 12345]).keys() == {photo_id}
