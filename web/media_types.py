"""Media types of photo files, told by their first bytes. A file is never named as a page, a script or a drawing."""

from __future__ import annotations

import re
from pathlib import Path

FIRST_BYTES = 32
"""How many bytes of a file `media_type` needs."""
UNKNOWN = "application/octet-stream"
_SIGNATURES = (
    (rb"\xff\xd8\xff", "image/jpeg"),
    (rb"\x89PNG\r\n\x1a\n", "image/png"),
    (rb"GIF8[79]a", "image/gif"),
    (rb"RIFF....WEBP", "image/webp"),
    (rb"BM....\0\0\0\0", "image/bmp"),
    (rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "image/tiff"),
    (rb"....ftypavi[fs]", "image/avif"),
    (rb"....ftyp(hei[cxms]|hev[cxms])", "image/heic"),
    (rb"....ftyp(mif[12]|msf1)", "image/heif"),
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
)
_RAW = {
    ".arw": "image/x-sony-arw",
    ".cr2": "image/x-canon-cr2",
    ".cr3": "image/x-canon-cr3",
    ".dng": "image/x-adobe-dng",
    ".nef": "image/x-nikon-nef",
    ".orf": "image/x-olympus-orf",
    ".pef": "image/x-pentax-pef",
    ".raf": "image/x-fuji-raf",
    ".rw2": "image/x-panasonic-rw2",
}
"""RAW files begin as TIFF does, or in ways of their own: these go by their suffix."""
SHOWN_BY_BROWSERS = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/avif"})


def media_type(path: str, start: bytes) -> str:
    """The type of the file at `path`, which begins with the bytes `start`."""
    if (raw := _RAW.get(Path(path).suffix.lower())) is not None:
        return raw
    return next((name for pattern, name in _SIGNATURES if re.match(pattern, start, re.DOTALL)), UNKNOWN)
