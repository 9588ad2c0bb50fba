"""The version of the file at a path, so that a replaced file is noticed."""

from __future__ import annotations

from pathlib import Path


def file_version(path: Path) -> tuple[int, ...] | None:
    """Device, inode, bytes and time of change in nanoseconds; None if there is no file.

    A file moved to the path has another inode, one copied over it another time of change.
    """
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
