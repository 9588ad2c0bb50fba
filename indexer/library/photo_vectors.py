"""What the vector store compares: a vector of each photo, made from its encodings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from indexer.library.encodings import Encodings

_PHOTOS_AT_ONCE = 2048


class PhotoVectors(Protocol):
    """Makes vectors of photos; `model.scoring.photo_vectors` is one."""

    @property
    def digest(self) -> str:
        """Names everything that a vector depends on beside the encodings; empty where it is the embedding alone."""

    def of_photos(self, embeddings: NDArray[np.float32], pooled_features: NDArray[np.float32]) -> NDArray[np.float16]:
        """The vectors (N, D) of photos, from embeddings (N, E) and pooled features (N, C). They begin with the
        embedding."""


@dataclass(frozen=True)
class VectorBlock:
    """The vectors of N photos in the order in which their encodings were added."""

    sequences: NDArray[np.int64]
    """(N,) See `Embeddings.sequences`."""
    photo_ids: NDArray[np.int64]
    """(N,)"""
    vectors: NDArray[np.float16]
    """(N, D)"""


def vectors_after(encodings: Encodings, photo_vectors: PhotoVectors | None, sequence: int) -> Iterator[VectorBlock]:
    """The vectors of all photos encoded after that sequence number (0: of all), in blocks; embeddings without a maker.

    Raises LibraryDamaged.
    """
    for block in encodings.after(sequence):
        for start in range(0, len(block.photo_ids), _PHOTOS_AT_ONCE):
            rows = slice(start, start + _PHOTOS_AT_ONCE)
            sequences, photo_ids, embeddings = block.sequences[rows], block.photo_ids[rows], block.vectors[rows]
            if photo_vectors is None or not photo_vectors.digest:
                yield VectorBlock(sequences, photo_ids, embeddings.astype(np.float16))
                continue
            pooled = encodings.pooled_features(photo_ids.tolist())
            kept = np.array([photo_id in pooled for photo_id in photo_ids.tolist()])  # others were removed a moment ago
            if kept.any():
                features = np.stack([pooled[photo_id] for photo_id in photo_ids[kept].tolist()])
                yield VectorBlock(sequences[kept], photo_ids[kept], photo_vectors.of_photos(embeddings[kept], features))


def vectors_of(
    encodings: Encodings, photo_vectors: PhotoVectors | None, photo_ids: Sequence[int]
) -> Iterator[NDArray[np.float16]]:
    """The vectors of these photos in blocks (N, D), in any order. Raises LibraryDamaged."""
    for start in range(0, len(photo_ids), _PHOTOS_AT_ONCE):
        embeddings = encodings.vectors(photo_ids[start : start + _PHOTOS_AT_ONCE])
        stacked = np.stack(list(embeddings.values()))
        if photo_vectors is None or not photo_vectors.digest:
            yield stacked.astype(np.float16)
        else:
            pooled = encodings.pooled_features(list(embeddings))
            yield photo_vectors.of_photos(stacked, np.stack([pooled[photo_id] for photo_id in embeddings]))
