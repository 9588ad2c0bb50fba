"""Fewer numbers for the features that word detectors read: as many as the shortlist keeps of each photo."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from model.scoring.word_detectors import WordDetectors, power_normalize

WIDTH = 383
"""Numbers a photo. With an embedding of 256 and the photo's own number they fill 640, which FAISS reads fastest.
Fewer find less, more find no more: docs/development/experiments.md."""
_RIDGE = 1e-6  # added to the variance of each feature: some features are constant
_MIN_SHARE = 1e-6  # of the largest singular value: directions below it are noise
_NAMES = ("centre", "encoder", "decoder")


def _empty(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, dtype=np.float32)


@dataclass(frozen=True)
class Projection:
    """A linear map of C power-normalised pooled features to K numbers and back; K is 0 where none was learned."""

    centre: NDArray[np.float32] = field(default_factory=lambda: _empty(0))
    """(C,) The mean of the features."""
    encoder: NDArray[np.float32] = field(default_factory=lambda: _empty(0, 0))
    """(C, K)"""
    decoder: NDArray[np.float32] = field(default_factory=lambda: _empty(0, 0))
    """(K, C)"""

    @property
    def width(self) -> int:
        """K"""
        return int(self.encoder.shape[1])

    @classmethod
    def learn(cls, detectors: WordDetectors, pooled_features: NDArray[np.float32], width: int = WIDTH) -> Self:
        """The projection of the pooled features (N, C) of typical photos that keeps most of what `detectors` read.

        Of all maps to `width` numbers it has the least squared error of the log-odds of sentences, each word counted as
        often as captions use it. Each number spreads as far over photos as the number it is multiplied with spreads
        over sentences, so that rounding and clustering do least harm.
        """
        if not len(detectors.ids) or len(pooled_features) < 2:
            return cls()
        features = power_normalize(pooled_features).astype(np.float64)
        centre = features.mean(axis=0)
        covariance = np.cov((features - centre).T) + _RIDGE * np.eye(features.shape[1])
        variances, axes = np.linalg.eigh(covariance)
        spread = np.sqrt(np.maximum(variances, _RIDGE))
        priors = 1.0 / (1.0 + np.exp(-detectors.prior_logits.astype(np.float64)))
        counts = np.sqrt(priors) * detectors.word_weights
        weights = counts[:, None] * detectors.weights @ (axes * spread)  # (V, C), for whitened features
        squares, directions = np.linalg.eigh(weights.T @ weights)
        singular = np.sqrt(np.maximum(squares[::-1][:width], 0.0))
        kept = singular > _MIN_SHARE * singular[0]
        singular, directions = singular[kept], directions[:, ::-1][:, :width][:, kept]
        balance = np.sqrt(singular)  # photos spread by 1 here, the words of sentences by the singular value
        encoder = (axes / spread) @ directions * balance
        decoder = ((axes * spread) @ directions / balance).T
        return cls(*(_rounded(array) for array in (centre, encoder, decoder)))

    def encode(self, pooled_features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Pooled features (N, C) as numbers (N, K)."""
        return np.asarray((power_normalize(pooled_features) - self.centre) @ self.encoder, dtype=np.float32)

    def decode(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Linear classifiers (B, C) of power-normalised features as classifiers (B, K) of the projected numbers."""
        return np.asarray(weights @ self.decoder.T, dtype=np.float32)

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """The one in a NumPy archive. Raises KeyError, ValueError or BadZipFile when it holds none."""
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _NAMES}
        features, width = arrays["encoder"].shape if arrays["encoder"].ndim == 2 else (0, 0)
        shapes = {"centre": (features,), "encoder": (features, width), "decoder": (width, features)}
        if any(array.shape != shapes[name] for name, array in arrays.items()) or not all(
            array.dtype == np.float16 and np.isfinite(array).all() for array in arrays.values()
        ):
            raise ValueError("it does not hold a projection")
        return cls(**{name: array.astype(np.float32) for name, array in arrays.items()})

    def write(self, file: BinaryIO) -> None:
        """Write it as float16."""
        np.savez(file, allow_pickle=False, **{name: getattr(self, name).astype(np.float16) for name in _NAMES})


def _rounded(array: NDArray[np.float64]) -> NDArray[np.float32]:
    """As a file keeps it, so that a projection is the same before and after it is written."""
    return array.astype(np.float16).astype(np.float32)
