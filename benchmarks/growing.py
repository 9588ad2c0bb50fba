"""Vectors of more photos than are at hand, and sentences to ask for: shared by the benchmarks of large libraries."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from indexer.library.encodings import Encodings
from indexer.library.photo_vectors import PhotoVectors, vectors_after
from model.data.shards import read_shards

_NEIGHBOURS = 10
_ROWS_AT_ONCE = 50_000
_WHO = ("a dog", "two children", "a man", "a woman in a red dress", "a group of people", "a cat", "a horse", "a bus")
_DOES = ("running", "sitting", "standing", "jumping", "looking at the camera")
_WHERE = ("on the beach", "in the snow", "in a street", "on the grass", "at a table", "beside a lake", "in a kitchen")


def real_embeddings(library: Path) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids (N,) and embeddings (N, E) of the photos in a library, in a random order that is ever the same."""
    (path,) = library.glob("encodings-*.sqlite")
    encodings = Encodings(path)
    parts = list(encodings.after(0))
    encodings.close()
    order = np.random.default_rng(0).permutation(sum(len(part.photo_ids) for part in parts))
    ids, vectors = (np.concatenate(column) for column in zip(*((p.photo_ids, p.vectors) for p in parts), strict=True))
    return ids[order], vectors[order]


def real_vectors(library: Path, photo_vectors: PhotoVectors) -> NDArray[np.float32]:
    """The vectors (N, D) that `photo_vectors` makes of the photos in a library, in a random order that is ever the
    same."""
    (path,) = library.glob("encodings-*.sqlite")
    encodings = Encodings(path)
    vectors = np.concatenate([block.vectors for block in vectors_after(encodings, photo_vectors, 0)])
    encodings.close()
    return vectors[np.random.default_rng(0).permutation(len(vectors))].astype(np.float32)


def grown(real: NDArray[np.float32], count: int) -> tuple[NDArray[np.float16], NDArray[np.int64]]:
    """Vectors (count, D) and, of each, the row in `real` (N, D) of the photo it was made from.

    The first are the real ones. Each further one lies at random between a photo and one of its ten nearest, and
    beside the line by half the distance that the median photo has from its nearest. Its length is between theirs too.
    """
    random = np.random.default_rng(1)
    vectors = np.empty((count, real.shape[1]), dtype=np.float16)
    origins = np.arange(count)
    vectors[: len(real)] = real[:count]
    lengths, units = np.linalg.norm(real, axis=1, keepdims=True), normalised(real)
    index = faiss.IndexFlatIP(real.shape[1])
    index.add(units)
    similarities, nearest = index.search(units, 1 + _NEIGHBOURS)
    beside = 0.5 * np.sqrt(2 - 2 * np.median(similarities[:, 1])) / np.sqrt(real.shape[1])
    for start in range(len(real), count, _ROWS_AT_ONCE):
        rows = min(_ROWS_AT_ONCE, count - start)
        photo = random.integers(len(real), size=rows)
        other = nearest[photo, random.integers(1, 1 + _NEIGHBOURS, size=rows)]
        share = random.random((rows, 1), dtype=np.float32)
        between = normalised((1 - share) * units[photo] + share * units[other])
        length = (1 - share) * lengths[photo] + share * lengths[other]
        noise = beside * random.standard_normal(between.shape, dtype=np.float32)
        vectors[start : start + rows] = length * normalised(between + noise)
        origins[start : start + rows] = np.where(share[:, 0] < 0.5, photo, other)
    return vectors, origins


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row at length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def sentences(shards: Sequence[Path], count: int) -> list[str]:
    """The first caption of each of `count` photos of the shards' dev split; without shards, sentences made of parts."""
    if shards:
        return [photo.captions[0] for photo in read_shards(shards, "dev")][:count]
    made = [" ".join(parts) for parts in product(_WHO, _DOES, _WHERE)]
    return [made[row] for row in np.random.default_rng(0).permutation(len(made))[:count]]
