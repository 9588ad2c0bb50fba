"""Copy the files of photos into a folder. No file in it is ever replaced."""

from __future__ import annotations

import filecmp
import itertools
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from model.errors import PixelseekError


class FolderRefused(PixelseekError):  # noqa: N818
    """Nothing can be copied into the folder; the message says why."""


@dataclass
class CopyReport:
    """What was done with each file."""

    copied: list[tuple[Path, Path]] = field(default_factory=list)
    """(the original, its copy)."""
    present: list[Path] = field(default_factory=list)
    """Originals of which the folder had a copy, or in which they lie."""
    failed: list[tuple[Path, str]] = field(default_factory=list)
    """Originals that could not be copied, with the reason."""


def copy_originals(paths: Sequence[Path], folder: Path) -> CopyReport:
    """Copy the files at `paths` into `folder`, which is made where it is missing, with the times they have.

    A copy has the name of its file. Where another file has that name, it gets a number: `beach-2.jpg`. A copy is whole
    or absent. Raises FolderRefused where there can be no such folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FolderRefused(f"{folder} cannot be made: {error.strerror}. Name another folder.") from error
    report = CopyReport()
    for path in paths:
        try:
            if not path.is_file():  # a pipe would never end
                report.failed.append((path, "it cannot be reached now"))
                continue
            target = _free_name(path, folder)
            if target is None:
                report.present.append(path)
                continue
            _copy(path, target)
        except OSError as error:
            report.failed.append((path, error.strerror or str(error)))
        else:
            report.copied.append((path, target))
    return report


def _free_name(path: Path, folder: Path) -> Path | None:
    """Where a copy of `path` can be written; None where the folder has its bytes under that name, or a numbered one."""
    for number in itertools.count(1):
        name = path.name if number == 1 else f"{path.stem}-{number}{path.suffix}"
        target = folder / name
        if not target.exists() and not target.is_symlink():
            return target
        if target.is_file() and filecmp.cmp(path, target, shallow=False):
            return None
    raise AssertionError("there is always a free number")


def _copy(path: Path, target: Path) -> None:
    """Copy `path` to `target`. Raises FileExistsError where that exists by now."""
    new = target.with_name(
        f".{secrets.token_hex(8)}.being-copied"
    )  # not made of the name, which may be as long as can be
    is_ours = False
    try:
        with path.open("rb") as original, new.open("xb") as copy:
            shutil.copyfileobj(original, copy)
            copy.flush()
            os.fsync(copy.fileno())
            status = os.fstat(original.fileno())
        os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
        target.touch(exist_ok=False)
        is_ours = True
        new.replace(target)
    except BaseException:
        new.unlink(missing_ok=True)
        if is_ours:
            target.unlink(missing_ok=True)
        raise
