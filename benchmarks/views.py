"""What a second view of each photo costs, and how much of it the trunk saves by reading every second token.

python -m benchmarks.views
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine
from model.image_processor import PixelBertImageProcessor
from model.runtime.graphs import write_graphs
from model.runtime.onnx_runtime import OnnxRuntime
from model.weights import DEFAULT, FILES, find_weights

PHOTOS, ROUNDS = 32, 8
VIEWS: dict[str, dict[str, object]] = {
    "one view, all tokens": {"mirrored_view": None, "embedding_stride": 1},
    "two views, all tokens": {"embedding_stride": 1},
    "as shipped": {},
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=DEFAULT)
    weights = find_weights(parser.parse_args().weights)

    width, height = PixelBertImageProcessor.from_pretrained(weights).target_size(640, 480)
    images = list(np.random.default_rng(0).integers(0, 256, (PHOTOS, height, width, 3)).astype(np.uint8))
    with TemporaryDirectory() as folder:
        runtimes = {
            name: OnnxRuntime.load(with_config(weights, Path(folder) / str(number), changes))
            for number, (name, changes) in enumerate(VIEWS.items())
        }
        seconds: dict[str, list[float]] = {name: [] for name in runtimes}
        for _ in range(ROUNDS + 1):  # the first round is a warm-up
            for name, runtime in runtimes.items():
                seconds[name].append(time_of(runtime, images))
    medians = {name: statistics.median(rounds[1:]) for name, rounds in seconds.items()}
    least = min(medians.values())
    print("| the network, pixels alone | photos/s | ms a photo | times one view |\n|---|---|---|---|")
    for name, median in medians.items():
        print(f"| {name} | {PHOTOS / median:.1f} | {1000 * median / PHOTOS:.1f} | {median / least:.2f} |")
    print(f"\nMedians of {ROUNDS}, in turns. {machine()}")


def with_config(weights: Path, folder: Path, changes: dict[str, object]) -> Path:
    """The weights with another configuration, their graphs made anew in `folder`."""
    folder.mkdir()
    for name in FILES:
        shutil.copy(weights / name, folder / name)
    config = folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text(encoding="utf-8")) | changes), encoding="utf-8")
    write_graphs(folder)
    return folder


def time_of(runtime: OnnxRuntime, images: list[NDArray[np.uint8]]) -> float:
    """Seconds to encode the photos."""
    start = time.perf_counter()
    runtime.encode_image(images)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
