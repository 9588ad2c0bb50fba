"""Which photo files lie in a folder, without opening any."""

from __future__ import annotations

import os
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from indexer.library.errors import reason
from indexer.library.file_state import FileState
from indexer.selection import NO_MEDIA, Selection
from indexer.sidecars import SIDECAR_SUFFIX, sidecar_mtime_ns

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
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".pjpeg", ".mpo"),
        *(".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".heic", ".heics", ".heif", ".heifs", ".hif", ".avif", ".avifs"),
        *((".jxl",) if find_spec("pillow_jxl") else ()),
        *(RAW_SUFFIXES if find_spec("rawpy") else ()),
    }
)
"""Of the files that are read; RAW files are, where rawpy is installed, and JPEG XL, where pillow-jxl-plugin is."""
SPECIAL_FILE = "no regular file"
"""The kind of a pipe or a device that is named like a photo."""
_MAX_SUFFIX_LENGTH = 12


@dataclass
class Scan:
    """What a walk found. Paths are relative to the folder."""

    files: dict[str, FileState] = field(default_factory=dict)
    unsupported: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many files in which folder are of which kind, among those that are not read."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Whatever could not be looked at, with the reason: a file there, or what lies below, is unknown, not gone."""

    is_excluded: bool = False
    """Whether the part of the folder that was to be walked is itself left out."""

    def is_unknown(self, path: str) -> bool:
        """Whether `path` is, or lies below, something that could not be read."""
        if not self.unreadable:
            return False
        return any(str(part) in self.unreadable for part in (Path(path), *Path(path).parents))


def scan(folder: Path, below: str = "", *, skip: Path, selection: Selection | None = None) -> Scan:
    """Walk `folder`, or the part of it `below`: every photo file by its suffix, in any case.

    What the selection (by default that of a folder without patterns) does not take is passed over, and so is the
    folder `skip` (the library). Linked folders are followed after all others, and no folder is read twice, so that
    loops end. An entry that cannot be looked at is noted as unreadable. Raises OSError when the starting folder itself
    cannot be read.
    """
    selection = selection or Selection(folder)
    result = Scan()
    if below and is_excluded(folder, below, selection):
        return Scan(is_excluded=True)
    start = folder / below
    seen = _identities((skip, *start.absolute().parents))
    pending, links = deque([below]), deque[str]()
    while pending or links:
        relative = pending.popleft() if pending else links.popleft()
        path = folder / relative
        try:
            itself = identity(path.stat())
            with os.scandir(path) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except OSError as error:
            if relative == below:
                raise
            result.unreadable[relative] = reason(error)
            continue
        if itself in seen:
            continue
        seen.add(itself)
        if any(child.name == NO_MEDIA for child in children) and not selection.ignores_no_media(relative):
            result.is_excluded |= relative == below
            continue
        beside = {child.name: child for child in children if child.name.lower().endswith(SIDECAR_SUFFIX)}
        above = os.path.join(relative, "")  # noqa: PTH118  (str stays str: a Path for each file is slow)
        for child in children:
            name = above + child.name
            try:
                if child.is_dir():
                    if selection.includes_folder(name):
                        (links if child.is_symlink() else pending).append(name)
                elif selection.includes_file(name):
                    _note_file(result, relative, name, child, beside)
            except OSError as error:  # of this entry alone
                if selection.includes_file(name):
                    result.unreadable[name] = reason(error)
    return result


def _note_file(
    result: Scan, folder: str, name: str, child: os.DirEntry[str], beside: Mapping[str, os.DirEntry[str]]
) -> None:
    suffix = os.path.splitext(child.name)[1].lower()  # noqa: PTH122
    if suffix in PHOTO_SUFFIXES and child.is_file():
        result.files[name] = FileState.of(child.stat(), sidecar_mtime_ns(child.name, beside))
        return
    if child.is_symlink():
        child.stat()  # a dead link may have led to photos on a disk that is away
    if suffix in PHOTO_SUFFIXES:
        result.unsupported[folder, SPECIAL_FILE] += 1
    elif suffix != SIDECAR_SUFFIX:
        result.unsupported[folder, _kind(suffix)] += 1


def _kind(suffix: str) -> str:
    """By what name files with that suffix are counted: anything may stand behind a dot."""
    if not suffix:
        return "without suffix"
    return suffix if len(suffix) <= _MAX_SUFFIX_LENGTH and suffix[1:].isalnum() else "other"


def is_excluded(folder: Path, path: str, selection: Selection) -> bool:
    """Whether the file or folder at `path`, relative to `folder`, or a folder above it, is left out."""
    above = [str(parent) for parent in Path(path).parents if parent.name]
    is_taken = selection.includes_folder(path) if is_folder(folder / path) else selection.includes_file(path)
    return not (
        is_taken
        and all(selection.includes_folder(part) for part in above)
        and all(selection.ignores_no_media(part) or not os.path.lexists(folder / part / NO_MEDIA) for part in above)
    )


def is_folder(path: Path) -> bool:
    """Whether there is a folder, as far as can be seen."""
    return os.path.isdir(path)  # noqa: PTH112  (`Path.is_dir` raises what the system says)


def _identities(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """Those of the folders that can be looked at."""
    identities = set()
    for path in paths:
        with suppress(OSError):
            identities.add(identity(path.stat()))
    return identities


def identity(status: os.stat_result) -> tuple[int, int]:
    """What is the same for all paths that lead to one file or folder."""
    return status.st_dev, status.st_ino
