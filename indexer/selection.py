"""The selection of files and folders to read inside an indexed folder: all that are not excluded.

Patterns have the syntax of a .gitignore file and match names or paths relative to the indexed folder: `*.png`, `raw/`,
`/2019/drafts`, `**/export/*.tif`. Unlike there, case and Unicode form do not matter. An excluded folder is not read at
all. What matches `include` is read even if it matches `exclude` or a default.
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
"""A file of that name excludes its folder, as on Android."""
DEFAULT_EXCLUDES = (
    ".*",  # hidden
    *("@eaDir/", "#recycle/", "#snapshot/", "@Recycle/", "@Recently-Snapshot/"),  # Synology, QNAP
    *("$RECYCLE.BIN/", "RECYCLER/", "System Volume Information/"),  # Windows
    *("lost+found/", "__MACOSX/"),
    "*.lrdata/",  # previews of Lightroom
    *("**/*.photoslibrary/*/", "**/*.photolibrary/*/", "**/*.aplibrary/*/"),  # Apple: previews, faces, thumbnails
)
"""The patterns that are excluded by default."""
_LIBRARIES = (".photoslibrary", ".photolibrary", ".aplibrary")
_ORIGINALS = tuple(f"**/*{library}/{name}/" for library in _LIBRARIES for name in ("originals", "Masters"))


class Selection:
    """The selection of files in `folder`, by patterns that `checked_patterns` has returned."""

    def __init__(self, folder: Path, exclude: Sequence[str] = (), include: Sequence[str] = ()) -> None:
        self._exclude, self._include = exclude, include
        # The folder may itself be a library of Apple Photos: the default patterns include its name.
        self._prefix = f"{folder.name}/" if folder.name.lower().endswith(_LIBRARIES) else ""

    def includes_folder(self, path: str) -> bool:
        """Whether the folder at `path`, relative to the indexed folder, is read, provided that those above it are."""
        is_excluded = self._patterns.check_file(_folded(path) + "/").include
        if is_excluded is not None:
            return not is_excluded
        return not self._default.match_file(_folded(self._prefix + path) + "/")

    def includes_file(self, path: str) -> bool:
        """Whether the file at `path` is read, provided that the folders above it are."""
        is_hidden = os.path.basename(path).startswith(".")  # noqa: PTH119  (fast: there may be a million)
        if not self._exclude and not self._include:
            return not is_hidden
        is_excluded = self._patterns.check_file(_folded(path)).include
        return not (is_hidden if is_excluded is None else is_excluded)

    def ignores_no_media(self, path: str) -> bool:
        """Whether the folder at `path` is read even if it holds a `.nomedia`."""
        return not path or self._patterns.check_file(_folded(path) + "/").include is False

    @cached_property
    def _default(self) -> GitIgnoreSpec:
        return _spec(DEFAULT_EXCLUDES, _ORIGINALS)

    @cached_property
    def _patterns(self) -> GitIgnoreSpec:
        return _spec(self._exclude, self._include)


def checked_patterns(patterns: Iterable[str], folder: Path) -> list[str]:
    """The patterns that a person wrote for `folder`, without empty ones. Raises PatternRefused.

    Absolute paths inside the folder, and paths that begin with `./`, become relative to it.
    """
    return [_checked_pattern(pattern, folder) for pattern in patterns if pattern.strip()]


def relocated_patterns(patterns: Iterable[str], folder: str) -> list[str]:
    """The patterns of a folder, rewritten for a folder that contains it at the relative path `folder`."""
    escaped = re.sub(r"([\\*?\[\]])", r"\\\1", folder)
    return [
        f"/{escaped}/{'' if '/' in pattern.rstrip('/') else '**/'}{pattern.removeprefix('/')}" for pattern in patterns
    ]


def _checked_pattern(pattern: str, folder: Path) -> str:
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
    from pathspec import GitIgnoreSpec  # imported here: a search does not need it

    return GitIgnoreSpec.from_lines([*map(_line, exclude), *(f"!{_line(pattern)}" for pattern in include)])


def _line(pattern: str) -> str:
    """The line of a .gitignore file for `pattern`: a leading # or ! and a trailing space are escaped."""
    line = f"\\{pattern}" if pattern.startswith(("#", "!")) else pattern
    return _folded(f"{line[:-1]}\\ " if line.endswith(" ") else line)


def _folded(text: str) -> str:
    """`text` in one Unicode form and case, without line breaks."""
    return unicodedata.normalize("NFC", text).casefold().replace("\n", "␤")
