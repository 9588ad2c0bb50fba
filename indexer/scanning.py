"""Which photo files lie in a folder, without opening any."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

RAW_SUFFIXES = frozenset(
    {
        *(
            ".3fr",
            ".arw",
            ".cr2",
            ".cr3",
            ".dcr",
            ".dng",
            ".erf",
            ".iiq",
            ".kdc",
            ".mef",
            ".mos",
            ".mrw",
            ".nef",
            ".nrw",
        ),
        *(".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)
PHOTO_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".heic", ".heif"),
        *(RAW_SUFFIXES if find_spec("rawpy") else ()),
    }
)
"""Of the files that are read; RAW files are, where rawpy is installed."""


class FileState(NamedTuple):  # quicker to make and compare than a dataclass: there may be a million
    """What tells, short of reading it, whether a file has changed."""

    mtime_ns: int
    size: int


@dataclass
class Scan:
    """What a walk found. Paths are relative to the folder."""

    files: dict[str, FileState] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Folders and links that could not be followed, with the reason: what is below them is unknown, not gone."""

    def is_unknown(self, path: str) -> bool:
        """Whether `path` is, or lies below, something that could not be read."""
        if not self.unreadable:
            return False
        return any(str(part) in self.unreadable for part in (Path(path), *Path(path).parents))


def scan(folder: Path, below: str = "", *, leave_out: Path) -> Scan:
    """Walk `folder`, or the part of it `below`: every photo file by its suffix, in any case.

    Names that begin with a dot are passed over, and so is the folder `leave_out` (the library). Linked
    folders are followed after all others, and no folder is read twice, so that loops end.
    Raises OSError when the starting folder itself cannot be read.
    """
    result = Scan()
    start = folder / below
    seen = {_identity(path) for path in (leave_out, *start.absolute().parents)}
    seen.discard(None)
    pending, links = deque([below]), deque[str]()
    while pending or links:
        relative = pending.popleft() if pending else links.popleft()
        path = folder / relative
        try:
            identity = _identity(path)
            with os.scandir(path) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except OSError as error:
            if relative == below:
                raise
            result.unreadable[relative] = error.strerror or str(error)
            continue
        if identity in seen:
            continue
        seen.add(identity)
        above = os.path.join(relative, "")  # noqa: PTH118  (str stays str: a Path for each file is slow)
        for child in children:
            name = above + child.name
            if child.name.startswith("."):
                continue
            if child.is_dir():
                (links if child.is_symlink() else pending).append(name)
            else:
                _note_file(result, name, child)
    return result


def _note_file(result: Scan, name: str, child: os.DirEntry[str]) -> None:
    is_photo = os.path.splitext(child.name)[1].lower() in PHOTO_SUFFIXES  # noqa: PTH122
    try:
        if is_photo and child.is_file():
            state = child.stat()
            result.files[name] = FileState(state.st_mtime_ns, state.st_size)
        elif child.is_symlink():
            child.stat()  # a dead link may have led to photos on a disk that is away
    except OSError as error:
        result.unreadable[name] = error.strerror or str(error)


def mount_point(path: Path) -> Path:
    """Where the disk that holds `path` is mounted."""
    return next(parent for parent in (path, *path.parents) if os.path.ismount(parent) or parent == parent.parent)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino
