"""The passes of the network on ONNX Runtime and on PyTorch, and how close they come to what the processor can multiply.

    python -m benchmarks.runtimes

The limit is the time of as many multiplications in one large matrix product (numpy's BLAS), measured in the same run.
Word detectors is no pass of the network: what it adds to a match stands below the table.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import machine
from model.image_processor import PixelBertImageProcessor
from model.runtime.onnx_runtime import OnnxRuntime
from model.runtime.protocol import Runtime
from model.runtime.torch_runtime import TorchRuntime
from model.scoring.parameters import ScoringParameters
from model.weights import DEFAULT, find_weights, generation

PHOTOS, PAIRS = 32, 64
SENTENCE = "a dog running on the beach with a ball in its mouth"
ROUNDS = 5
_SIDE = 2048


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=DEFAULT)
    weights = find_weights(parser.parse_args().weights)

    runtimes: dict[str, Runtime] = {
        "ONNX Runtime": OnnxRuntime.load(weights),
        "PyTorch": TorchRuntime.load(weights, device="cpu"),
    }
    random, size = np.random.default_rng(0), PixelBertImageProcessor.from_pretrained(weights).target_size(640, 480)
    images = list(random.integers(0, 256, (PHOTOS, size[1], size[0], 3)).astype(np.uint8))
    flops_a_second = multiplication_speed(random)
    print("| | " + " | ".join(f"{name} ms" for name in runtimes) + " | limit ms | ONNX Runtime, of the limit |")
    print("|---|" + "---|" * (len(runtimes) + 2))
    encoded = runtimes["PyTorch"].encode_image(images[:1])
    features = encoded.pixel_features * PAIRS
    text = runtimes["PyTorch"].encode_text([SENTENCE])

    def passes(runtime: Runtime) -> dict[str, Callable[[], object]]:
        return {
            f"{PHOTOS} photos, pixels alone": lambda: runtime.encode_image(images),
            "a sentence, words alone": lambda: runtime.encode_text([SENTENCE]),
            f"{PAIRS // 2} pairs, words and pixels": lambda: runtime.itm_logits(text, features[: PAIRS // 2]),
            f"{PAIRS} pairs, words and pixels": lambda: runtime.itm_logits(text, features),
        }

    for name, on_torch in passes(runtimes["PyTorch"]).items():
        limit = 1000 * flops(on_torch) / flops_a_second
        medians = [milliseconds(passes(runtime)[name]) for runtime in runtimes.values()]
        print(
            f"| {name} | " + " | ".join(f"{ms:.0f}" for ms in medians) + f" | {limit:.0f} | {limit / medians[0]:.0%} |"
        )
    detectors = ScoringParameters.load(weights, generation(weights)).detectors
    pooled = np.repeat(encoded.pooled_features, PAIRS, axis=0)
    ms = milliseconds(lambda: detectors.detect(pooled).sentence_log_odds(text, np.arange(PAIRS)))
    print(f"\nWord detectors of {PAIRS} pairs: {ms:.1f} ms.")
    print(f"Medians of {ROUNDS}. Limit: {flops_a_second / 1e9:.0f} GFLOP/s. {machine()}")


def flops(work: Callable[[], object]) -> int:
    """Floating point operations of what PyTorch does."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def multiplication_speed(random: np.random.Generator) -> float:
    """Floating point operations a second of one large product."""
    matrix: NDArray[np.float32] = random.standard_normal((_SIDE, _SIDE), dtype=np.float32)
    return 2 * _SIDE**3 / (milliseconds(lambda: matrix @ matrix) / 1000)


def milliseconds(work: Callable[[], object]) -> float:
    """The median of several, after one to warm up."""
    work()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken)


if __name__ == "__main__":
    main()
