"""Taught detectors: a linear classifier of photo vectors for a word of which a person has named a few photos.

    direction = A^-1 (mean of the photos that show it - share * mean of those that do not)

A is the covariance of typical photos plus a large multiple of the identity: linear discriminant analysis with a shrunk
covariance (Hariharan et al., "Discriminative Decorrelation for Clustering and Classification", 2012). Photos are read
as photo vectors (`photo_vectors`), each block of which is centred and scaled to a mean square length of 1.

The direction is turned into log-odds: how much likelier it is that a photo scores so if it shows the word than if it is
any photo. Typical photos give the scores of any photo; those that show the word give theirs, each by a direction that
was learned without it. The constants were chosen on dev photos: docs/development/benchmarks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_RIDGE = 10.0
"""Of the identity in A, in multiples of the mean variance of a number."""
_PRIOR_PHOTOS = 50
"""The covariance of so many photos counts as much as the assumption that all numbers vary alike."""
_NOT_SHOWN_SHARE = 0.25
"""What the mean of the photos that do not show the word counts. More harms, because they are the most alike ones."""
_NOT_SHOWN_PRIOR = 2
"""So many of them count half of that."""
_NEAR_COPIES = 0.9
"""Photos whose centred and scaled vectors have a larger cosine are as good as one: those of different photos do not."""
_USUAL_SEPARATION = 1.5
_PRIOR_EXAMPLES = 10
"""The usual separation counts as much as so many photos that show the word."""
_MIN_SEPARATION, _MAX_SEPARATION = 0.1, 6.0
_CONFIDENCE = 0.7
"""What log-odds are multiplied with, because the scores of photos that show a word spread more than those of others."""
TAKEN_LOG_ODDS = 1.6
"""A photo with at least these log-odds, five times the usual odds, is taken for one that shows the word."""
MAX_LOG_ODDS = 10.0
"""Of a photo for a word, so that no word outweighs all others of a sentence."""
MAX_EXAMPLES = 200
"""At most so many photos that show a word are read, and as many that do not."""


_TINY = 1e-12


@dataclass(frozen=True)
class Background:
    """Typical photos, with which the photos of a word are compared."""

    columns: NDArray[np.int64]
    """(K,) Which numbers of a photo vector are read."""
    width: int
    """D, the numbers of a photo vector."""
    centre: NDArray[np.float64]
    """(K,) Their means."""
    scale: NDArray[np.float64]
    """(K,) What they are multiplied with once they are centred."""
    covariance: NDArray[np.float32]
    """(K, K)"""
    whitener: NDArray[np.float32]
    """(K, K) The inverse of A."""

    @classmethod
    def of(cls, vectors: NDArray[np.floating], blocks: Sequence[slice]) -> Background:
        """The background of the photo vectors (N, D) of N >= 1 typical photos; `blocks` are the numbers to read."""
        parts, centres, scales = [], [], []
        for block in blocks:
            part = vectors[:, block].astype(np.float64)
            centre = part.mean(axis=0)
            length = np.sqrt(((part - centre) ** 2).sum(axis=1).mean())
            scale = 1.0 / length if length > 0 else 1.0
            parts.append((part - centre) * scale)
            centres.append(centre)
            scales.append(np.full(part.shape[1], scale))
        photos = np.concatenate(parts, axis=1)
        size = photos.shape[1]
        variance = len(blocks) / size  # the mean of all, by the scaling
        share = len(photos) / (len(photos) + _PRIOR_PHOTOS)
        covariance = share * (photos.T @ photos) / len(photos) + (1.0 - share) * variance * np.eye(size)
        whitener = np.linalg.inv(covariance + _RIDGE * variance * np.eye(size))
        columns = np.concatenate([np.arange(vectors.shape[1])[block] for block in blocks])
        matrices = covariance.astype(np.float32), whitener.astype(np.float32)
        return cls(columns, vectors.shape[1], np.concatenate(centres), np.concatenate(scales), *matrices)

    def scaled(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """The numbers (N, K) of photo vectors (N, D), centred and scaled."""
        return np.asarray((vectors[:, self.columns] - self.centre) * self.scale, dtype=np.float32)

    @staticmethod
    def likeness(photos: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cosines (N, M) of scaled photos (N, K) and others (M, K)."""
        units = [rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY) for rows in (photos, others)]
        return np.asarray(units[0] @ units[1].T)


@dataclass(frozen=True)
class TaughtDetector:
    """The detector of a taught word: log-odds = weights @ photo vector + bias."""

    weights: NDArray[np.float32]
    """(D,)"""
    bias: float
    separation: float
    """How far the photos that show the word lie above typical photos, in standard deviations of those."""
    shown: NDArray[np.float32]
    """(S,) The log-odds of each photo that shows the word, by what was learned without it and its near copies. NaN
    where nothing is left then."""
    not_shown: NDArray[np.float32]
    """(R,) The same of each photo that does not show it."""

    @classmethod
    def learn(
        cls,
        background: Background,
        shown: NDArray[np.floating],
        not_shown: NDArray[np.floating],
    ) -> TaughtDetector:
        """The detector from the vectors (S, D) of S >= 1 photos that show the word, and of those (R, D) that do not.

        Of more than MAX_EXAMPLES it reads as many, evenly.
        """
        shown, not_shown = _some(shown), _some(not_shown)
        examples = background.scaled(np.concatenate([shown, not_shown]))
        whitened = examples @ background.whitener
        products = whitened @ examples.T
        covariances = whitened @ background.covariance @ whitened.T
        is_shown = np.arange(len(examples)) < len(shown)
        copies = (background.likeness(examples, examples) > _NEAR_COPIES) & (is_shown == is_shown[:, None])
        np.fill_diagonal(copies, val=True)
        # Near copies count together as one photo.
        counts = 1.0 / np.maximum(copies.sum(axis=1), 1)
        # Row i: what each example counts in the direction that is learned without example i.
        without = _shares(np.where(copies, 0.0, counts), len(shown))
        spread = np.sqrt(np.maximum(((without @ covariances) * without).sum(axis=1), 0.0))
        is_known = without[:, : len(shown)].any(axis=1) & (spread > 0)
        scores = np.divide((without * products).sum(axis=1), spread, out=np.full(len(spread), np.nan), where=is_known)
        usable = is_shown & is_known
        mean = (counts[usable] @ scores[usable] + _PRIOR_EXAMPLES * _USUAL_SEPARATION) / (
            counts[usable].sum() + _PRIOR_EXAMPLES
        )
        separation = float(np.clip(mean, _MIN_SEPARATION, _MAX_SEPARATION))
        share = _shares(counts[None], len(shown))[0]
        spread_of_all = float(np.sqrt(max(share @ covariances @ share, 0.0))) or 1.0
        weights = np.zeros(background.width)
        weights[background.columns] = _CONFIDENCE * separation / spread_of_all * (share @ whitened) * background.scale
        bias = -_CONFIDENCE * separation**2 / 2 - float(weights[background.columns] @ background.centre)
        log_odds = (_CONFIDENCE * separation * (scores - separation / 2)).astype(np.float32)
        return cls(weights.astype(np.float32), bias, separation, log_odds[: len(shown)], log_odds[len(shown) :])

    def log_odds(self, vectors: NDArray[np.floating]) -> NDArray[np.float32]:
        """How much likelier photo vectors (N, D) are of photos that show the word than of any photos: (N,)."""
        # Not a matrix product: there the rounding of a row depends on its neighbours, and equal photos should tie.
        products = np.einsum("nd,d->n", vectors.astype(np.float32), self.weights)
        return np.asarray(np.minimum(products + np.float32(self.bias), MAX_LOG_ODDS), dtype=np.float32)


def _some(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    """At most MAX_EXAMPLES of the vectors, evenly."""
    if len(vectors) <= MAX_EXAMPLES:
        return vectors
    return vectors[np.linspace(0, len(vectors) - 1, MAX_EXAMPLES).astype(np.int64)]


def _shares(counts: NDArray[np.float64], shown: int) -> NDArray[np.float64]:
    """What each example is multiplied with in a direction: means of the first `shown`, less a share of the mean of the
    others. `counts` (B, N) is how much each counts in its mean, for B directions."""
    shares = np.zeros(counts.shape)
    of_shown, of_others = counts[:, :shown].sum(axis=1), counts[:, shown:].sum(axis=1)
    np.divide(counts[:, :shown], of_shown[:, None], out=shares[:, :shown], where=of_shown[:, None] > 0)
    shares[:, shown:] = -_NOT_SHOWN_SHARE * counts[:, shown:] / (of_others + _NOT_SHOWN_PRIOR)[:, None]
    return shares
