"""How much word detectors count beside similarity: fitted to what belongs together on dev photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model.metrics import ranks
from model.scoring.calibration import Calibration
from model.scoring.collection import EncodedCollection
from model.scoring.parameters import ScoringParameters
from model.scoring.photo_vectors import PhotoVectors

_RATIOS = np.array([0.0, *np.geomspace(1e-4, 10.0, 61)], dtype=np.float32)
_SMALL_GALLERY = 100  # photos


def fit_ratio(parameters: ScoringParameters, collections: Sequence[EncodedCollection]) -> float:
    """The scale of the log-odds over that of the similarity with the best mean reciprocal rank.

    Each caption looks for its photo, without the joint pass, in each collection as a whole and in blocks of 100 photos;
    all these count alike. Of several equally good ratios it is the middle one. Shortlists would not do: their photos
    are alike in what ranks them.
    """
    means = np.mean([_reciprocal_ranks(parameters, collection) for collection in collections], axis=0)
    best = np.flatnonzero(means == means.max())
    return float(_RATIOS[best[len(best) // 2]])


def _reciprocal_ranks(parameters: ScoringParameters, collection: EncodedCollection) -> NDArray[np.float64]:
    """The mean reciprocal rank in one collection with each of the ratios."""
    # A score is linear in the ratio: two matrices give those of all ratios.
    similarity, whole = (_scores(parameters, collection, ratio) for ratio in (0.0, 1.0))
    return np.array([_reciprocal_rank(similarity + ratio * (whole - similarity), collection) for ratio in _RATIOS])


def _scores(parameters: ScoringParameters, collection: EncodedCollection, ratio: float) -> NDArray[np.float32]:
    """The scores (M, N) of every photo for every caption, without the joint pass."""
    photo_vectors = PhotoVectors(replace(parameters, calibration=Calibration(1.0, ratio)))
    captions, photos = collection.sides("text_to_image", photo_vectors)
    return captions.vectors @ photos.vectors.T


def _reciprocal_rank(scores: NDArray[np.float32], collection: EncodedCollection) -> float:
    """The mean of that in the collection as a whole and that in blocks of it."""
    count = scores.shape[1]
    means = []
    for size in (count, min(_SMALL_GALLERY, count)):
        of_captions = []
        for first in range(0, count - size + 1, size):
            own = collection.caption_to_image[:, None] == np.arange(first, first + size)
            inside = own.any(axis=1)
            of_captions.append(1.0 / (1 + ranks(scores[inside, first : first + size], own[inside])))
        means.append(np.concatenate(of_captions).mean())
    return float(np.mean(means))
