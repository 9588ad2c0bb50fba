"""Images unlike all photos: plain walls, icons, screenshots and noise must not be found for sentences about photos.

No caption of the training speaks of them, so similarity and word detectors speak for them and against them at random.
The CNN tells them apart: the pooled features of a photo lie nearly all in the space of the few directions in which
photos differ. Those of other images are small, and more of them lies outside.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from model.scoring.word_detectors import power_normalize
from model.weights import WeightsError

_DIRECTIONS = 128
_MIN_PHOTOS = 20 * _DIRECTIONS  # fewer fill the space by chance
_USUAL = 0.999  # of the photos that the space is learned from
_RAMP = 0.5  # standard deviations, from the last usual photo to what is none at all
PENALTY = 0.3  # of similarity: photos of kinds that training has not seen lie outside too, and are still to be found
_MIN_LENGTH = 1e-3  # of the features of a photo it is about 20
_NAMES = ("centre", "directions", "limits")


def _empty(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, dtype=np.float32)


@dataclass(frozen=True)
class PhotoSpace:
    """Where the pooled features of photos lie, and how far outside other images do; empty where it was not learned."""

    centre: NDArray[np.float32] = field(default_factory=lambda: _empty(0))
    """(C,) The mean of power-normalised pooled features."""
    directions: NDArray[np.float32] = field(default_factory=lambda: _empty(0, 0))
    """(C, K) Orthonormal: the principal axes."""
    limits: NDArray[np.float32] = field(default_factory=lambda: _empty(2))
    """(2,) How far outside an image is a little, and from where on it is wholly unlike a photo."""

    @classmethod
    def learn(cls, pooled_features: NDArray[np.float32]) -> Self:
        """The space of photos with the pooled features (N, C); an empty one where they are too few to tell."""
        if len(pooled_features) < _MIN_PHOTOS or pooled_features.shape[1] < 2 * _DIRECTIONS:
            return cls()
        features = power_normalize(pooled_features).astype(np.float64)
        centre = features.mean(axis=0)
        _, axes = np.linalg.eigh(np.cov((features - centre).T))
        space = cls(_rounded(centre), _rounded(axes[:, : -_DIRECTIONS - 1 : -1]))
        outside = space.outside(pooled_features)
        usual = np.quantile(outside, _USUAL)
        return cls(space.centre, space.directions, np.array([usual, usual + _RAMP * outside.std()], dtype=np.float32))

    def outside(self, pooled_features: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far outside the space images with the pooled features (N, C) lie (N,), relative to the features' length.

        Raises WeightsError for features of another network.
        """
        if pooled_features.shape[1] != len(self.centre):
            raise WeightsError(
                f"the space of photos was learned from {len(self.centre):,} features of a photo, these weights have "
                f"{pooled_features.shape[1]:,}: learn it anew with `pixelseek model calibrate` and train photos."
            )
        features = power_normalize(pooled_features)
        centred = features - self.centre
        rest = centred - (centred @ self.directions) @ self.directions.T
        length = np.maximum(np.linalg.norm(features, axis=1), _MIN_LENGTH)
        return np.asarray(np.linalg.norm(rest, axis=1) / length, dtype=np.float32)

    def penalty(self, pooled_features: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the similarity of images with the pooled features (N, C) loses (N,): 0 for photos.

        It is the same for all that are wholly unlike a photo, so that they keep their order among themselves.
        """
        if not len(self.centre):
            return np.zeros(len(pooled_features), dtype=np.float32)
        usual, other = self.limits
        ramp = (self.outside(pooled_features) - usual) / max(other - usual, np.finfo(np.float32).tiny)
        return np.asarray(PENALTY * np.clip(ramp, 0.0, 1.0), dtype=np.float32)

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """The one in a NumPy archive. Raises KeyError, ValueError or BadZipFile when it holds none."""
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _NAMES}
        if (
            arrays["directions"].ndim != 2
            or arrays["centre"].shape != arrays["directions"].shape[:1]
            or arrays["limits"].shape != (2,)
            or not all(array.dtype.kind == "f" and np.isfinite(array).all() for array in arrays.values())
        ):
            raise ValueError("it does not hold a space of photos")
        return cls(**{name: array.astype(np.float32) for name, array in arrays.items()})

    def write(self, file: BinaryIO) -> None:
        """Write it, centre and directions as float16."""
        half = {name: getattr(self, name).astype(np.float16) for name in ("centre", "directions")}
        np.savez(file, allow_pickle=False, **half, limits=self.limits)


def _rounded(array: NDArray[np.float64]) -> NDArray[np.float32]:
    """As a file keeps it, so that the limits hold for what is read back."""
    return array.astype(np.float16).astype(np.float32)
