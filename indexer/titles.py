"""What people have written into a photo with other programs: title, description, keywords.

XMP is asked first, then IPTC, then EXIF, and the first that has a field wins: programs that write several
write the same into each, and XMP cuts nothing short. XML is parsed by defusedxml, which refuses entities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from defusedxml import ElementTree
from PIL import ExifTags, Image, IptcImagePlugin

_LONGEST_TITLE, _LONGEST_DESCRIPTION, _LONGEST_KEYWORD = 200, 2000, 100
_MOST_KEYWORDS = 100
_LARGEST_XMP_BYTES = 1024**2
_DC, _RDF = "{http://purl.org/dc/elements/1.1/}", "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_IPTC_CHARSET, _IPTC_UTF8 = (1, 90), b"\x1b%G"
_IPTC_TITLE, _IPTC_KEYWORDS, _IPTC_DESCRIPTION = (2, 5), (2, 25), (2, 120)


@dataclass(frozen=True)
class Titles:
    """The fields; None or empty where missing."""

    title: str | None = None
    description: str | None = None
    keywords: list[str] = field(default_factory=list)


def read_titles(image: Image.Image) -> Titles:
    """The titles of an opened photo, whose pixels need not be loaded. Never raises."""
    found = [_safely(read, image) for read in (_xmp, _iptc, _exif)]
    return Titles(
        title=next((one.title for one in found if one.title), None),
        description=next((one.description for one in found if one.description), None),
        keywords=next((one.keywords for one in found if one.keywords), []),
    )


def readable(value: Any, longest: int) -> str | None:
    """`value` as one line of text that can be stored anywhere, cut at `longest` characters; None for nothing."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        return None
    text = value.encode("utf-8", "replace").decode("utf-8").split("\0")[0]
    return " ".join(text.split())[:longest] or None


def _safely(read: Callable[[Image.Image], Titles], image: Image.Image) -> Titles:
    try:
        return read(image)
    except Exception:  # Pillow and the parsers raise whatever a garbled block happens to trip over
        return Titles()


def _titles(title: Any, description: Any, keywords: Iterable[Any]) -> Titles:
    words = (readable(keyword, _LONGEST_KEYWORD) for keyword in keywords)
    return Titles(
        readable(title, _LONGEST_TITLE),
        readable(description, _LONGEST_DESCRIPTION),
        list(dict.fromkeys(word for word in words if word))[:_MOST_KEYWORDS],
    )


def _xmp(image: Image.Image) -> Titles:
    packet = image.info.get("xmp")
    if not isinstance(packet, bytes) or len(packet) > _LARGEST_XMP_BYTES:
        return Titles()
    root = ElementTree.fromstring(packet.rstrip(b"\0 "))
    # In a list of languages the default comes first.
    return _titles(
        next(_entries(root, "title"), None), next(_entries(root, "description"), None), _entries(root, "subject")
    )


def _entries(root: Element, name: str) -> Iterator[str | None]:
    for found in root.iter(_DC + name):
        yield from (entry.text for entry in found.iter(_RDF + "li"))


def _iptc(image: Image.Image) -> Titles:
    fields = IptcImagePlugin.getiptcinfo(image) or {}  # type: ignore[arg-type]
    is_utf8 = fields.get(_IPTC_CHARSET) == _IPTC_UTF8

    def texts(tag: tuple[int, int]) -> list[str]:
        values = fields.get(tag, [])
        return [_decoded(value, is_utf8) for value in (values if isinstance(values, list) else [values]) if value]

    return _titles(
        next(iter(texts(_IPTC_TITLE)), None), next(iter(texts(_IPTC_DESCRIPTION)), None), texts(_IPTC_KEYWORDS)
    )


def _decoded(value: bytes, is_utf8: bool) -> str:
    """Many programs write UTF-8 and do not say so."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("utf-8" if is_utf8 else "latin-1", "replace")


def _exif(image: Image.Image) -> Titles:
    exif = image.getexif()
    description = readable(exif.get(ExifTags.Base.ImageDescription), _LONGEST_DESCRIPTION)
    if description and description.isupper():
        description = None  # OLYMPUS DIGITAL CAMERA: no person wrote that
    keywords = _windows_text(exif.get(ExifTags.Base.XPKeywords)) or ""
    return _titles(_windows_text(exif.get(ExifTags.Base.XPTitle)), description, keywords.split(";"))


def _windows_text(value: Any) -> str | None:
    """What Windows' Explorer has written."""
    return bytes(value).decode("utf-16-le", "replace") if isinstance(value, (bytes, tuple)) else None
