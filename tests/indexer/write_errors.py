"""Indexing on a disk that refuses a write: the first, the second, ... each with another error.

Run as a program with `failing_writes` preloaded; prints a line of JSON for every write that failed.
"""

from __future__ import annotations

import ctypes
import errno
import json
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from indexer.library.errors import LibraryError
from tests.indexer.crashes import contents, differences
from tests.indexer.desk import Desk, scribble

ERRORS = {"ENOSPC": True, "EIO": False}
"""What fails, and whether it goes on failing until the run has ended."""


def main(home: Path, step: int) -> None:
    """Fail every `step`-th write of a run that adds photos to a library."""
    disk = ctypes.CDLL(None)
    photos, library, before = home / "photos", home / "library", home / "before"
    desk = Desk(photos, library)
    for seed in range(3):
        scribble(photos / f"{seed}.png", seed)
    desk.index()
    with desk.open() as opened:
        opened.annotate(opened.photo_at(photos / "1.png").id, caption="the second", tags=["kept"])
        kept = contents(opened)
    shutil.copytree(library, before)
    for seed in range(3, 6):
        scribble(photos / f"{seed}.png", seed)
    desk.index()
    shutil.move(library, home / "peaceful")
    for name, lasting in ERRORS.items():
        number = 1
        while _fails(disk, desk, before, kept, number, name, lasting):
            number += step


def _fails(
    disk: ctypes.CDLL, desk: Desk, before: Path, kept: dict[str, Any], number: int, name: str, lasting: bool
) -> bool:
    """Whether there was such a write; then says what it led to."""
    shutil.rmtree(desk.library, ignore_errors=True)
    shutil.copytree(before, desk.library)
    disk.arm(str(desk.library).encode(), number, getattr(errno, name), lasting)
    message, kind = None, None
    try:
        desk.index()
    except Exception as error:
        message, kind = str(error), "expected" if isinstance(error, (LibraryError, OSError)) else repr(error)
    seen = disk.writes_seen()
    disk.arm(b"", 0, 0, 0)
    if seen < number:
        return False
    lost = ["cannot be opened"]
    with suppress(LibraryError), desk.open(create=False) as library:
        now = contents(library)
        lost = [subject for subject, known in kept.items() if subject not in now or _told(now[subject]) != _told(known)]
    report = desk.index()
    with desk.open() as library, Desk(desk.photos, desk.library.parent / "peaceful").open() as peaceful:
        wrong = differences(library, peaceful)
    left = sorted(path.name for path in desk.library.iterdir() if path.suffix == ".new")
    result = {
        "write": number,
        "error": name,
        "message": message,
        "kind": kind,
        "lost": lost,
        "wrong": wrong,
        "left": left,
    }
    print(json.dumps({**result, "encoded_again": report.encoded}), flush=True)  # noqa: T201
    return True


def _told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not isinstance(value, np.ndarray)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
