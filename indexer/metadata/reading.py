"""The metadata of a photo, from all places where it may stand.

The date and the position are asked of EXIF first, because cameras write that, then of XMP and IPTC. Title,
description, keywords and author are asked of XMP first, because it cuts nothing short, then of IPTC and EXIF. The first
that has a field wins.
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
    """The metadata of an opened photo. Its pixels need not be loaded, but for PNG's text after them. Never raises."""
    exif, xmp, iptc, png = (_safely(read, image) for read in (read_exif, _embedded_xmp, read_iptc, read_png))
    facts = reduce(Metadata.completed_by, (exif, xmp, iptc, png))
    words = reduce(Metadata.completed_by, (xmp, iptc, exif, png))
    return replace(
        facts, title=words.title, description=words.description, keywords=words.keywords, author=words.author
    )


def read_sidecar(path: str) -> Metadata:
    """What the XMP file at `path` tells about the photo beside it. Never raises; nothing where it cannot be read."""
    return _safely(_sidecar, path)


def _safely(read: Callable[[Source], Metadata], source: Source) -> Metadata:
    try:
        return read(source)
    except Exception:  # Pillow and the parsers raise whatever a garbled block happens to trip over
        return Metadata()


def _embedded_xmp(image: Image.Image) -> Metadata:
    packet = image.info.get("xmp") or raw_profile(image, "xmp")
    return read_xmp(packet) if isinstance(packet, bytes) else Metadata()


def _sidecar(path: str) -> Metadata:
    if not Path(path).is_file():  # a pipe would be waited for
        return Metadata()
    with Path(path).open("rb") as file:
        return read_xmp(file.read(MAX_BYTES + 1))
