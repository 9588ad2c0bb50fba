"""Querybank normalisation: hubs, which are photos near to every sentence, must not rank above the right photo.

Bogolin et al., "Cross Modal Retrieval with Querybank Normalisation" (arXiv 2112.12777). The hubness of a photo is how
near it is to a bank of sentences about other photos. It is subtracted from the similarity to the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from model.runtime.protocol import Runtime

if TYPE_CHECKING:  # a search does not read shards
    from model.data.shards import CaptionedPhoto

_SENTENCES = 1000  # recall@1 is lower with 300, and no higher with 3,000: docs/development/experiments.md
_SHARPNESS = 10.0  # of the soft maximum: 0 gives the mean similarity to the bank, infinity the largest
_AT_ONCE = 250


@dataclass(frozen=True)
class Querybank:
    """The embeddings (N, E) of N sentences; N is 0 where there is no bank."""

    embeddings: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 1), dtype=np.float32))

    @classmethod
    def of(cls, runtime: Runtime, photos: Sequence[CaptionedPhoto]) -> Self:
        """The bank of one caption each of a fixed random sample of training photos."""
        rows = np.random.default_rng(0).permutation(len(photos))[:_SENTENCES]
        sentences = sorted((photos[row].captions[0] for row in rows.tolist()), key=len)  # little padding
        starts = range(0, len(sentences), _AT_ONCE)
        batches = [runtime.encode_text(sentences[start : start + _AT_ONCE]).embeddings for start in starts]
        return cls(np.concatenate(batches).astype(np.float16).astype(np.float32)) if batches else cls()

    @classmethod
    def read(cls, file: BinaryIO) -> Self:
        """The bank in a NumPy file. Raises ValueError or EOFError when it holds none."""
        embeddings = np.load(file, allow_pickle=False)
        if not isinstance(embeddings, np.ndarray) or embeddings.ndim != 2 or embeddings.dtype != np.float16:
            raise ValueError("it does not hold embeddings")
        return cls(embeddings.astype(np.float32))

    def write(self, file: BinaryIO) -> None:
        """Write it as float16."""
        np.save(file, self.embeddings.astype(np.float16))

    def hubness(self, image_embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """How near photos (B, E) are to the bank (B,): the soft maximum of their similarities to its sentences.

        The paper divides exponentials of similarities; this is the logarithm of its divisor. 0 where there is no bank.
        """
        if not len(self.embeddings):
            return np.zeros(len(image_embeddings), dtype=np.float32)
        similarities = image_embeddings @ self.embeddings.T
        return np.asarray(np.log(np.exp(_SHARPNESS * similarities).mean(axis=1)) / _SHARPNESS, dtype=np.float32)
