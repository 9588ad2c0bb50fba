"""Photos with EXIF as a camera writes it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from zlib import crc32

import piexif
from PIL import Image


def _degrees(value: float) -> tuple[tuple[int, int], ...]:
    return ((round(abs(value) * 10_000), 10_000), (0, 1), (0, 1))


def photo(
    path: Path,
    *,
    taken: str | None = None,
    offset: str | None = None,
    camera: str | None = None,
    lens: str | None = None,
    place: tuple[float, float] | None = None,
) -> None:
    """A photo with real EXIF; no two alike."""
    exif: dict[str, dict[int, Any]] = {"0th": {}, "Exif": {}, "GPS": {}}
    if taken:
        exif["Exif"][piexif.ExifIFD.DateTimeOriginal] = taken.encode()
    if offset:
        exif["Exif"][piexif.ExifIFD.OffsetTimeOriginal] = offset.encode()
    if camera:
        exif["0th"][piexif.ImageIFD.Model] = camera.encode()
    if lens:
        exif["Exif"][piexif.ExifIFD.LensModel] = lens.encode()
    if place:
        exif["GPS"] = {
            1: b"N" if place[0] >= 0 else b"S",
            2: _degrees(place[0]),
            3: b"E" if place[1] >= 0 else b"W",
            4: _degrees(place[1]),
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = crc32(os.fsencode(path)).to_bytes(4)
    Image.new("RGB", (16, 16), tuple(colour[:3])).save(path, format="JPEG", exif=piexif.dump(exif))
