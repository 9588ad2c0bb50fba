"""What each CNN costs at the paper's sizes of photos and at ours, and what each size of trunk does.

    python -m benchmarks.backbones [--device cuda]

Random weights take the time of trained ones. A multiplication and an addition count as two operations. On a CPU batch
norm is folded into the convolutions, as the runtime does it; on a GPU the CNN computes in bfloat16.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import machine
from model.network.backbones import create_backbone
from model.network.configuration import PixelBertConfig
from model.network.folding import fold_batch_norm
from model.network.pixelbert import PixelBertModel
from model.network.pixels import PixelTokens, Tokens

CNNS = (
    "resnet50",
    "resnet101",
    "resnext101_32x8d",
    "resnext152_32x8d",
    "tf_efficientnet_lite0",
    "tf_efficientnet_lite2",
    "convnext_tiny",
)
SIZES = ((256, 256, 1), (600, 1000, 2), (800, 1333, 2))  # height, width, pool after the CNN
TRUNKS = ((6, 384), (12, 384), (12, 768))  # layers, width
WORDS = 15
ON_GPU = 16  # photos or pairs at once; one on a CPU


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    device = torch.device(arguments.device)

    names = [f"{height} x {width}{', pooled' * (pool > 1)}" for height, width, pool in SIZES]
    with torch.inference_mode():
        print("| CNN | parameters M | " + " | ".join(f"{name}: GFLOP | ms a photo" for name in names) + " |")
        print("|---|" + "---|" * (1 + 2 * len(SIZES)))
        for name in CNNS:
            print(f"| {name} | {' | '.join(cnn_row(name, device, arguments.rounds))} |", flush=True)
        grids = [tokens(*size) for size in SIZES]
        print(f"\nEach gives {', '.join(str(count) for count in grids[:-1])} and {grids[-1]} pixel tokens.\n")
        print("| trunk | parameters M | " + " | ".join(f"{count} pixels: GFLOP | ms a pair" for count in grids) + " |")
        print("|---|" + "---|" * (1 + 2 * len(grids)))
        for layers, width in TRUNKS:
            cells = trunk_row(layers, width, grids, device, arguments.rounds)
            print(f"| {layers} x {width} | {' | '.join(cells)} |", flush=True)
    where = machine() if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(f"\nBest of {arguments.rounds}; {WORDS} words. torch {torch.__version__}. {where}")


def cnn_row(name: str, device: torch.device, rounds: int) -> list[str]:
    """Parameters; then operations and time a photo of each size."""
    with torch.device("meta"):
        counted = create_backbone(name).eval()
    network = create_backbone(name).eval()
    network = fold_batch_norm(network) if device.type == "cpu" else network
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    cells = [f"{parameters(counted):.1f}"]
    for height, width, _ in SIZES:
        work = operations(lambda shape=(1, 3, height, width): counted(torch.empty(shape, device="meta")))  # type: ignore[misc]
        photos = torch.randn(at_once(device), 3, height, width, device=device).contiguous(
            memory_format=torch.channels_last
        )
        taken = seconds(device, rounds, lambda photos=photos: network(photos)) / len(photos)  # type: ignore[misc]
        cells += [f"{work / 1e9:.1f}", f"{1000 * taken:.{0 if taken > 0.1 else 1}f}"]
    return cells


def trunk_row(layers: int, width: int, grids: list[int], device: torch.device, rounds: int) -> list[str]:
    """Parameters of the layers; then operations and time of a sentence and a photo with so many pixel tokens."""
    config = PixelBertConfig(
        backbone="test_resnet",
        num_hidden_layers=layers,
        hidden_size=width,
        intermediate_size=4 * width,
        fusion_layer=0,
        vocab_size=100,
    )
    trunk = PixelBertModel(config).eval().to(device)
    cells = [f"{parameters(trunk.layers):.1f}"]
    for count in grids:
        states = torch.randn(at_once(device), WORDS + count, width, device=device)
        work = operations(lambda states=states: trunk.upper_layers(Tokens(states[:1], None)))  # type: ignore[misc]
        taken = seconds(device, rounds, lambda states=states: trunk.upper_layers(Tokens(states, None))) / len(states)  # type: ignore[misc]
        cells += [f"{work / 1e9:.1f}", f"{1000 * taken:.1f}"]
    return cells


def tokens(height: int, width: int, pool: int) -> int:
    """How many pixel tokens a photo of that size becomes, with any of the CNNs: all have a stride of 32."""
    pixels = PixelTokens(PixelBertConfig(backbone="resnet18", pixel_pool=pool)).eval()
    return pixels.cnn(torch.zeros(1, 3, height, width)).shape[-2:].numel()


def parameters(network: nn.Module) -> float:
    """In millions."""
    return sum(parameter.numel() for parameter in network.parameters()) / 1e6


def operations(work: Callable[[], object]) -> int:
    """Floating point operations."""
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())


def seconds(device: torch.device, rounds: int, work: Callable[[], object]) -> float:
    """The best of several."""
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - start)
    return min(taken)


def at_once(device: torch.device) -> int:
    """Photos in one pass."""
    return 1 if device.type == "cpu" else ON_GPU


if __name__ == "__main__":
    main()
