"""What kill -9 costs a library: photos lost, repairs needed.

    python -m benchmarks.crashes --kills 200

A process that indexes, writes captions, removes a folder, migrates an old library or encodes it with other weights is
killed at a random moment: half of the kills come at any time, half up to 10 ms after a commit, a rename or a
deletion has begun. After each kill the library is opened and verified, and the same is done again, until it comes to
its end. Then the library is compared with one on which nothing was killed: files, photos, metadata, captions,
words, vectors (1e-4), the first 20 of 21 searches.

The photos are small and the model is a stand-in, so that hundreds of kills take minutes. A process that is killed does
not lose what the system has not yet written to the disk, as a power cut does: that is not tested here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from tests.indexer.crashes import Outcome, run_with_kills

MAX_KILLS_PER_STEP = 6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    with TemporaryDirectory() as home:
        outcome = run_with_kills(
            Path(home), kills=arguments.kills, max_kills_per_step=MAX_KILLS_PER_STEP, seed=arguments.seed, on_kill=show
        )
    print("\n| killed while | times |\n|---|---|")
    for step, times in outcome.kills.items():
        print(f"| {step} | {times} |")
    print("\n| kills | steps completed | photos lost | repairs needed | differences |\n|---|---|---|---|---|")
    print(
        f"| {outcome.kills.total()} | {outcome.steps} | {outcome.lost} "
        f"| {len(outcome.repairs)} | {len(outcome.differences)} |"
    )
    print(f"\nSeed {arguments.seed}. {machine()}")
    for line in (*outcome.repairs, *outcome.differences):
        print(line)
    sys.exit(1 if outcome.lost or outcome.repairs or outcome.differences else 0)


def show(outcome: Outcome) -> None:
    """A word every now and then."""
    if outcome.kills.total() % 20 == 0:
        print(f"{outcome.kills.total()} kills, {outcome.lost} lost", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
