"""One vector a photo: its inner product with the vector of a sentence is the score without the joint pass.

    (similarity - hubness) + scale * log-odds, with scale = log_odds_scale / similarity_scale

is, where the scale is 1 at most, the inner product of

    photo     [embedding | scale * absent log-odds - hubness | projected features, * sqrt(scale) | zeros]
    sentence  [embedding | 1                                 | its words' classifiers, likewise  | zeros]

and a number a sentence. What a larger scale has beyond 1 multiplies the sentence's side alone. Of a short sentence the
classifiers count for more (`sentence_length`). So an index of such vectors finds the photos that the score ranks first
(`ranker`), but for the joint pass and for what the projection of the features loses. The embedding comes first: a
vector of an embedding and nothing else finds photos by their cosine.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from model.runtime.protocol import EncodedText
from model.scoring.parameters import ScoringParameters
from model.scoring.photo_space import PENALTY, PhotoSpace
from model.scoring.projection import Projection
from model.scoring.querybank import Querybank
from model.scoring.sentence_length import completeness
from model.scoring.word_detectors import WordDetectors

_LAYOUT = b"1"  # of the vectors: another one makes all that are stored stale
_MULTIPLE = 16  # of numbers: FAISS reads other vectors several times slower
_PHOTOS_AT_ONCE = 1024
_LARGEST = np.finfo(np.float16).max


@dataclass(frozen=True)
class SentenceVectors:
    """What photo vectors are multiplied with for B sentences."""

    vectors: NDArray[np.float32]
    """(B, D) The first E numbers are the embedding."""
    offsets: NDArray[np.float32]
    """(B,) To be added to the inner products where sentences are compared with one another."""
    weights: NDArray[np.float32]
    """(B,) And what these sums are then multiplied with."""


class PhotoVectors:
    """Makes the vectors by which the shortlist compares photos and sentences, from the parameters of a score.

    Without querybank and word detectors they are the embeddings.
    """

    def __init__(self, parameters: ScoringParameters, *, hubness: bool = True, detectors: bool = True) -> None:
        """`hubness` and `detectors` set to False leave that part out."""
        calibration = parameters.calibration
        self._querybank = parameters.querybank if hubness else Querybank()
        self._photo_space = parameters.photo_space if hubness else PhotoSpace()
        # A calibration that was never fitted ranks by similarity where there is no joint pass.
        self._scale = np.float32(calibration.log_odds_scale / (calibration.similarity_scale or 1.0))
        # And one whose log-odds count for nothing still counts those of taught words.
        self._taught_scale = np.float32((calibration.log_odds_scale or 1.0) / (calibration.similarity_scale or 1.0))
        self._half_scale = np.sqrt(min(self._scale, np.float32(1.0)))
        uses_words = detectors and self._scale > 0 and parameters.projection.width
        self._detectors = parameters.detectors if uses_words else WordDetectors()
        self._projection = parameters.projection if uses_words else Projection()

    @cached_property
    def digest(self) -> str:
        """Names everything that a photo vector depends on beside the photo; empty where it is the embedding alone."""
        if not (len(self._querybank.embeddings) or len(self._photo_space.centre) or self._projection.width):
            return ""
        digest = hashlib.blake2b(_LAYOUT + self._scale.tobytes() + np.float32(PENALTY).tobytes(), digest_size=8)
        for part in (self._querybank, self._photo_space, self._detectors, self._projection):
            for array in vars(part).values():
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def of_photos(self, embeddings: NDArray[np.float32], pooled_features: NDArray[np.float32]) -> NDArray[np.float16]:
        """The vectors (N, D) of photos, from their embeddings (N, E) and pooled features (N, C).

        Raises WeightsError for features of another network.
        """
        vectors = np.zeros((len(embeddings), self._width(embeddings)), dtype=np.float16)
        size = embeddings.shape[1]
        vectors[:, :size] = embeddings
        if not self.digest:
            return vectors
        for start in range(0, len(vectors), _PHOTOS_AT_ONCE):
            rows = slice(start, start + _PHOTOS_AT_ONCE)
            pooled = pooled_features[rows]
            own = -self.hubness(embeddings[rows], pooled)
            if self._projection.width:
                detected = self._detectors.detect(pooled)
                own += self._scale * np.float32(detected.absent_weight) * detected.absent_log_odds
                end = size + 1 + self._projection.width
                vectors[rows, size + 1 : end] = _finite(self._half_scale * self._projection.encode(pooled))
            vectors[rows, size] = _finite(own / max(self._scale, np.float32(1.0)))
        return vectors

    def blocks(self, embedding_size: int) -> tuple[slice, ...]:
        """Where in a vector the embedding stands, and the projected features: what says what a photo shows."""
        end = embedding_size + 1 + self._projection.width
        projected = (slice(embedding_size + 1, end),) if self._projection.width else ()
        return (slice(0, embedding_size), *projected)

    def hubness(self, embeddings: NDArray[np.float32], pooled_features: NDArray[np.float32]) -> NDArray[np.float32]:
        """What is subtracted from the similarity of photos (N,), from embeddings (N, E) and pooled features (N, C): how
        near they are to every sentence, and a penalty where they are unlike any photo."""
        return self._querybank.hubness(embeddings) + self._photo_space.penalty(pooled_features)

    def of_sentences(self, text: EncodedText) -> SentenceVectors:
        """The vectors of sentences."""
        embeddings = text.embeddings
        vectors, size = self.of_embeddings(embeddings), embeddings.shape[1]
        offsets = np.zeros(len(embeddings), dtype=np.float32)
        if self.digest:
            vectors[:, size] = max(self._scale, np.float32(1.0))
        if self._projection.width and text.word_ids:
            weights, constants = self._detectors.of_sentences(text.word_ids)
            end = size + 1 + self._projection.width
            share = completeness(text.lengths())[:, None] ** 2
            of_words = self._projection.decode(weights / share)
            vectors[:, size + 1 : end] = self._scale / self._half_scale * of_words
            offsets = self._scale * (constants + weights @ self._projection.centre) / share[:, 0]
        return SentenceVectors(vectors, offsets, completeness(text.lengths()))

    def taught_scale(self, words: float) -> float:
        """What the weights (D,) of a taught word's detector are multiplied with, to be added to the vector of a
        sentence of which the network reads so many word pieces: the taught word is none of them."""
        whole = completeness(np.array([1, words], dtype=np.float32)).prod()
        return float(self._taught_scale / whole)

    def of_embeddings(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vectors (B, D) that find photos by the cosine to `embeddings` (B, E)."""
        vectors = np.zeros((len(embeddings), self._width(embeddings)), dtype=np.float32)
        vectors[:, : embeddings.shape[1]] = embeddings
        return vectors

    def _width(self, embeddings: NDArray[np.float32]) -> int:
        """D"""
        size = int(embeddings.shape[1])
        return -(-(size + 1 + self._projection.width) // _MULTIPLE) * _MULTIPLE if self.digest else size


def _finite(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """The numbers, none of them too large for float16."""
    return np.clip(numbers, -_LARGEST, _LARGEST)
