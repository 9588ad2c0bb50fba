"""The text chunks of PNG. They may follow the pixels, so the photo must be loaded."""

from __future__ import annotations

import re
from typing import Any

from PIL import Image, PngImagePlugin

from indexer.metadata.characters import as_stored, one_line
from indexer.metadata.dates import parse_date, parse_mail_date
from indexer.metadata.fields import Metadata
from indexer.metadata.limits import MAX_AUTHOR, MAX_DESCRIPTION, MAX_TITLE

_PROFILE = "Raw profile type "
_NOT_HEX = re.compile(r"[^0-9a-fA-F]")


def read_png(image: Image.Image) -> Metadata:
    """The metadata in the text chunks of a PNG; empty for other formats."""
    if not isinstance(image, PngImagePlugin.PngImageFile):
        return Metadata()

    def text(*names: str) -> Any:
        return next((_stored(image.info[name]) for name in names if image.info.get(name)), None)

    metadata = Metadata(
        title=one_line(text("Title"), MAX_TITLE),
        description=one_line(text("Description", "Comment"), MAX_DESCRIPTION),
        author=one_line(text("Author"), MAX_AUTHOR),
    )
    date = one_line(text("Creation Time"), MAX_TITLE)
    return metadata.with_date(parse_date(date) or parse_mail_date(date), "png")


def raw_profile(image: Image.Image, kind: str) -> bytes | None:
    """A block of metadata that ImageMagick wrote as text: a line break, its kind, its length, hexadecimal digits."""
    text = image.info.get(_PROFILE + kind)
    if not isinstance(text, str):
        return None
    digits = _NOT_HEX.sub("", text.split("\n", 3)[-1])
    return bytes.fromhex(digits[: len(digits) // 2 * 2])


def _stored(value: Any) -> Any:
    """`iTXt` is UTF-8. The other chunks are Latin-1 by the standard, but often UTF-8 in practice."""
    return str(value) if isinstance(value, PngImagePlugin.iTXt) else as_stored(value)
