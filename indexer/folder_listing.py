"""Lists folders for a person who chooses one, and counts the photos in them within a limit of time.

Only what a person keeps photos in is listed: the home folder and mounted disks, without hidden folders. No link leads
out of them.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from indexer.library.errors import reason
from indexer.scanning import PHOTO_SUFFIXES
from model.paths import home_folder

_MOUNTS = ("/media/*", "/media/*/*", "/run/media/*/*", "/mnt", "/mnt/*", "/Volumes/*")
_MAX_FOLDERS = 300
_MAX_ENTRIES = 100_000
_MAX_COUNTING_S = 0.6


@dataclass(frozen=True)
class ListedFolder:
    """A folder to choose or to open."""

    path: Path
    photos: int | None
    """How many files in it and in folders inside it have the suffix of a photo, as far as was counted; None where
    nothing was."""
    is_complete: bool
    """Whether all of them were counted."""
    problem: str | None = None
    """Why it cannot be read."""


@dataclass(frozen=True)
class FolderListing:
    """What lies in a folder."""

    path: Path | None
    """None where folders begin."""
    above: list[Path]
    """The folders around it that may be listed, the outermost first."""
    itself: ListedFolder | None
    folders: list[ListedFolder]
    left_out: int
    """How many more folders there are than are listed."""


class FolderBrowser:
    """Lists the folders in the places where a person keeps photos."""

    def __init__(self, *, leave_out: Path) -> None:
        """`leave_out` is a folder that is never listed: that of the library."""
        self._leave_out = leave_out.resolve()
        home = home_folder().resolve()
        disks = [path for pattern in _MOUNTS for path in sorted(Path("/").glob(pattern[1:])) if _is_disk(path)]
        self._places = [place for place in [home, *disks] if place.is_dir() and place != place.parent]

    def find(self, path: Path) -> Path | None:
        """The real path of the folder; None unless it lies in one of the places, in no hidden folder of it."""
        try:
            real = path.resolve(strict=True)
            if not real.is_dir() or real.is_relative_to(self._leave_out):
                return None
        except (OSError, RuntimeError, ValueError):  # no such folder, a loop of links, a null byte
            return None
        return real if self._place_of(real) is not None else None

    def listing(self, path: Path | None) -> FolderListing:
        """What lies in the folder, a path from `find`. Raises OSError if it cannot be read.

        None is where folders begin: those in the home folder that hold photos, most photos first, and the places.
        """
        if path is None:
            return FolderListing(None, [], None, [*self._at_home(), *_counted_in_turn(self._places)], 0)
        folders = self._folders_in(path)
        place = self._place_of(path) or path
        above = [parent for parent in reversed(path.parents) if parent.is_relative_to(place)]
        (itself,) = _counted_in_turn([path])
        shown = list(_counted_in_turn(folders[:_MAX_FOLDERS]))
        return FolderListing(path, above, itself, shown, len(folders) - len(shown))

    def _at_home(self) -> list[ListedFolder]:
        try:
            folders = self._folders_in(home_folder().resolve()) if home_folder().resolve() in self._places else []
        except OSError:
            return []
        counted = _counted_in_turn(folders[:_MAX_FOLDERS])
        return sorted((folder for folder in counted if folder.photos), key=lambda folder: -(folder.photos or 0))

    def _folders_in(self, path: Path) -> list[Path]:
        with os.scandir(path) as entries:
            names = [entry.name for entry in islice(entries, _MAX_ENTRIES) if _is_shown(entry)]
        folders = [path / name for name in sorted(names, key=str.casefold)]
        return [folder for folder in folders if self.find(folder) is not None]

    def _place_of(self, real: Path) -> Path | None:
        """The place that the folder lies in, in no hidden folder."""
        for place in self._places:
            if real.is_relative_to(place) and not any(part.startswith(".") for part in real.relative_to(place).parts):
                return place
        return None


def _counted_in_turn(folders: Sequence[Path]) -> Iterator[ListedFolder]:
    """Each folder gets its share of the time that the ones before it have left."""
    deadline = time.monotonic() + _MAX_COUNTING_S
    for waiting, folder in zip(range(len(folders), 0, -1), folders, strict=True):
        now = time.monotonic()
        yield _counted(folder, now + max(0.0, (deadline - now) / waiting))


def _counted(folder: Path, deadline: float) -> ListedFolder:
    """The folder with the number of photos in it, counted until the deadline. Links inside it are not followed."""
    photos, pending, problem = 0, deque([str(folder)]), None
    while pending:
        current = pending.popleft()
        try:
            with os.scandir(current) as listing:
                for entry in listing:
                    if time.monotonic() > deadline:
                        return ListedFolder(folder, photos, False)
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif os.path.splitext(entry.name)[1].lower() in PHOTO_SUFFIXES:  # noqa: PTH122
                        photos += 1
        except OSError as error:  # of a folder further down the rest counts
            problem = reason(error) if current == str(folder) else problem
    return ListedFolder(folder, None if problem else photos, problem is None, problem)


def _is_shown(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, or a link to one, that is not hidden."""
    try:
        return not entry.name.startswith(".") and entry.is_dir()
    except OSError:
        return False


def _is_disk(path: Path) -> bool:
    try:
        return path.is_dir() and os.path.ismount(path)
    except OSError:
        return False
