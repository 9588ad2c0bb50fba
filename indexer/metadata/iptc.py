"""IPTC metadata, as press programs write it. Many write UTF-8 without declaring it.

Pillow's own reader stops at an empty field, so the records are parsed here.
"""

from __future__ import annotations

import struct
from collections import defaultdict

from PIL import Image, TiffImagePlugin

from indexer.metadata.characters import decoded, one_line
from indexer.metadata.dates import Moment, parse_date
from indexer.metadata.fields import Metadata
from indexer.metadata.limits import MAX_AUTHOR, MAX_DESCRIPTION, MAX_TITLE, keyword_list

_RESOURCE = 0x0404
_HEADER, _MARK, _MAX_FIELD_BYTES = struct.Struct(">BBBH"), 0x1C, 0x7FFF
_TITLE, _KEYWORDS, _AUTHOR, _DESCRIPTION = (2, 5), (2, 25), (2, 80), (2, 120)
_DATES = (((2, 55), (2, 60)), ((2, 62), (2, 63)))
"""Day and time: created, digitized."""


def read_iptc(image: Image.Image) -> Metadata:
    """The metadata in the IPTC of an opened photo. Raises what Pillow raises if it is damaged."""
    records = _records(_block(image))

    def texts(tag: tuple[int, int]) -> list[str]:
        return [text for value in records[tag] if (text := decoded(value)) is not None]

    def first(tag: tuple[int, int]) -> str | None:
        return next(iter(texts(tag)), None)

    metadata = Metadata(
        title=one_line(first(_TITLE), MAX_TITLE),
        description=one_line(first(_DESCRIPTION), MAX_DESCRIPTION),
        keywords=keyword_list(texts(_KEYWORDS)),
        author=one_line(first(_AUTHOR), MAX_AUTHOR),
    )
    moments = (_moment(first(day), first(time)) for day, time in _DATES)
    return metadata.with_date(next(filter(None, moments), None), "iptc")


def _block(image: Image.Image) -> bytes:
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        # Photoshop declares the bytes as integers, so Pillow's decoded value is not usable.
        block = image.tag_v2._tagdata.get(TiffImagePlugin.IPTC_NAA_CHUNK)
    else:
        photoshop = image.info.get("photoshop")
        block = photoshop.get(_RESOURCE) if isinstance(photoshop, dict) else None
    return block if isinstance(block, bytes) else b""


def _records(block: bytes) -> defaultdict[tuple[int, int], list[bytes]]:
    """The values by record and field number, up to the first incomplete or invalid one."""
    records = defaultdict[tuple[int, int], list[bytes]](list)
    at = 0
    while at + _HEADER.size <= len(block):
        mark, record, number, size = _HEADER.unpack_from(block, at)
        at += _HEADER.size
        if mark != _MARK or size > _MAX_FIELD_BYTES or at + size > len(block):
            break
        records[record, number].append(block[at : at + size])
        at += size
    return records


def _moment(day: str | None, time: str | None) -> Moment | None:
    """The moment of `20210714` and `183005+0200`; unknown parts are zeros."""
    if day is None:
        return None
    day = day.strip()
    if len(day) == 8 and day.isdecimal():
        day = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    return parse_date(f"{day} {time or ''}")
