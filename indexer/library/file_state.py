"""What the catalog notes of a file, so that a change is seen without reading it."""

from __future__ import annotations

import os
from typing import NamedTuple

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


class FileState(NamedTuple):  # quicker to make and compare than a dataclass: there may be a million
    """What tells, short of reading it, whether a file has changed."""

    mtime_ns: int
    """Nanoseconds since 1970, within 64 bits: the catalog holds no more."""
    size: int
    """Bytes."""
    sidecar_ns: int | None = None
    """When the XMP file beside it was last written; None: there is none."""

    @classmethod
    def of(cls, status: os.stat_result, sidecar_ns: int | None = None) -> FileState:
        """The state of a file, from what the system says of it."""
        written = None if sidecar_ns is None else bounded(sidecar_ns)
        return cls(bounded(status.st_mtime_ns), bounded(status.st_size), written)


def bounded(number: int) -> int:
    """The nearest number that a signed integer of 64 bits holds: disks give larger ones."""
    return min(max(number, MIN_INTEGER), MAX_INTEGER)
