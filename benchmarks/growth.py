"""How the cost of a search grows with the library: opening, latency by stage, memory.

    python -m benchmarks.growth --library LIBRARY [--data SHARD]... [--plot FILE]

Libraries of each size are made from yours in a temporary folder (or in --folder, where they stay and are used again):
its embeddings grown to size (`benchmarks.growing` says how) and a catalog row for every photo. Pixel features would
take 25 KB a photo: only photos that one of the sentences can bring into its shortlist have them, those of the photo
they were grown from; every other has a single token. A search reads and reranks 64 real sets of features as ever.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from benchmarks.growing import grown, real_embeddings, sentences
from benchmarks.machine import machine
from engine.search import SearchEngine
from indexer.library.catalog import encoded_table, folder_table, location_table, photo_table
from indexer.library.encodings import Encodings
from indexer.library.view import LibraryView
from indexer.library.writer import LibraryWriter
from model.runtime.loading import load_runtime
from model.runtime.protocol import EncodedImages
from model.weights import DEFAULT, find_weights, generation

SIZES = (1_000, 10_000, 100_000, 1_000_000)
STAGES = ("text", "shortlist", "features", "rerank", "total")
SENTENCES = 5
ROUNDS = 20
SHORTLIST = 64
_CAN_BE_SHORTLISTED = 2 * SHORTLIST  # by the exact order: what a coarse index brings in its place comes next there
_ROWS_AT_ONCE = 10_000


def main() -> None:
    """Print the table; with --plot, draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--data", type=Path, action="append", default=[], metavar="SHARD")
    parser.add_argument("--size", type=int, action="append", metavar="PHOTOS")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--plot", type=Path, metavar="FILE")
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    asked = sentences(arguments.data, SENTENCES)
    rows = []
    print("| photos | open s | first shortlist ms | " + " | ".join(f"{stage} ms" for stage in STAGES), end="")
    print(" | memory MB | of it mapped file | index built in s |\n|" + "---|" * (6 + len(STAGES)))
    with tempfile.TemporaryDirectory() as temporary:
        for size in arguments.size or SIZES:
            folder = (arguments.folder or Path(temporary)) / f"{size}"
            built = None if folder.exists() else make(folder, size, asked, arguments.library, arguments.weights)
            with multiprocessing.get_context("spawn").Pool(1) as fresh:  # so that memory and opening are a search's own
                row = fresh.apply(measure, (folder, asked, arguments.weights))
            rows.append({"photos": size, **row})
            cells = [
                f"{size:,}",
                f"{row['open']:.2f}",
                f"{row['first']:.0f}",
                *(f"{row[stage]:.1f}" for stage in STAGES),
            ]
            cells += [f"{row['memory']:.0f}", f"{row['mapped']:.0f}", "" if built is None else f"{built:.1f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    print(f"\nMedians: text and shortlist of {SENTENCES * ROUNDS} searches, the rest of {SENTENCES}. {machine()}")
    if arguments.plot:
        plot(rows, arguments.plot)


def make(folder: Path, size: int, asked: Sequence[str], library: Path, weights: str) -> float:
    """A library of `size` photos; the seconds its FAISS index took."""
    known = generation(find_weights(weights))
    real_ids, real = real_embeddings(library)
    vectors, origins = grown(real, size)
    queries = load_runtime(find_weights(weights)).encode_text(asked).embeddings
    shortlisted = np.unique([nearest(vectors, query) for query in queries])
    stored = Encodings(library / f"encodings-{known}.sqlite")
    with LibraryView.open(folder, generation=known, create=True) as made:
        with made.catalog.begin() as catalog:
            catalog.execute(insert(folder_table).values(id=1, path="/photos", mount_point="/", online=True))
        for start in range(0, size, _ROWS_AT_ONCE):
            rows = range(start, min(start + _ROWS_AT_ONCE, size))
            ids = [row + 1 for row in rows]
            wanted = {row: int(real_ids[origins[row]]) for row in rows if row in shortlisted}
            features = stored.pixel_features(list(wanted.values()))
            empty = np.zeros((1, next(iter(features.values())).shape[1] if features else 384), dtype=np.float32)
            pixels = [features[wanted[row]] if row in wanted else empty for row in rows]
            read = stored.pooled_features(list(wanted.values()))
            none = np.zeros_like(next(iter(read.values()))) if read else np.zeros(1280, dtype=np.float32)
            pooled = np.stack([read[wanted[row]] if row in wanted else none for row in rows])
            made.encodings.add(ids, EncodedImages(vectors[rows].astype(np.float32), pixels, pooled))
            photos = [{"id": n, "digest": n.to_bytes(16), "size": n, "width": 640, "height": 480} for n in ids]
            files = [
                {"folder_id": 1, "path": f"{n // 1000}/{n}.jpg", "mtime_ns": n, "size": n, "photo_id": n} for n in ids
            ]
            with made.catalog.begin() as catalog:
                catalog.execute(insert(photo_table), photos)
                catalog.execute(insert(location_table), files)
                catalog.execute(insert(encoded_table), [{"generation": known, "photo_id": n} for n in ids])
        start_s = time.perf_counter()
        with LibraryWriter.lock(made) as writer:
            writer.update_index()
        seconds = time.perf_counter() - start_s
    stored.close()
    return seconds


def nearest(vectors: NDArray[np.float16], query: NDArray[np.float32]) -> NDArray[np.int64]:
    """Rows of those that a search for `query` can shortlist."""
    parts = [
        vectors[start : start + _ROWS_AT_ONCE].astype(np.float32) @ query
        for start in range(0, len(vectors), _ROWS_AT_ONCE)
    ]
    similarities = np.concatenate(parts)
    return np.argsort(-similarities)[:_CAN_BE_SHORTLISTED]


def measure(folder: Path, asked: Sequence[str], weights: str) -> dict[str, Any]:
    """What one process that opens the library and searches it sees."""
    load_runtime(find_weights(weights))  # imported before: that does not grow with the library
    start = time.perf_counter()
    with SearchEngine.open(folder, weights=weights) as engine:
        opened = time.perf_counter() - start
        first = engine.search(asked[0], shortlist=SHORTLIST).timings_ms["shortlist"]
        plain = [engine.search(sentence, rerank=False).timings_ms for _ in range(ROUNDS) for sentence in asked]
        reranked = [engine.search(sentence, shortlist=SHORTLIST).timings_ms for sentence in asked]
        medians = {
            stage: float(
                np.median([timings[stage] for timings in (plain if stage in ("text", "shortlist") else reranked)])
            )
            for stage in STAGES
        }
        return {"open": opened, "first": first, **medians, "memory": resident("VmRSS"), "mapped": resident("RssFile")}


def resident(kind: str) -> float:
    """MB of this process's memory: `VmRSS` is all of it, `RssFile` the part that lies in mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")) / 1024


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Latency by stage and memory over the number of photos."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    photos = [row["photos"] for row in rows]
    for stage in STAGES:
        left.loglog(photos, [row[stage] for row in rows], marker=".", label=stage)
    left.set(xlabel="photos", ylabel="ms a search", title=f"{SHORTLIST} candidates reranked")
    right.semilogx(photos, [row["memory"] for row in rows], marker=".", label="memory of the process")
    right.semilogx(photos, [row["mapped"] for row in rows], marker=".", label="of it mapped files")
    right.set(xlabel="photos", ylabel="MB", ylim=(0, None))
    for axes in (left, right):
        axes.legend()
        axes.grid(alpha=0.3)
    figure.savefig(path)


if __name__ == "__main__":
    main()
