"""Paths as people type them: a keyboard composes letters (NFC), macOS takes them apart (NFD). It is the same name."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path


def composed(path: str) -> str:
    """`path` in the form by which two forms of it are compared."""
    return unicodedata.normalize("NFC", path)


def normalized(folder: Path) -> Path:
    """The absolute path of a folder as a person names it; links stay as they are."""
    return Path(os.path.normpath(folder.expanduser().absolute()))


def mount_point(path: Path) -> Path:
    """Where the disk that holds `path` is mounted."""
    return next(parent for parent in (path, *path.parents) if os.path.ismount(parent) or parent == parent.parent)


def as_on_disk(path: Path) -> Path:
    """`path` as its file or folder is called on the disk, which may be in another form; itself where there is none.

    Of a file to be made, the folder.
    """
    expanded = path.expanduser()
    if str(expanded).isascii() or os.path.lexists(expanded):
        return path
    names = list(expanded.parts)
    places = [Path(names.pop(0))] if expanded.is_absolute() else [Path()]
    while names and (inside := [entry for place in places for entry in _entries(place, names[0])]):
        places = inside
        del names[0]
    return places[0].joinpath(*names) if len(names) <= 1 else path


def _entries(folder: Path, name: str) -> list[Path]:
    """What in `folder` has that name in any form."""
    if name.isascii():
        return [folder / name] if os.path.lexists(folder / name) else []
    try:
        return sorted(entry for entry in folder.iterdir() if composed(entry.name) == composed(name))
    except OSError:
        return []
