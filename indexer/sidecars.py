"""XMP sidecars: files beside photos with metadata that programs do not write into the photo. They are only read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

SIDECAR_SUFFIX = ".xmp"


def sidecar_mtime_ns(name: str, listing: Mapping[str, os.DirEntry[str]]) -> int | None:
    """Time of change of the sidecar of the photo file `name`; None if `listing`, by name, has none."""
    for candidate in _candidates(name):
        if candidate in listing:
            try:
                return listing[candidate].stat().st_mtime_ns
            except OSError:  # removed meanwhile, or a dead link
                return None
    return None


def sidecar_of(path: str) -> str | None:
    """The path of the sidecar of the photo at `path`; None if there is none."""
    return next((candidate for candidate in _candidates(path) if os.path.exists(candidate)), None)  # noqa: PTH110


def _candidates(path: str) -> Iterator[str]:
    """`photo.jpg.xmp` first, which belongs to this file alone; then `photo.xmp`, which may belong to a RAW file too."""
    for stem in (path, os.path.splitext(path)[0]):  # noqa: PTH122  (keeps paths that are not valid text)
        yield stem + SIDECAR_SUFFIX
        yield stem + SIDECAR_SUFFIX.upper()
