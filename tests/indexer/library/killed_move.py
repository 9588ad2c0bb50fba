"""A move that kills itself, by signal 9, when it has come to a function for the so-many-th time.

python -m tests.indexer.library.killed_move MOVE LIBRARY SOURCE TARGET FUNCTION COUNT
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from indexer.library.moving import move_catalog
from indexer.library.moving_files import move_files
from tests.conftest import ROOT

_MOVES: dict[str, Callable[[Path, str, str], object]] = {"catalog": move_catalog, "files": move_files}


def killed_move(
    move: str, library: Path, source: str, target: str, function: str, count: int
) -> subprocess.CompletedProcess[str]:
    """Run such a move of the `catalog` or the `files` of a library in a process of its own."""
    arguments = [move, str(library), source, target, function, str(count)]
    return subprocess.run(
        [sys.executable, "-m", __name__, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def main() -> None:
    """Move, and die on the way."""
    move, library, source, target, function, count = sys.argv[1:]
    left = int(count)

    def watch(frame: FrameType, event: str, _: Any) -> None:
        nonlocal left
        if event == "call" and frame.f_code.co_name == function and "indexer/library" in frame.f_code.co_filename:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)
    _MOVES[move](Path(library), source, target)


if __name__ == "__main__":
    main()
