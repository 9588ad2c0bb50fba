"""XMP files beside photos, in which programs write what they do not write into the photo itself. They are only read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

SIDECAR_SUFFIX = ".xmp"


def sidecar_mtime_ns(name: str, listing: Mapping[str, os.DirEntry[str]]) -> int | None:
    """When the XMP file beside the photo file `name` was last written; None where `listing`, by name, has none."""
    for candidate in _candidates(name):
        if candidate in listing:
            try:
                return listing[candidate].stat().st_mtime_ns
            except OSError:  # gone meanwhile, or a dead link
                return None
    return None


def sidecar_of(path: str) -> str | None:
    """The path of the XMP file beside the photo at `path`; None where there is none."""
    return next((candidate for candidate in _candidates(path) if os.path.exists(candidate)), None)  # noqa: PTH110


def _candidates(path: str) -> Iterator[str]:
    """`photo.jpg.xmp`, which belongs to that file, before `photo.xmp`, which may belong to a RAW file of that name."""
    for stem in (path, os.path.splitext(path)[0]):  # noqa: PTH122  (paths that are no text stay str)
        yield stem + SIDECAR_SUFFIX
        yield stem + SIDECAR_SUFFIX.upper()
