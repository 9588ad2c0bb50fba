"""Files that a command writes where the user says: new ones alone. What is there, perhaps a photo, is the user's."""

from __future__ import annotations

from pathlib import Path

from model.errors import PixelseekError


class FileRefused(PixelseekError):  # noqa: N818
    """Nothing is written to that file; the message says why."""


def require_new(file: Path | None, suffix: str) -> None:
    """Raise FileRefused unless `file` is a new one with that suffix, which says what will be in it. None is no file.

    To be asked before a long computation, not after it.
    """
    if file is None:
        return
    if file.exists() or file.is_symlink():
        raise FileRefused(f"{file} exists. Name a new file.")
    if file.suffix.lower() != suffix:
        raise FileRefused(f"{file} does not end in {suffix}, as what would be written there. Name such a file.")
