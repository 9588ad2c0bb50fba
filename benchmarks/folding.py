"""What folding batch norm into the convolutions saves of the CNN's time.

python -m benchmarks.folding
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import nn

from benchmarks.machine import machine
from model.network.folding import fold_batch_norm
from model.network.pixelbert import PixelBertForImageTextRetrieval
from model.runtime.memory import keep_freed_memory
from model.weights import DEFAULT, find_weights

PHOTOS, SIDE, ROUNDS = 32, 256, 8


@torch.inference_mode()
def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    keep_freed_memory()
    model = PixelBertForImageTextRetrieval.from_pretrained(find_weights(arguments.weights), dtype=torch.float32)
    whole = model.pixelbert.pixel_tokens.backbone.eval().to(memory_format=torch.channels_last)
    networks: dict[str, nn.Module] = {"as trained": whole, "folded": fold_batch_norm(whole)}
    photos = torch.randn(PHOTOS, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    for _ in range(ROUNDS + 1):  # the first round is a warm-up
        for name, network in networks.items():
            start = time.perf_counter()
            network(photos)
            seconds[name].append(time.perf_counter() - start)
    print(f"| {PHOTOS} photos of {SIDE} x {SIDE} pixels | best s | median s |\n|---|---|---|")
    for name, rounds in seconds.items():
        measured = sorted(rounds[1:])
        print(f"| CNN {name} | {measured[0]:.2f} | {measured[len(measured) // 2]:.2f} |")
    print(f"\n{machine()}")


if __name__ == "__main__":
    main()
