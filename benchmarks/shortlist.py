"""What the coarse index in front of the exact comparison costs and saves, beside other kinds of FAISS index.

    python -m benchmarks.shortlist --library LIBRARY [--data SHARD]...

LIBRARY is one of yours, the larger the better: its vectors are grown to the sizes asked for (`benchmarks.growing`
says how). Queries are captions of the shards' dev split or, without shards, sentences made of parts.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.growing import grown, real_vectors, sentences
from benchmarks.machine import machine
from indexer.library.faiss_index import EXACT, SearchableIndex, new_index
from model.bundle import TrainedModel
from model.weights import DEFAULT

SIZES = (10_000, 50_000, 100_000, 1_000_000)
DEPTH = 64
QUERIES = 500
ADDED = 1000
MAX_FOR_HNSW = 100_000  # beyond, it takes too long to build and too much memory to be a candidate
_ROWS_AT_ONCE = 10_000


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="SHARD")
    parser.add_argument("--size", type=int, action="append", metavar="PHOTOS")
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    model = TrainedModel(arguments.weights)
    real = real_vectors(arguments.library, model.photo_vectors)
    texts = [model.runtime.encode_text([sentence]) for sentence in sentences(arguments.data, QUERIES)]
    queries = np.concatenate([model.photo_vectors.of_sentences(text).vectors for text in texts])
    print(f"{len(real)} real photos, {len(queries)} sentences\n")
    print(
        f"| photos | index | recall of exact's {DEPTH} | at the worst 5 % | median ms | 95 % ms | bytes a photo "
        f"| of them coarse | build s | add {ADDED} s |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    for size in arguments.size or SIZES:
        vectors, _ = grown(real, size + ADDED)
        truth: list[set[int]] = []
        for factory in candidates(size):
            print(f"| {size:,} | {factory} | {' | '.join(measured(factory, vectors, queries, truth))} |", flush=True)
    print(f"\n{machine()}")


def candidates(size: int) -> Iterator[str]:
    """Factory strings; the exact index first, the one a large library gets second."""
    lists = f"IVF{2 ** round(math.log2(2 * math.sqrt(size)))}"
    yield EXACT
    yield from (f"{lists},{kind}" for kind in ("RaBitQfs", "SQ8", "PQ128x4fs", "PQ64x4fs"))
    if size <= MAX_FOR_HNSW:
        yield "HNSW32"


def measured(
    factory: str, vectors: NDArray[np.float16], queries: NDArray[np.float32], truth: list[set[int]]
) -> Iterator[str]:
    """The row's cells. The exact index, which comes first, fills `truth`."""
    size = len(vectors) - ADDED
    start = time.perf_counter()
    index, training = new_index(vectors.shape[1], factory, size)
    if training:
        sample = np.random.default_rng(0).choice(size, training, replace=False)
        index.train(vectors[sample].astype(np.float32))
    for row in range(0, size, _ROWS_AT_ONCE):
        part = vectors[row : min(row + _ROWS_AT_ONCE, size)].astype(np.float32)
        index.add_with_ids(part, np.arange(row, row + len(part)))
    build = time.perf_counter() - start

    searchable = SearchableIndex(index)
    searchable.nearest(queries[0], DEPTH)  # warm
    seconds, neighbours = [], []
    for query in queries:
        start = time.perf_counter()
        rows, _ = searchable.nearest(query, DEPTH)
        seconds.append(time.perf_counter() - start)
        neighbours.append(set(rows.tolist()))
    if not truth:
        truth += neighbours
    recalls = [len(nearest & exact) / DEPTH for nearest, exact in zip(neighbours, truth, strict=True)]
    bytes_a_photo = len(faiss.serialize_index(index)) / size

    start = time.perf_counter()
    index.add_with_ids(vectors[size:].astype(np.float32), np.arange(size, size + ADDED))
    added = time.perf_counter() - start
    yield f"{np.mean(recalls):.4f}"
    yield f"{np.percentile(recalls, 5):.3f}"
    yield f"{1000 * np.median(seconds):.2f}"
    yield f"{1000 * np.percentile(seconds, 95):.2f}"
    yield f"{bytes_a_photo:.0f}"
    yield f"{bytes_a_photo - 2 * vectors.shape[1] - 8:.0f}"
    yield f"{build:.1f}"
    yield f"{added:.3f}"


if __name__ == "__main__":
    main()
