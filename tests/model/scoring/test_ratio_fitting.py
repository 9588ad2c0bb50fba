"""How much word detectors count beside similarity, learned from which captions belong to which photos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from model.metrics import ranks
from model.runtime.protocol import EncodedText
from model.scoring.calibration import Calibration
from model.scoring.collection import EncodedCollection
from model.scoring.parameters import ScoringParameters
from model.scoring.parts import PreparedPhotos
from model.scoring.photo_vectors import PhotoVectors
from model.scoring.projection import Projection
from model.scoring.ratio_fitting import fit_ratio
from model.scoring.word_detectors import DetectedWords, WordDetectors

WORDS, SIZE = 12, 16
DETECTORS = WordDetectors(
    np.arange(100, 100 + WORDS),
    4.0 * np.eye(WORDS, dtype=np.float32),
    np.full(WORDS, -10.0, dtype=np.float32),
    np.zeros(WORDS, dtype=np.float32),
)
NO_WORDS = DetectedWords(
    np.zeros(0, dtype=np.int64), np.zeros((0, 0), np.float32), np.zeros(0, np.float32), np.zeros(0, np.float32), 1.0
)


def collection(*, seen: float, told: float, photos: int = 150, seed: int = 0) -> EncodedCollection:
    """Photos with two captions each. `seen` is how far a photo's features speak of the words that its captions use, and
    `told` how near its embedding is to theirs; with 0 they say nothing."""
    random = np.random.default_rng(seed)

    def unit(vectors: NDArray[np.float64]) -> NDArray[np.float32]:
        normalised: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return normalised

    uses = random.random((photos, WORDS)) < 0.5
    roots = 2.0 + seen * uses + random.normal(0.0, 0.5, uses.shape)
    meaning = random.normal(size=(photos, SIZE))
    embeddings = unit(told * meaning + random.normal(size=meaning.shape))
    owner = np.repeat(np.arange(photos), 2)
    text = EncodedText(
        unit(meaning[owner]),
        [np.zeros((1, 1), dtype=np.float32)] * len(owner),
        [np.concatenate([np.flatnonzero(uses[photo]) + 100, np.arange(12)]) for photo in owner],
    )
    pooled = np.square(np.maximum(roots, 0.0)).astype(np.float32)
    return EncodedCollection(
        PreparedPhotos(embeddings, [], pooled, np.zeros(photos, dtype=np.float32), NO_WORDS), text, owner
    )


def parameters(of: EncodedCollection) -> ScoringParameters:
    return ScoringParameters(
        detectors=DETECTORS, projection=Projection.learn(DETECTORS, of.photos.pooled_features, WORDS)
    )


def reciprocal_rank(of: EncodedCollection, ratio: float) -> float:
    vectors = PhotoVectors(replace(parameters(of), calibration=Calibration(1.0, ratio)))
    captions, photos = of.sides("text_to_image", vectors)
    own = of.caption_to_image[:, None] == np.arange(len(of.photos))
    return float((1.0 / (1 + ranks(captions.vectors @ photos.vectors.T, own))).mean())


def test_where_both_know_something_their_sum_finds_more_than_either() -> None:
    both = collection(seen=0.8, told=0.7)
    ratio = fit_ratio(parameters(both), [both])
    sum_of_both = reciprocal_rank(both, ratio)
    assert sum_of_both > 1.2 * max(reciprocal_rank(both, 0.0), reciprocal_rank(both, 10.0))
    assert sum_of_both > reciprocal_rank(both, ratio / 4)
    assert sum_of_both > reciprocal_rank(both, ratio * 4)


def test_detectors_that_say_nothing_count_for_next_to_nothing() -> None:
    deaf = collection(seen=0.0, told=1.0)
    assert fit_ratio(parameters(deaf), [deaf]) < 0.01


def test_beside_a_similarity_that_says_nothing_detectors_are_all() -> None:
    blind = collection(seen=1.0, told=0.0)
    assert fit_ratio(parameters(blind), [blind]) > 0.1


@pytest.mark.parametrize("photos", [100, 40, 1])
def test_few_photos_are_a_gallery_too(photos: int) -> None:
    few = collection(seen=0.8, told=0.7, photos=photos)
    known = parameters(collection(seen=0.8, told=0.7))
    assert 0.0 <= fit_ratio(known, [few]) <= 10.0


def test_collections_count_alike_however_many_photos_they_have() -> None:
    deaf, blind = collection(seen=0.0, told=1.0, photos=300), collection(seen=1.0, told=0.0, photos=100)
    known = parameters(collection(seen=0.8, told=0.7))
    ratio = fit_ratio(known, [deaf, blind])
    assert fit_ratio(known, [deaf]) < ratio < fit_ratio(known, [blind])
