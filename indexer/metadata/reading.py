"""Read the metadata of a photo, of all kinds.

For most fields, such as date and position, EXIF takes precedence, because cameras write it; then XMP and IPTC. For
title, description, keywords and author, XMP takes precedence, because it has no limits of length; then IPTC and EXIF.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import TypeVar

from PIL import Image

from indexer.metadata.exif import read_exif
from indexer.metadata.fields import Metadata
from indexer.metadata.iptc import read_iptc
from indexer.metadata.png import raw_profile, read_png
from indexer.metadata.xmp import MAX_BYTES, read_xmp

Source = TypeVar("Source")


def read_metadata(image: Image.Image) -> Metadata:
    """The metadata of an opened photo. Only a PNG must be loaded, for text after the pixels. Never raises."""
    exif, xmp, iptc, png = (_safely(read, image) for read in (read_exif, _embedded_xmp, read_iptc, read_png))
    camera_first = reduce(Metadata.completed_by, (exif, xmp, iptc, png))
    text_first = reduce(Metadata.completed_by, (xmp, iptc, exif, png))
    return replace(
        camera_first,
        title=text_first.title,
        description=text_first.description,
        keywords=text_first.keywords,
        author=text_first.author,
    )


def read_sidecar(path: str) -> Metadata:
    """The metadata in the XMP sidecar at `path`; empty if it cannot be read. Never raises."""
    return _safely(_sidecar, path)


def _safely(read: Callable[[Source], Metadata], source: Source) -> Metadata:
    try:
        return read(source)
    except Exception:  # Pillow and the parsers raise various errors for damaged metadata
        return Metadata()


def _embedded_xmp(image: Image.Image) -> Metadata:
    packet = image.info.get("xmp") or raw_profile(image, "xmp")
    return read_xmp(packet) if isinstance(packet, bytes) else Metadata()


def _sidecar(path: str) -> Metadata:
    if not Path(path).is_file():  # opening a pipe would block
        return Metadata()
    with Path(path).open("rb") as file:
        return read_xmp(file.read(MAX_BYTES + 1))
