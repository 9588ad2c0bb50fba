"""Photos, made small enough for a page."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image, ImageOps

from indexer.decoding import LARGEST_PIXELS, as_rgb

_LONGEST_SIDE = 1024
_QUALITY = 80


class PhotoUnreadable(Exception):  # noqa: N818
    """A file that held a photo when it was indexed, and now is gone or damaged."""


def version(path: str) -> str:
    """What changes whenever the file at `path` does. Raises PhotoUnreadable when it is gone."""
    try:
        file = Path(path).stat()
    except OSError as error:
        raise PhotoUnreadable(f"the file {Path(path).name} cannot be read: {error.strerror}") from error
    return f"{file.st_mtime_ns:x}-{file.st_size:x}-{_LONGEST_SIDE}"


def small_webp(path: str) -> bytes:
    """The photo at `path`, upright, at most 1024 pixels a side, without metadata. Raises PhotoUnreadable."""
    try:
        with Image.open(path) as image:
            if image.width * image.height > LARGEST_PIXELS:
                raise PhotoUnreadable(f"the file {Path(path).name} has too many pixels to show")
            image.draft("RGB", (_LONGEST_SIDE, _LONGEST_SIDE))
            upright = ImageOps.exif_transpose(as_rgb(image))
    except PhotoUnreadable:
        raise
    except Exception as error:  # decoders raise whatever a damaged file happens to trip over
        raise PhotoUnreadable(f"the file {Path(path).name} is not a readable photo any more") from error
    upright.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    packed = io.BytesIO()
    upright.save(packed, "WEBP", quality=_QUALITY, exif=b"")
    return packed.getvalue()
