"""What a photo tells about itself. Cameras lie and programs garble: what makes no sense is left out."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from PIL import ExifTags, Image

from indexer.titles import read_titles, readable

_LONGEST_NAME = 200
_EARLIEST_YEAR = 1826  # the oldest photo there is
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)$")


@dataclass(frozen=True)
class Metadata:
    """What EXIF, XMP and IPTC hold; None where missing or senseless."""

    taken_at: int | None = None
    """UTC seconds; the camera's own clock read as UTC when `taken_offset` is unknown."""
    taken_offset: int | None = None
    """Seconds east of UTC."""
    camera: str | None = None
    lens: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    orientation: int | None = None
    """1 to 8."""
    title: str | None = None
    description: str | None = None
    keywords: list[str] = field(default_factory=list)

    def completed_by(self, other: Metadata) -> Metadata:
        """This, and what `other` tells where this tells nothing."""
        return Metadata(
            **{name: getattr(other, name) if value in (None, []) else value for name, value in vars(self).items()}
        )


def read_metadata(image: Image.Image) -> Metadata:
    """The metadata of an opened photo, whose pixels need not be loaded. Never raises."""
    titles = asdict(read_titles(image))
    try:
        exif = image.getexif()
        details, gps = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # Pillow raises whatever a garbled block happens to trip over
        return Metadata(**titles)
    taken_at, taken_offset = _taken(details)
    latitude, longitude = _position(gps)
    orientation = exif.get(ExifTags.Base.Orientation)
    return Metadata(
        taken_at=taken_at,
        taken_offset=taken_offset,
        camera=_camera(_text(exif.get(ExifTags.Base.Make)), _text(exif.get(ExifTags.Base.Model))),
        lens=_text(details.get(ExifTags.Base.LensModel)),
        latitude=latitude,
        longitude=longitude,
        orientation=orientation if orientation in range(1, 9) else None,
        **titles,
    )


def _taken(details: dict[int, Any]) -> tuple[int | None, int | None]:
    for date_tag, offset_tag in (
        (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
        (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    ):
        try:
            clock = datetime.strptime(_text(details.get(date_tag)) or "", "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        if clock.year < _EARLIEST_YEAR:
            continue
        offset = _offset(_text(details.get(offset_tag)) or _text(details.get(ExifTags.Base.OffsetTime)))
        return int(clock.timestamp()) - (offset or 0), offset
    return None, None


def _offset(text: str | None) -> int | None:
    found = _OFFSET.match(text or "")
    if found is None:
        return None
    seconds = int(found[2]) * 3600 + int(found[3]) * 60
    return None if seconds > 14 * 3600 else seconds * (-1 if found[1] == "-" else 1)


def _camera(make: str | None, model: str | None) -> str | None:
    if make and model and not model.lower().startswith(make.lower()):
        return f"{make} {model}"
    return model or make


def _text(value: Any) -> str | None:
    return readable(value, _LONGEST_NAME)


def _position(gps: dict[int, Any]) -> tuple[float | None, float | None]:
    latitude = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "NS", 90)
    longitude = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "EW", 180)
    if latitude is None or longitude is None or latitude == longitude == 0:  # 0, 0: a receiver without a fix
        return None, None
    return latitude, longitude


def _degrees(value: Any, reference: Any, letters: str, largest: int) -> float | None:
    """Degrees, minutes, seconds and a letter as signed degrees."""
    letter = (_text(reference) or "?")[0].upper()
    try:
        degrees = math.fsum(float(part) / 60.0**power for power, part in enumerate(value))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if letter not in letters or not math.isfinite(degrees) or not 0 <= degrees <= largest:
        return None
    return -degrees if letter == letters[1] else degrees
