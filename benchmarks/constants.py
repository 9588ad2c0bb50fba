"""What one photo and one search cost: bytes, and CPU time, which others on the machine change less than the clock.

python -m benchmarks.constants --library LIBRARY --photos FOLDER
"""

from __future__ import annotations

import argparse
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.machine import machine
from benchmarks.search import SENTENCES
from benchmarks.serving import await_answer, load
from indexer.library.view import LibraryView
from model.image_processor import PixelBertImageProcessor
from model.runtime.loading import load_runtime
from model.weights import DEFAULT, find_weights, generation

_BATCH, _SHORTLIST, _VECTORS, _SECONDS = 32, 64, 20_000, 10.0
_LISTS = 256
_FACTORIES = ("SQfp16", f"IVF{_LISTS},RaBitQfs", f"IVF{_LISTS},SQ8", "HNSW32")


def main() -> None:
    """Print the constants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    arguments = parser.parse_args()
    for table in (sizes, times, indexes, server):
        table(arguments.library, arguments.photos)
    print(machine())


def sizes(library: Path, _: Path) -> None:
    """Bytes of a photo in each part of the library."""
    weights = generation(find_weights(DEFAULT))
    files = {"catalog": "catalog.sqlite", "encodings": f"encodings-{weights}.sqlite", "index": f"index-{weights}.faiss"}
    with closing(sqlite3.connect(library / files["encodings"])) as connection:
        photos, vectors, pooled, features = connection.execute(
            "SELECT count(*), avg(length(vector)), avg(length(pooled)), avg(length(packed)) "
            "FROM embedding JOIN pixel_features USING (photo_id)"
        ).fetchone()
    print(f"| of {photos} photos | bytes a photo |\n|---|---|")
    for name, file in files.items():
        print(f"| {name} | {(library / file).stat().st_size / photos:,.0f} |")
    print(f"| of the encodings: embedding, pooled, pixel features | {vectors:,.0f}, {pooled:,.0f}, {features:,.0f} |\n")


def times(path: Path, photos: Path) -> None:
    """CPU milliseconds of a photo and of a search, on one thread."""
    weights = find_weights(DEFAULT)
    processor, runtime = PixelBertImageProcessor.from_pretrained(weights), load_runtime(weights, threads=1)
    files = sorted(photos.iterdir())[:_BATCH]

    def decode() -> list[NDArray[np.uint8]]:
        images = []
        for file in files:
            with Image.open(file) as image:
                images.append(processor.resize(ImageOps.exif_transpose(image)))
        return images

    ready = decode()
    with LibraryView.open(path, generation=generation(weights)) as library:
        text = runtime.encode_text(SENTENCES[:1])
        shortlist = library.shortlist(text.embeddings[0], _SHORTLIST)[0].tolist()
        features = list(library.pixel_features(shortlist).values())
        print("| on one thread | CPU ms |\n|---|---|")
        for name, work, count in (
            ("a photo: decode", decode, _BATCH),
            ("a photo: network", lambda: runtime.encode_image(ready), _BATCH),
            ("a sentence", lambda: runtime.encode_text(SENTENCES[:1]), 1),
            ("read the pixel features of a photo", lambda: library.pixel_features(shortlist), _SHORTLIST),
            ("the joint pass of a pair", lambda: runtime.itm_logits(text, features), _SHORTLIST),
        ):
            print(f"| {name} | {1000 * cpu(work) / count:.2f} |")
    print()


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds, the median of five."""
    seconds = []
    for _ in range(5):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return float(np.median(seconds))


def indexes(*_: Path) -> None:
    """Bytes of a vector of 640 numbers in each kind of index, without the centres of its lists."""
    vectors = np.random.default_rng(0).normal(size=(_VECTORS, 640)).astype(np.float32)
    print(f"| index of {_VECTORS:,} vectors | bytes a vector |\n|---|---|")
    for factory in _FACTORIES:
        index = faiss.index_factory(640, f"IDMap,{factory}", faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.add_with_ids(vectors, np.arange(_VECTORS))
        centres = 4 * 640 * _LISTS if factory.startswith("IVF") else 0  # which a large index shares among more
        print(f"| {factory} | {(len(faiss.serialize_index(index)) - centres) / _VECTORS:,.0f} |", flush=True)
    print()


def server(library: Path, _: Path) -> None:
    """CPU milliseconds of a search in `pixelseek serve`, and how long people wait who search without a pause."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "cli", "serve", "--port", str(port), "--library", str(library)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        await_answer(port)
        print("| people | CPU ms a search | answered | a second | p50 s | p95 s | reranked |")
        print("|---|---|---|---|---|---|---|")
        for people in (1, 2, 5, 10):
            before = cpu_of(process.pid)
            row = load(port, process.pid, people, 0, _SECONDS)
            answered, rate, median, slow, reranked = row[2], *row[5:9]
            spent = 1000 * (cpu_of(process.pid) - before) / int(answered)
            print(f"| {people} | {spent:.0f} | {answered} | {rate} | {median} | {slow} | {reranked} |", flush=True)
    finally:
        process.terminate()
        process.wait()
    print()


def cpu_of(process: int) -> float:
    """CPU seconds that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
