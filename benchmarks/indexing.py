"""How much of what the network alone can do is left when a folder is really indexed.

    python -m benchmarks.indexing --photos FOLDER

The limit is the same network on photos that lie decoded in memory. The alternative is one process that
decodes, encodes and waits in turn, as a first script would.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from benchmarks.machine import machine
from indexer.indexing import index_folders
from indexer.library.view import LibraryView
from indexer.scanning import PHOTO_SUFFIXES
from model.image_processor import PixelBertImageProcessor
from model.runtime.loading import load_runtime
from model.weights import DEFAULT, find_weights, generation

BATCH = 32


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    weights = find_weights(arguments.weights)
    processor, runtime = PixelBertImageProcessor.from_pretrained(weights), load_runtime(weights)
    files = [path for path in arguments.photos.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES]

    def decode(file: Path) -> NDArray[np.uint8]:
        with Image.open(file) as image:
            return processor.resize(ImageOps.exif_transpose(image))

    ready = [decode(file) for file in files]
    runtime.encode_image(ready[:BATCH])  # warm

    def network_alone() -> None:
        for start in range(0, len(ready), BATCH):
            runtime.encode_image(ready[start : start + BATCH])

    def one_after_the_other() -> None:
        for start in range(0, len(files), BATCH):
            runtime.encode_image([decode(file) for file in files[start : start + BATCH]])

    def pixelseek() -> None:
        with (
            TemporaryDirectory() as folder,
            LibraryView.open(Path(folder), generation=generation(weights), create=True) as library,
        ):
            index_folders(
                library, [arguments.photos], processor=processor, load_runtime=lambda: runtime, read_text=False
            )

    print(f"| {len(files)} photos | photos/s | of the limit |\n|---|---|---|")
    limit = rate(network_alone, len(files))
    for name, speed in (
        ("network alone, photos ready in memory (limit)", limit),
        ("decode and encode in turn, nothing stored", rate(one_after_the_other, len(files))),
        ("pixelseek index: scan, decode, encode, store", rate(pixelseek, len(files))),
    ):
        print(f"| {name} | {speed:.1f} | {speed / limit:.0%} |")
    print(f"\n{machine()}")


def rate(work: Callable[[], None], photos: int) -> float:
    """Photos per second, the best of three."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return photos / min(seconds)


if __name__ == "__main__":
    main()
