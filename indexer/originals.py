"""The file of a photo as it is: opened only while it is still the file that was indexed."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from indexer.library.database import Database
from indexer.library.errors import LibraryError
from indexer.library.file_state import FileState
from indexer.photo_files import PhotoFile, State, files_of

_IN_WORDS: dict[State, str] = {
    "gone": "was moved or deleted since it was indexed. If it was moved to another indexed folder, `pixelseek index` "
    "finds it again",
    "offline": "cannot be reached now. Plug in or mount the disk on which it lies",
    "changed": "has changed since it was indexed, so it may hold another photo. `pixelseek index` reads it again",
}
_O_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # a pipe in place of the photo is not waited for
_O_BINARY = getattr(os, "O_BINARY", 0)


class OriginalMissing(LibraryError):  # noqa: N818
    """None of the files of a photo can be reached and is still the photo that was indexed."""


@dataclass(frozen=True)
class Original:
    """The opened file of a photo."""

    path: str
    """Absolute."""
    file: BinaryIO
    """To be closed by the caller."""
    size: int
    """Bytes."""
    mtime_ns: int
    """Time of change in nanoseconds since 1970."""


def open_original(catalog: Database, photo_id: int) -> Original:
    """Open the file of a photo; of several, the first that is as it was indexed. Raises OriginalMissing."""
    files = files_of(catalog, [photo_id]).get(photo_id, [])
    for file in files:
        if file.state == "here" and (original := _open(file)) is not None:
            return original
    raise OriginalMissing(missing_in_words(files))


def missing_in_words(files: Sequence[PhotoFile]) -> str:
    """Why none of the files of a photo can be had, and the remedy."""
    if not files:
        return "this photo has no file in the library any more. Search again."
    # A file that is `here` has changed between two looks at it.
    states: list[State] = [file.state if file.state in _IN_WORDS else "changed" for file in files]
    state: State = next(state for state in ("offline", "changed", "gone") if state in states)
    path = files[states.index(state)].path
    more = f" ({len(files)} files of this photo are known; none can be had.)" if len(files) > 1 else ""
    return f"the file {Path(path).name} in {Path(path).parent} {_IN_WORDS[state]}.{more}"


def _open(file: PhotoFile) -> Original | None:
    """The opened file; None where it cannot be read, or is another one by now."""
    try:
        descriptor = os.open(file.path, os.O_RDONLY | _O_NONBLOCK | _O_BINARY)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or FileState.of(status) != file.indexed:
        os.close(descriptor)
        return None
    return Original(file.path, os.fdopen(descriptor, "rb"), status.st_size, status.st_mtime_ns)
