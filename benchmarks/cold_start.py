"""What a command costs from the shell: ONNX Runtime beside PyTorch.

    python -m benchmarks.cold_start --library LIBRARY

The alternative is the same command with the same weights without their graphs, which PyTorch then computes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from model.weights import DEFAULT, GRAPHS, find_weights

RUNS = 7
SENTENCE = "a dog running on the beach"


@dataclass(frozen=True)
class Cost:
    """Of one command."""

    seconds: float
    megabytes: float


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    weights = find_weights(arguments.weights)
    search = ("search", SENTENCE, "--library", str(arguments.library))
    with TemporaryDirectory() as folder:
        without = Path(shutil.copytree(weights, Path(folder) / "weights", ignore=shutil.ignore_patterns(*GRAPHS)))
        print("| from the shell | median s | best s | peak MB |\n|---|---|---|---|")
        for name, command in (
            ("pixelseek --help", ("--help",)),
            ("pixelseek status", ("status", *search[2:])),
            ("pixelseek search --no-rerank", (*search, "--no-rerank", "--weights", str(weights))),
            ("pixelseek search, 64 reranked", (*search, "--weights", str(weights))),
            ("the same on PyTorch", (*search, "--weights", str(without))),
        ):
            costs = [run(command) for _ in range(RUNS + 1)][1:]  # the first fills the disk cache
            seconds = [cost.seconds for cost in costs]
            print(
                f"| {name} | {statistics.median(seconds):.2f} | {min(seconds):.2f} "
                f"| {max(cost.megabytes for cost in costs):.0f} |"
            )
    print(f"\n{machine()}")


def run(command: tuple[str, ...]) -> Cost:
    """`pixelseek` with these arguments, in a process of its own."""
    start = time.perf_counter()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "cli", *command],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(process, 0)
    if status:
        raise SystemExit(f"pixelseek {' '.join(command)} failed")
    return Cost(time.perf_counter() - start, used.ru_maxrss / 1000)


if __name__ == "__main__":
    main()
