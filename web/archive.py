"""A zip archive of photo files that is made while it is sent: at most one chunk of one file is in memory."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any, BinaryIO

from indexer.originals import Original, OriginalMissing
from web.originals import safe_name

NOTE = "Not included.txt"
_CHUNK_BYTES = 256 * 1024
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""A zip archive knows no earlier time, and none after 2107."""
_LATEST_YEAR = 2107


def zip_chunks(originals: Iterable[Original | OriginalMissing]) -> Iterator[bytes]:
    """The bytes of an archive of these files under their names; equal names get a number. Each file is closed.

    Photos are compressed already, so they are stored as they are. A file that is missing, or cannot be read to its end,
    does not spoil the others: `Not included.txt` in the archive says why.
    """
    written = _Written()
    names = _Names()
    notes = []
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for original in originals:
            if isinstance(original, OriginalMissing):
                notes.append(str(original))
                continue
            with original.file:
                entry = zipfile.ZipInfo(names.free(safe_name(original.path)), _time(original.mtime_ns))
                entry.file_size = original.size  # large files need another format
                entry.external_attr = 0o644 << 16
                try:
                    with archive.open(entry, "w") as target:
                        for chunk in _chunks(original.file, original.size):
                            target.write(chunk)
                            yield written.take()
                except OSError as error:
                    notes.append(f"{entry.filename} is not whole: its file cannot be read further ({error.strerror}).")
            yield written.take()
        if notes:
            archive.writestr(zipfile.ZipInfo(NOTE, time.localtime()[:6]), "\r\n".join([*notes, ""]))
    yield written.take()


class _Written(io.RawIOBase):
    """Keeps what is written until it is taken away. Not seekable, so the archive is written front to back."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        chunk = bytes(data)
        self._chunks.append(chunk)
        return len(chunk)

    def take(self) -> bytes:
        """What was written since the last time."""
        content = b"".join(self._chunks)
        self._chunks.clear()
        return content


class _Names:
    """The names in an archive. On many systems names that differ in case only are the same."""

    def __init__(self) -> None:
        self._taken = {NOTE.casefold()}

    def free(self, name: str) -> str:
        """`name`, or where it is taken `name-2`, `name-3`, ..."""
        stem, suffix, number, numbered = PurePath(name).stem, PurePath(name).suffix, 1, name
        while numbered.casefold() in self._taken:
            number += 1
            numbered = f"{stem}-{number}{suffix}"
        self._taken.add(numbered.casefold())
        return numbered


def _chunks(file: BinaryIO, size: int) -> Iterator[bytes]:
    """At most `size` bytes of the file: one that grows meanwhile might never end."""
    while size > 0 and (chunk := file.read(min(_CHUNK_BYTES, size))):
        yield chunk
        size -= len(chunk)


def _time(mtime_ns: int) -> tuple[int, int, int, int, int, int]:
    try:
        local = time.localtime(mtime_ns / 1e9)
    except (OverflowError, ValueError, OSError):
        return _EARLIEST
    year, month, day, hour, minute, second = local[:6]
    return (year, month, day, hour, minute, second) if _EARLIEST[0] <= year <= _LATEST_YEAR else _EARLIEST
