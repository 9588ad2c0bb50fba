"""EXIF metadata, including the fields of Windows. A damaged field does not affect the others."""

from __future__ import annotations

import math
import re
from typing import Any

from PIL import ExifTags, Image

from indexer.metadata.characters import as_stored, one_line, user_comment, windows_text
from indexer.metadata.dates import Moment, parse_date
from indexer.metadata.fields import Metadata
from indexer.metadata.limits import MAX_AUTHOR, MAX_DESCRIPTION, MAX_NAME, MAX_TITLE, keyword_list

_DATES = (
    (
        ExifTags.Base.DateTimeOriginal,
        ExifTags.Base.SubsecTimeOriginal,
        (ExifTags.Base.OffsetTimeOriginal, ExifTags.Base.OffsetTime),
    ),
    (
        ExifTags.Base.DateTimeDigitized,
        ExifTags.Base.SubsecTimeDigitized,
        (ExifTags.Base.OffsetTimeDigitized, ExifTags.Base.OffsetTime),
    ),
    (ExifTags.Base.DateTime, ExifTags.Base.SubsecTime, (ExifTags.Base.OffsetTime,)),
)
_BOILERPLATE = re.compile(
    r"((olympus|konica minolta|minolta|sanyo|kodak|casio|ricoh|samsung|polaroid|bush|hp|vivitar) )?"
    r"digital (still )?camera"
    r"|sony dsc|samsung camera pictures|samsung|<?kenox\b.*|<?digimax\b.*|(digital )?image|picture|photo|camera|jpeg"
    r"|exif[_ ]jpeg([_ ]\w+)?|dcim\\.*|default|untitled|untitled export|no comment|screenshot|ascii|null|none"
    r"|dav|sdr|hdr|hdrpl|mde|rbt|cof|oznor\w*|binary_?comment|charset=.*|metadata-start|(oppo|oplus|vv)[_:].*"
    r"|filter: ?\d+;.*|\{.*\}|[\W_]+",
    re.IGNORECASE,
)
"""Descriptions that cameras and phones write into every photo. People write other short or capitalised texts."""


def read_exif(image: Image.Image) -> Metadata:
    """The metadata in the EXIF of an opened photo. Raises what Pillow raises if the whole block is damaged."""
    exif = image.getexif()
    details = _directory(exif, ExifTags.IFD.Exif)
    gps = _directory(exif, ExifTags.IFD.GPSInfo)
    make, model = _text(_field(exif, ExifTags.Base.Make)), _text(_field(exif, ExifTags.Base.Model))
    latitude, longitude = _position(gps)
    orientation = _field(exif, ExifTags.Base.Orientation)
    metadata = Metadata(
        camera=f"{make} {model}" if make and model and not model.lower().startswith(make.lower()) else model or make,
        lens=_text(_field(details, ExifTags.Base.LensModel)),
        latitude=latitude,
        longitude=longitude,
        orientation=orientation if isinstance(orientation, int) and orientation in range(1, 9) else None,
        title=one_line(windows_text(_field(exif, ExifTags.Base.XPTitle)), MAX_TITLE),
        description=_description(exif, details, {name for name in (make, model) if name}),
        keywords=keyword_list((windows_text(_field(exif, ExifTags.Base.XPKeywords)) or "").split(";")),
        author=_text(_field(exif, ExifTags.Base.Artist), MAX_AUTHOR)
        or one_line(windows_text(_field(exif, ExifTags.Base.XPAuthor)), MAX_AUTHOR),
    )
    return metadata.with_date(_moment(exif, details), "exif")


def _directory(exif: Image.Exif, name: ExifTags.IFD) -> dict[int, Any]:
    try:
        return exif.get_ifd(name)
    except Exception:  # Pillow raises various errors for a damaged block
        return {}


def _field(directory: Image.Exif | dict[int, Any], tag: int) -> Any:
    try:
        return directory.get(tag)
    except Exception:  # likewise: values are decoded on access
        return None


def _text(value: Any, max_length: int = MAX_NAME) -> str | None:
    return one_line(as_stored(value), max_length)


def _moment(exif: Image.Exif, details: dict[int, Any]) -> Moment | None:
    for date, fraction, offsets in _DATES:
        # Some programs write the dates of the photo into the first directory.
        directories = (details, exif)
        texts = (_text(_field(directory, date)) for directory in directories)
        offset = next(filter(None, (_text(_field(details, tag)) or _text(_field(exif, tag)) for tag in offsets)), None)
        subsecond = _field(details, fraction)
        for text in texts:
            moment = parse_date(
                text,
                offset=offset,
                fraction=str(subsecond) if isinstance(subsecond, int) else _subsecond(subsecond),
            )
            if moment is not None:
                return moment
    return None


def _subsecond(value: Any) -> str | None:
    """The digits of a fraction of a second; some cameras write a space for a zero."""
    text = value.decode("ascii", "ignore") if isinstance(value, bytes) else value
    return text.split("\0")[0].rstrip().replace(" ", "0") if isinstance(text, str) else None


def _description(exif: Image.Exif, details: dict[int, Any], camera: set[str]) -> str | None:
    big_endian = getattr(exif, "endian", "<") == ">"
    comment = user_comment(_field(details, ExifTags.Base.UserComment), big_endian=big_endian)
    texts = (
        _text(_field(exif, ExifTags.Base.ImageDescription), MAX_DESCRIPTION),
        one_line(windows_text(_field(exif, ExifTags.Base.XPComment)), MAX_DESCRIPTION),
        one_line(windows_text(_field(exif, ExifTags.Base.XPSubject)), MAX_DESCRIPTION),
        one_line(comment, MAX_DESCRIPTION),
    )
    return next((text for text in texts if text and text not in camera and not _BOILERPLATE.fullmatch(text)), None)


def _position(gps: dict[int, Any]) -> tuple[float | None, float | None]:
    latitude = _degrees(
        _field(gps, ExifTags.GPS.GPSLatitude), _field(gps, ExifTags.GPS.GPSLatitudeRef), letters="NS", maximum=90
    )
    longitude = _degrees(
        _field(gps, ExifTags.GPS.GPSLongitude), _field(gps, ExifTags.GPS.GPSLongitudeRef), letters="EW", maximum=180
    )
    return position(latitude, longitude)


def position(latitude: float | None, longitude: float | None) -> tuple[float | None, float | None]:
    """The position; None, None if a part is missing, or for 0, 0, which a receiver without a fix writes."""
    if latitude is None or longitude is None or latitude == longitude == 0:
        return None, None
    return latitude, longitude


def _degrees(value: Any, reference: Any, *, letters: str, maximum: int) -> float | None:
    """Degrees, minutes, seconds and a letter as signed degrees; without a letter, north or east.

    Invalid seconds are ignored: they are at most 30 metres. Invalid minutes are ignored if the degrees have decimals.
    """
    letter = (_text(reference) or letters[0])[0].upper()
    parts = [_number(part) for part in (value if isinstance(value, (tuple, list)) else (value,))[:3]]
    if letter not in letters or not parts or parts[0] is None:
        return None
    degrees, minutes, seconds = abs(parts[0]), *(_sixtieths(part) for part in (*parts[1:], 0.0, 0.0)[:2])
    if minutes is None and degrees.is_integer():
        return None
    degrees += (minutes or 0.0) / 60 + (seconds or 0.0) / 3600
    if degrees > maximum:
        return None
    return -degrees if (letter == letters[1]) != (parts[0] < 0) else degrees


def _sixtieths(value: float | None) -> float | None:
    return value if value is not None and 0 <= value <= 60 else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, ArithmeticError):
        return None
    return number if math.isfinite(number) else None
