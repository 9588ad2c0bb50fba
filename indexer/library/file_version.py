"""Which version of which file is at a path, so that it is noticed when another takes its place."""

from __future__ import annotations

from pathlib import Path


def file_version(path: Path) -> tuple[int, ...] | None:
    """Device, inode, bytes and time of change in nanoseconds; None where there is no file.

    Another file may be moved to the path (another inode) or copied over it (another time).
    """
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
