"""XMP metadata, inside a photo or in a sidecar. It is parsed by defusedxml, which refuses entities."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from itertools import chain
from xml.etree.ElementTree import Element

from defusedxml import ElementTree

from indexer.metadata.characters import one_line
from indexer.metadata.dates import parse_date
from indexer.metadata.exif import position
from indexer.metadata.fields import Metadata
from indexer.metadata.limits import MAX_AUTHOR, MAX_DESCRIPTION, MAX_NAME, MAX_TITLE, keyword_list

MAX_BYTES = 1024**2
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_DC = "{http://purl.org/dc/elements/1.1/}"
_EXIF = "{http://ns.adobe.com/exif/1.0/}"
_TIFF = "{http://ns.adobe.com/tiff/1.0/}"
_LENS = ("{http://ns.adobe.com/exif/1.0/aux/}Lens", "{http://cipa.jp/exif/1.0/}LensModel")
_DATES = (
    "{http://ns.adobe.com/photoshop/1.0/}DateCreated",
    f"{_EXIF}DateTimeOriginal",
    "{http://ns.adobe.com/xap/1.0/}CreateDate",
    f"{_EXIF}DateTimeDigitized",
)
_COORDINATE = re.compile(
    r"(?P<sign>[+-]?)(?P<degrees>\d+(?:\.\d+)?)(?:[,\s]+(?P<minutes>\d+(?:\.\d+)?))?(?:[,\s]+(?P<seconds>\d+(?:\.\d+)?))?"
    r"\s*(?P<letter>[NSEW])?",
    re.IGNORECASE,
)


def read_xmp(packet: bytes) -> Metadata:
    """The metadata in an XMP packet. Raises ValueError if it is too large, or what the parser raises."""
    if len(packet) > MAX_BYTES:
        raise ValueError(f"{len(packet)} bytes of XMP")
    root = ElementTree.fromstring(_stripped(packet))
    latitude, longitude = position(
        _degrees(_first(root, f"{_EXIF}GPSLatitude"), letters="NS", maximum=90),
        _degrees(_first(root, f"{_EXIF}GPSLongitude"), letters="EW", maximum=180),
    )
    metadata = Metadata(
        camera=one_line(_first(root, f"{_TIFF}Model"), MAX_NAME),
        lens=one_line(_first(root, *_LENS), MAX_NAME),
        latitude=latitude,
        longitude=longitude,
        # In a list of languages the default is first.
        title=one_line(_first(root, f"{_DC}title"), MAX_TITLE),
        description=one_line(_first(root, f"{_DC}description"), MAX_DESCRIPTION),
        keywords=keyword_list(_values(root, f"{_DC}subject")),
        author=one_line(", ".join(filter(None, _values(root, f"{_DC}creator"))), MAX_AUTHOR),
    )
    moments = (parse_date(text) for name in _DATES for text in _values(root, name))
    return metadata.with_date(next(filter(None, moments), None), "xmp")


def _stripped(packet: bytes) -> bytes | str:
    """The packet without its padding, which parsers refuse."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if packet.startswith(mark):
            return packet.decode(encoding, "ignore").strip("\ufeff\0 \r\n\t")
    return packet.strip(b"\0 \r\n\t")


def _first(root: Element, *names: str) -> str | None:
    return next((text for name in names for text in _values(root, name) if text and text.strip()), None)


def _values(root: Element, name: str) -> Iterator[str | None]:
    """The values of a property, which may be a list or a single value, written as an element or an attribute."""
    for element in root.iter(name):
        entries = [entry.text for entry in (*element.findall(f"*/{_RDF}li"), *element.findall(f"{_RDF}li"))]
        yield from entries or [element.text]
    yield from filter(None, (element.get(name) for element in chain([root], root.iter(f"{_RDF}Description"))))


def _degrees(text: str | None, *, letters: str, maximum: int) -> float | None:
    """`48,8.5N`, `48,8,30N` or `48.1417` as signed degrees."""
    match = _COORDINATE.fullmatch((text or "").strip()[:64])
    if match is None:
        return None
    degrees = math.fsum(
        float(match[name] or 0) / 60**power for power, name in enumerate(("degrees", "minutes", "seconds"))
    )
    letter = (match["letter"] or letters[0]).upper()
    if letter not in letters or not degrees <= maximum:
        return None
    return -degrees if (letter == letters[1]) != (match["sign"] == "-") else degrees
