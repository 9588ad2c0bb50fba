"""How long `pixelseek index` takes where nothing has changed.

    python -m benchmarks.rescan --files 100000

Makes a tree of small photo files, 100 a folder, and a library that knows them (with embeddings out of a hat: no
model is asked), then runs the command again. The limit is to ask the system for the state of each file, as any
program must that does not watch the folders.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.machine import machine
from indexer.indexing import IndexProgress, index_folders
from indexer.library.view import LibraryView
from model.image_processor import PixelBertImageProcessor
from model.runtime.protocol import EncodedImages, EncodedText
from model.weights import find_weights, generation

FILES_A_FOLDER = 100
ROUNDS = 5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100_000)
    count = parser.parse_args().files

    weights = find_weights()
    with TemporaryDirectory() as home:
        photos, library = Path(home, "photos"), Path(home, "library")
        make_tree(photos, count)
        with LibraryView.open(library, generation=generation(weights), create=True) as opened:
            index_folders(
                opened,
                [photos],
                processor=PixelBertImageProcessor.from_pretrained(weights),
                load_runtime=Hat,
                progress=show,
            )

        def command() -> None:
            arguments = [sys.executable, "-m", "cli", "index", "--library", str(library)]
            printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
            assert f"0 new, {count:,} unchanged" in printed, printed

        print(f"\n| {count:,} files, nothing changed | best s | of which computing |\n|---|---|---|")
        for name, work in (
            ("stat of every file (limit)", lambda: ask_for_every_state(photos)),
            ("pixelseek index, the whole command", command),
        ):
            elapsed, computing = timed(work)
            print(f"| {name} | {elapsed:.2f} | {computing:.2f} |", flush=True)
    print(f"\n{machine()}")


class Hat:
    """A runtime that draws its embeddings from a hat."""

    device = "cpu"
    at_once = 1

    def encode_image(self, images: Sequence[NDArray[np.uint8]]) -> EncodedImages:
        """Embeddings of the shipped model's size, hardly any pixel features."""
        drawn = np.random.default_rng(int(images[0].sum())).normal(size=(len(images), 256)).astype(np.float32)
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        return EncodedImages(drawn, [np.ones((1, 16), dtype=np.float32)] * len(images), drawn[:, :16])

    def cells(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Never asked."""
        raise NotImplementedError

    def prepare(self, *, rerank: bool) -> None:
        """Everything is there."""

    def encode_text(self, sentences: Sequence[str]) -> EncodedText:
        """Never asked."""
        raise NotImplementedError

    def itm_logits(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Never asked."""
        raise NotImplementedError

    def attend(self, text: EncodedText, pixel_features: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """Never asked."""
        raise NotImplementedError


def make_tree(folder: Path, count: int) -> None:
    """`count` different photos of 4 x 4 pixels."""
    for number in range(count):
        path = folder / f"{number // FILES_A_FOLDER:05}" / f"{number:07}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.frombuffer(number.to_bytes(48, "little"), dtype=np.uint8).reshape(4, 4, 3)
        Image.fromarray(pixels).save(path, compress_level=1)


def ask_for_every_state(folder: Path) -> None:
    """Walk and stat, and nothing else."""
    pending = [str(folder)]
    while pending:
        with os.scandir(pending.pop()) as listing:
            for child in listing:
                if child.is_dir():
                    pending.append(child.path)
                else:
                    child.stat()


def timed(work: Callable[[], None]) -> tuple[float, float]:
    """Seconds of the best of a few runs: by the clock, and on processors, which neighbours lengthen less."""
    runs = []
    for _ in range(ROUNDS):
        start, computed = time.perf_counter(), computing_s()
        work()
        runs.append((time.perf_counter() - start, computing_s() - computed))
    return min(runs)


def computing_s() -> float:
    """Seconds that this process and those it waited for have been on a processor."""
    return sum(os.times()[:4])


def show(progress: IndexProgress) -> None:
    """A word every now and then while the library is made."""
    if progress.done % 10_000 == 0:
        print(f"made {progress.done:,}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
