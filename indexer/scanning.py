"""Find the photo files in a folder, without opening any."""

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
"""Suffixes of files that are read. RAW needs rawpy, JPEG XL needs pillow-jxl-plugin."""
SPECIAL_FILE = "no regular file"
"""The kind under which a pipe or device with the suffix of a photo is counted."""
_MAX_SUFFIX_LENGTH = 12


@dataclass
class Scan:
    """The result of a scan. Paths are relative to the folder."""

    files: dict[str, FileState] = field(default_factory=dict)
    unsupported: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By folder and kind, the number of files of unsupported kinds."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Files and folders that could not be read, with the reason. Files there may still exist."""
    is_excluded: bool = False
    """Whether the part of the folder that was to be scanned is itself excluded."""

    def is_unknown(self, path: str) -> bool:
        """Whether `path`, or a folder above it, could not be read."""
        if not self.unreadable:
            return False
        return any(str(part) in self.unreadable for part in (Path(path), *Path(path).parents))


def scan(folder: Path, subfolder: str = "", *, skip: Path, selection: Selection | None = None) -> Scan:
    """Scan `folder`, or its subfolder `subfolder`, for files with the suffix of a photo, in any case.

    Files and folders that `selection` excludes are skipped (default: a folder without patterns), and so is the folder
    `skip` (the library). Linked folders are followed after all others, and no folder is read twice, so that loops end.
    An entry that cannot be read is listed as unreadable. Raises OSError if the first folder cannot be read.
    """
    selection = selection or Selection(folder)
    result = Scan()
    if subfolder and is_excluded(folder, subfolder, selection):
        return Scan(is_excluded=True)
    start = folder / subfolder
    seen = _file_ids((skip, *start.absolute().parents))
    pending, links = deque([subfolder]), deque[str]()
    while pending or links:
        relative = pending.popleft() if pending else links.popleft()
        path = folder / relative
        try:
            folder_id = file_id(path.stat())
            with os.scandir(path) as listing:
                children = sorted(listing, key=lambda child: child.name)
        except OSError as error:
            if relative == subfolder:
                raise
            result.unreadable[relative] = reason(error)
            continue
        if folder_id in seen:
            continue
        seen.add(folder_id)
        if any(child.name == NO_MEDIA for child in children) and not selection.ignores_no_media(relative):
            result.is_excluded |= relative == subfolder
            continue
        sidecars = {child.name: child for child in children if child.name.lower().endswith(SIDECAR_SUFFIX)}
        prefix = os.path.join(relative, "")  # noqa: PTH118  (str stays str: a Path for each file is slow)
        for child in children:
            name = prefix + child.name
            try:
                if child.is_dir():
                    if selection.includes_folder(name):
                        (links if child.is_symlink() else pending).append(name)
                elif selection.includes_file(name):
                    _add_file(result, relative, name, child, sidecars)
            except OSError as error:  # concerns this entry only
                if selection.includes_file(name):
                    result.unreadable[name] = reason(error)
    return result


def _add_file(
    result: Scan, folder: str, name: str, child: os.DirEntry[str], sidecars: Mapping[str, os.DirEntry[str]]
) -> None:
    suffix = os.path.splitext(child.name)[1].lower()  # noqa: PTH122
    if suffix in PHOTO_SUFFIXES and child.is_file():
        result.files[name] = FileState.of(child.stat(), sidecar_mtime_ns(child.name, sidecars))
        return
    if child.is_symlink():
        child.stat()  # raises for a dead link: its target may be on an offline disk
    if suffix in PHOTO_SUFFIXES:
        result.unsupported[folder, SPECIAL_FILE] += 1
    elif suffix != SIDECAR_SUFFIX:
        result.unsupported[folder, _kind(suffix)] += 1


def _kind(suffix: str) -> str:
    """The kind under which files with that suffix are counted: not every suffix is a sensible name."""
    if not suffix:
        return "without suffix"
    return suffix if len(suffix) <= _MAX_SUFFIX_LENGTH and suffix[1:].isalnum() else "other"


def is_excluded(folder: Path, path: str, selection: Selection) -> bool:
    """Whether the file or folder at `path`, relative to `folder`, or a folder above it is excluded."""
    above = [str(parent) for parent in Path(path).parents if parent.name]
    is_included = selection.includes_folder(path) if is_folder(folder / path) else selection.includes_file(path)
    return not (
        is_included
        and all(selection.includes_folder(part) for part in above)
        and all(selection.ignores_no_media(part) or not os.path.lexists(folder / part / NO_MEDIA) for part in above)
    )


def is_folder(path: Path) -> bool:
    """Whether there is a folder; False if that cannot be determined."""
    return os.path.isdir(path)  # noqa: PTH112  (`Path.is_dir` may raise)


def _file_ids(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """The ids of the folders that can be read."""
    ids = set()
    for path in paths:
        with suppress(OSError):
            ids.add(file_id(path.stat()))
    return ids


def file_id(status: os.stat_result) -> tuple[int, int]:
    """Device and inode: the same for all paths to one file or folder."""
    return status.st_dev, status.st_ino
