"""Write files so that they are whole or absent, even if the process is killed or the disk is full."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NEW, _OLD = "being-written", "being-replaced"


@contextmanager
def replacing(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A new, empty file beside `path` to write to; it takes the place of `path` when the block ends without an error.

    The bytes are on the disk before that. `private`: for the owner's eyes only. Otherwise the new
    file has the permissions of the old one.
    """
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    mode = None if private or not path.exists() else stat.S_IMODE(path.stat().st_mode)
    with _known_as(path, new):
        os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private or mode is not None else 0o666))
        try:
            yield new
            _flush(new)
            if mode is not None:
                new.chmod(mode)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    if os.name != "nt":  # where a folder cannot be flushed
        _flush(path.parent)


@contextmanager
def _known_as(path: Path, new: Path) -> Iterator[None]:
    """Errors about the file `new` name `path` instead, which the user knows."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, str(new)):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """A new, empty folder beside `path` to write to; it takes the place of all of `path` when the block ends without an
    error.

    Its files are on the disk before that. No system moves one folder into the place of another in one step: a process
    killed between the two steps leaves the old one aside, where `whole_folder` finds it and `put_back` restores it. Of
    two writers at the same time one gets an OSError; their files are never mixed.
    """
    put_back(path)
    new = _beside(path, f"{_NEW}-{secrets.token_hex(4)}")
    new.mkdir(parents=True)
    try:
        yield new
        for file in (*new.rglob("*"), new):
            if file.is_file() or os.name != "nt":
                _flush(file)
        if path.exists():
            path.rename(_beside(path, _OLD))
        new.rename(path)
    finally:
        put_back(path)
    if os.name != "nt":
        _flush(path.parent)


def whole_folder(path: Path) -> Path | None:
    """The folder at `path`, or the old one that a writer of `path` has moved aside; None where there is neither."""
    for folder in (path, _beside(path, _OLD), path):  # again, because the writer may have ended meanwhile
        if folder.is_dir():
            return folder
    return None


def put_back(path: Path) -> None:
    """Remove what a killed writer of the folder `path` left beside it; put back the old folder if it was moved."""
    old = _beside(path, _OLD)
    if old.exists() and not path.exists():
        old.rename(path)
    for leftover in (old, *path.parent.glob(_beside(path, f"{_NEW}-*").name)):
        if leftover.exists():
            shutil.rmtree(leftover)


def _beside(path: Path, state: str) -> Path:
    return path.with_name(f".{path.name}.{state}-by-pixelseek")


def remove_leftovers(path: Path) -> None:
    """Remove what killed writers of `path` have left beside it. Only the one writer of `path` may call it."""
    for left in path.parent.iterdir():
        if re.fullmatch(rf"{re.escape(path.name)}\.[0-9a-f]{{8}}\.new(-wal|-shm)?", left.name):
            left.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
