"""Where the milliseconds of a search go, without a rerank and with shortlists of several sizes.

python -m benchmarks.search --library LIBRARY
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.machine import machine
from engine.search import SearchEngine
from model.weights import DEFAULT

SENTENCES = (
    "a dog running through the snow",
    "two children playing on the beach",
    "a man riding a bicycle down a hill in the forest",
    "people sitting at a table with food",
    "a woman in a red dress",
)
STAGES = ("text", "shortlist", "features", "rerank", "total")
ROUNDS = 5


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()

    with SearchEngine.open(arguments.library, weights=arguments.weights) as engine:
        print(f"| {engine.photo_count()} photos | " + " | ".join(f"{stage} ms" for stage in STAGES) + " |")
        print("|---|" + "---|" * len(STAGES))
        for shortlist in (0, 16, 32, 64):
            name = f"shortlist of {shortlist}, reranked" if shortlist else "no rerank"
            print(f"| {name} | " + " | ".join(f"{ms:.1f}" for ms in medians(engine, shortlist)) + " |")
    print(f"\nMedians of {ROUNDS * len(SENTENCES)} searches. {machine()}")


def medians(engine: SearchEngine, shortlist: int) -> list[float]:
    """Median milliseconds of each stage."""
    timings = []
    for _ in range(ROUNDS + 1):  # the first round is a warm-up
        for sentence in SENTENCES:
            result = engine.search(sentence, shortlist=shortlist or 64, rerank=shortlist > 0)
            timings.append([result.timings_ms[stage] for stage in STAGES])
    return [float(value) for value in np.median(np.array(timings[len(SENTENCES) :]), axis=0)]


if __name__ == "__main__":
    main()
