"""Paths as people type them. Keyboards compose letters (NFC), macOS decomposes them (NFD): both mean the same file."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from model.paths import expanded


def composed(path: str) -> str:
    """`path` in composed form (NFC), by which paths are compared."""
    return unicodedata.normalize("NFC", path)


def normalized(folder: Path) -> Path:
    """The absolute path of `folder`. Symbolic links are not resolved."""
    return Path(os.path.normpath(expanded(folder).absolute()))


def mount_point(path: Path) -> Path:
    """Where the disk that holds `path` is mounted."""
    return next(parent for parent in (path, *path.parents) if os.path.ismount(parent) or parent == parent.parent)


def as_on_disk(path: Path) -> Path:
    """`path` in the Unicode form that its file or folder has on disk; unchanged if there is no such file.

    The parent folder of a file that does not exist yet is also converted.
    """
    if str(path).isascii() or os.path.lexists(path):
        return path
    names = list(path.parts)
    folders = [Path(names.pop(0))] if path.is_absolute() else [Path()]
    while names and (entries := [entry for folder in folders for entry in _entries(folder, names[0])]):
        folders = entries
        del names[0]
    return folders[0].joinpath(*names) if len(names) <= 1 else path


def _entries(folder: Path, name: str) -> list[Path]:
    """The entries of `folder` with that name, in any Unicode form."""
    if name.isascii():
        return [folder / name] if os.path.lexists(folder / name) else []
    try:
        return sorted(entry for entry in folder.iterdir() if composed(entry.name) == composed(name))
    except OSError:
        return []
