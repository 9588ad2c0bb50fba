"""The state of a file that the catalog stores, so that a change is noticed without reading the file."""

from __future__ import annotations

import os
from typing import NamedTuple

MIN_INTEGER, MAX_INTEGER = -(2**63), 2**63 - 1


class FileState(NamedTuple):  # faster than a dataclass: there may be a million
    """A file is taken as unchanged while its state is the same."""

    mtime_ns: int
    """Nanoseconds since 1970, limited to 64 bits as in the catalog."""
    size: int
    """Bytes."""
    sidecar_ns: int | None = None
    """Time of change of its XMP sidecar, in nanoseconds since 1970; None without a sidecar."""

    @classmethod
    def of(cls, status: os.stat_result, sidecar_ns: int | None = None) -> FileState:
        """The state of a file by its `status`."""
        sidecar = None if sidecar_ns is None else bounded(sidecar_ns)
        return cls(bounded(status.st_mtime_ns), bounded(status.st_size), sidecar)


def bounded(number: int) -> int:
    """`number` limited to the range of a signed 64-bit integer: some disks report larger ones."""
    return min(max(number, MIN_INTEGER), MAX_INTEGER)
