"""What the indexer makes of thousands of spoilt and malicious files.

    python -m benchmarks.hostile --files 6000

Photos of every format that are cut, flipped, overwritten, repeated and spliced, files made by hand that lie, swell and
loop, and sound photos among them, through the real indexer with a stand-in for the model. Every file must be found as a
photo or noted with a reason, and every sound one found.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.machine import machine
from indexer.decoding import Failure
from indexer.indexing import index_folders
from indexer.library.view import LibraryView
from tests.indexer.colour_runtime import GENERATION, ColourRuntime, colour_processor
from tests.indexer.hostile import hostile, mutated, sound

_FILES_A_FOLDER = 500


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=6000, help="Spoilt ones; the others come on top.")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    files = [*sound().items(), *hostile().items(), *itertools.islice(mutated(arguments.seed), arguments.files)]
    with TemporaryDirectory() as home:
        for number, (name, content) in enumerate(files):
            path = Path(home, "photos", str(number // _FILES_A_FOLDER), name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        with LibraryView.open(Path(home, "library"), generation=GENERATION, create=True) as library:
            started = time.perf_counter()
            report = index_folders(
                library, [Path(home, "photos")], processor=colour_processor(), load_runtime=ColourRuntime
            )
            seconds = time.perf_counter() - started
            failures = library.status().failures
    reasons = Counter(reason for _, reason in failures)
    print(f"\n| {len(files):,} files | |\n|---|---|\n| read as photos | {report.added:,} |")
    for failure in Failure:
        print(f"| {failure} | {reasons[failure]:,} |")
    print(f"| neither | {len(files) - report.added - len(failures):,} |")
    lost = sum(Path(path).name in sound() for path, _ in failures)
    print(f"| sound photos lost, of {len(sound())} | {lost} |")
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"\n{seconds:.0f} s; the largest worker took {memory:,.0f} MB. Seed {arguments.seed}. {machine()}")
    sys.exit(1 if lost or report.added + len(failures) != len(files) else 0)


if __name__ == "__main__":
    main()
