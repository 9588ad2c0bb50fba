"""What happens when commands write to one library side by side: errors, losses.

    python -m benchmarks.contention --minutes 1

`index`, `caption` and `remove` are given again and again, each in a process of its own, `watch` takes in photos that
are dropped into its folder, and `serve` answers searches, pages and questions about photos meanwhile. One process
indexes at a time: the others are told so, and come again. Then every photo that was indexed and every caption that was
written is looked for in the library, which is verified.

The photos are small and the model is a tiny one, so that the processes meet often.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from tests.cli.contention import KINDS, contend
from tests.engine.libraries import write_weights


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    arguments = parser.parse_args()

    with TemporaryDirectory() as home:
        weights = write_weights(Path(home) / "weights", seed=0)
        outcome = contend(Path(home), weights, 60 * arguments.minutes)
    print("| command | carried out | told to wait |\n|---|---|---|")
    for kind in KINDS:
        print(f"| {kind} | {outcome.operations[kind]} | {outcome.turned_away[kind]} |")
    print("\n| minutes | operations | errors | losses | photos in the end |\n|---|---|---|---|---|")
    print(
        f"| {outcome.seconds / 60:.1f} | {outcome.operations.total()} | {len(outcome.errors)} "
        f"| {len(outcome.losses)} | {outcome.photos} |"
    )
    print(f"\n{machine()}")
    for line in (*outcome.errors, *outcome.losses):
        print(line)
    sys.exit(1 if outcome.errors or outcome.losses else 0)


if __name__ == "__main__":
    main()
