"""What a score is added up from, and photos prepared for scoring: data without decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.scoring.word_detectors import DetectedWords


@dataclass(frozen=True)
class ScoreParts:
    """Six arrays of one shape, (K,) for K pairs; zeros where a part was not computed."""

    similarity: NDArray[np.float32]
    hubness: NDArray[np.float32]
    log_odds: NDArray[np.float32]
    itm_logits: NDArray[np.float32]
    words: NDArray[np.float32]
    """How many word pieces the sentence has."""
    prior_log_odds: NDArray[np.float32]
    """How usual the words of the sentence are, weighed as in the log-odds."""

    def reshaped(self, *shape: int) -> Self:
        """The same numbers in arrays of another shape."""
        return type(self)(*(array.reshape(shape) for array in vars(self).values()))

    def at(self, *index: NDArray[np.int64]) -> Self:
        """The numbers at an index into each array."""
        return type(self)(*(array[index] for array in vars(self).values()))

    @classmethod
    def joined(cls, pieces: Sequence[Self]) -> Self:
        """Those of all `pieces`, concatenated along the first axis."""
        columns = zip(*(vars(piece).values() for piece in pieces), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in columns))


@dataclass(frozen=True)
class PreparedPhotos:
    """N photos with what can be computed before the sentence is known."""

    embeddings: NDArray[np.float32]  # (N, E)
    pixel_features: Sequence[NDArray[np.float32]]  # N of (P, D)
    pooled_features: NDArray[np.float32]  # (N, C)
    hubness: NDArray[np.float32]  # (N,)
    words: DetectedWords

    def __len__(self) -> int:
        return len(self.embeddings)

    @classmethod
    def joined(cls, pieces: Sequence[PreparedPhotos]) -> PreparedPhotos:
        """The photos of all `pieces`, which one ranker prepared, one after the other."""
        return cls(
            np.concatenate([piece.embeddings for piece in pieces]),
            [features for piece in pieces for features in piece.pixel_features],
            np.concatenate([piece.pooled_features for piece in pieces]),
            np.concatenate([piece.hubness for piece in pieces]),
            DetectedWords.joined([piece.words for piece in pieces]),
        )

    def part(self, first: int, end: int) -> PreparedPhotos:
        """The photos from `first` to before `end`."""
        rows = slice(first, end)
        return PreparedPhotos(
            self.embeddings[rows],
            self.pixel_features[rows],
            self.pooled_features[rows],
            self.hubness[rows],
            self.words.part(first, end),
        )
