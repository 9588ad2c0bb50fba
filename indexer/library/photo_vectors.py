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

    def select(self, rows: NDArray[np.bool_]) -> VectorBlock:
        """The photos for which `rows` (N,) is True."""
        if rows.all():
            return self
        return VectorBlock(self.sequences[rows], self.photo_ids[rows], self.vectors[rows])

    @classmethod
    def joined(cls, blocks: Sequence[VectorBlock]) -> VectorBlock:
        """The photos of all `blocks`."""
        filled = [block for block in blocks if len(block.sequences)]
        if not filled:
            none = np.empty(0, dtype=np.int64)
            return cls(none, none, np.empty((0, 0), dtype=np.float16))
        columns = zip(*((block.sequences, block.photo_ids, block.vectors) for block in filled), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in columns))


class NewerVectors:
    """The vectors of photos that an index does not hold yet. Each is made once, however often the library is read."""

    def __init__(self, encodings: Encodings, photo_vectors: PhotoVectors | None) -> None:
        self._encodings = encodings
        self._photo_vectors = photo_vectors
        self._token: str | None = None
        self._since = self._last = 0
        self._known = VectorBlock.joined([])

    def after(self, sequence: int) -> VectorBlock:
        """The vectors of all photos encoded after that sequence number. Raises LibraryDamaged."""
        origin = self._encodings.origin()
        token = None if origin is None else origin.token
        if token != self._token or sequence < self._since:
            self._token, self._last, self._known = token, sequence, VectorBlock.joined([])
        self._since, self._last = sequence, max(self._last, sequence)
        joined = VectorBlock.joined([self._known, *vectors_after(self._encodings, self._photo_vectors, self._last)])
        # Read last: what was removed or encoded again meanwhile must not be there twice.
        stored = self._encodings.sequences(sequence)
        self._known = joined.select(np.isin(joined.sequences, stored))
        self._last = max([self._last, *joined.sequences[-1:].tolist()])
        return self._known


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
