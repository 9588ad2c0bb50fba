"""Which folders and files inside an indexed folder are read: all but what is left out, by default or by wish.

Patterns are those of a .gitignore file, of names or of paths relative to the indexed folder: `*.png`, `raw/`,
`/2019/drafts`, `**/export/*.tif`. Unlike there, case and the form of accents make no difference. A folder that is left
out is not looked into. What fits `include` is read although it fits `exclude` or is left out by default.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from indexer.library.errors import PatternRefused

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

NO_MEDIA = ".nomedia"
"""A file of that name leaves out the folder it lies in: Android's sign."""
DEFAULT_EXCLUDES = (
    ".*",  # hidden
    *("@eaDir/", "#recycle/", "#snapshot/", "@Recycle/", "@Recently-Snapshot/"),  # Synology, QNAP
    *("$RECYCLE.BIN/", "RECYCLER/", "System Volume Information/"),  # Windows
    *("lost+found/", "__MACOSX/"),
    "*.lrdata/",  # previews of Lightroom
    *("**/*.photoslibrary/*/", "**/*.photolibrary/*/", "**/*.aplibrary/*/"),  # Apple: previews, faces, thumbnails
)
"""What is left out by default."""
_LIBRARIES = (".photoslibrary", ".photolibrary", ".aplibrary")
_ORIGINALS = tuple(f"**/*{library}/{name}/" for library in _LIBRARIES for name in ("originals", "Masters"))


class Selection:
    """What is read of the folder `folder`; the patterns are as `checked` returns them."""

    def __init__(self, folder: Path, exclude: Sequence[str] = (), include: Sequence[str] = ()) -> None:
        self._exclude, self._include = exclude, include
        # A library of Apple's may itself be the folder; patterns speak of what lies inside it.
        self._above = f"{folder.name}/" if folder.name.lower().endswith(_LIBRARIES) else ""

    def includes_folder(self, path: str) -> bool:
        """Whether the folder at `path`, relative to the folder, is looked into, if those above it are."""
        wished = self._wished.check_file(_folded(path) + "/").include
        if wished is not None:
            return not wished
        return not self._default.match_file(_folded(self._above + path) + "/")

    def includes_file(self, path: str) -> bool:
        """Whether the file at `path` is read, if the folders above it are looked into."""
        is_hidden = os.path.basename(path).startswith(".")  # noqa: PTH119  (str stays str: there may be a million)
        if not self._exclude and not self._include:
            return not is_hidden
        wished = self._wished.check_file(_folded(path)).include
        return not (is_hidden if wished is None else wished)

    def ignores_no_media(self, path: str) -> bool:
        """Whether the folder at `path` is looked into although it holds a `.nomedia`."""
        return not path or self._wished.check_file(_folded(path) + "/").include is False

    @cached_property
    def _default(self) -> GitIgnoreSpec:
        return _spec(DEFAULT_EXCLUDES, _ORIGINALS)

    @cached_property
    def _wished(self) -> GitIgnoreSpec:
        return _spec(self._exclude, self._include)


def checked(patterns: Iterable[str], folder: Path) -> list[str]:
    """The patterns as a person writes them for `folder`, without empty ones. Raises PatternRefused.

    An absolute path inside the folder, and one that begins with `./`, becomes relative to it.
    """
    return [_checked(pattern, folder) for pattern in patterns if pattern.strip()]


def moved_below(patterns: Iterable[str], folder: str) -> list[str]:
    """The patterns of a folder, as they are written for one that holds it at the relative path `folder`."""
    place = re.sub(r"([\\*?\[\]])", r"\\\1", folder)
    return [
        f"/{place}/{'' if '/' in pattern.rstrip('/') else '**/'}{pattern.removeprefix('/')}" for pattern in patterns
    ]


def _checked(pattern: str, folder: Path) -> str:
    ending = "/" if pattern.endswith("/") else ""
    if pattern.startswith("./"):
        pattern = pattern.removeprefix(".")
    elif Path(pattern).is_relative_to(folder):
        pattern = f"/{Path(pattern).relative_to(folder)}{ending}"
    try:
        spec = _spec([pattern], [])
    except (ValueError, re.error) as error:
        raise PatternRefused(f"{pattern!r} is no pattern. {_REMEDY}") from error
    if any(part.include is None for part in spec.patterns):
        raise PatternRefused(f"{pattern!r} fits nothing. {_REMEDY}")
    return pattern


_REMEDY = "Write a name or a path relative to the folder, with * for any part: '*.png', 'raw/', '/2019/drafts'."


def _spec(exclude: Iterable[str], include: Iterable[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # for whoever scans: a search need not wait for it

    return GitIgnoreSpec.from_lines([*map(_line, exclude), *(f"!{_line(pattern)}" for pattern in include)])


def _line(pattern: str) -> str:
    """The line of a .gitignore file: there # begins a comment, ! means the opposite, and spaces at the end are cut."""
    line = f"\\{pattern}" if pattern.startswith(("#", "!")) else pattern
    return _folded(f"{line[:-1]}\\ " if line.endswith(" ") else line)


def _folded(text: str) -> str:
    """What is the same for all ways to write a name; in one line."""
    return unicodedata.normalize("NFC", text).casefold().replace("\n", "␤")
