"""RAW files, seen by the preview that the camera has put into them. Needs rawpy, the extra `raw`."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from indexer.metadata.fields import Metadata
from indexer.metadata.reading import read_metadata
from indexer.scanning import RAW_SUFFIXES
from model.errors import PixelseekError


class NoPreview(PixelseekError):  # noqa: N818
    """A RAW file of pixels alone."""


def is_raw(path: str) -> bool:
    """Whether a file is one by its name."""
    return Path(path).suffix.lower() in RAW_SUFFIXES


def open_preview(file: BinaryIO) -> Image.Image | None:
    """The preview in a RAW file, its orientation in its EXIF; None where it is no RAW file that is known.

    Raises NoPreview, and what rawpy raises for a damaged one.
    """
    import rawpy

    try:
        with rawpy.imread(file) as raw:
            preview = raw.extract_thumb()
    except rawpy.LibRawFileUnsupportedError:
        return None
    except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
        raise NoPreview from error
    if isinstance(preview.data, bytes):
        return Image.open(io.BytesIO(preview.data), formats=("JPEG",))
    return Image.fromarray(preview.data)


def read_container(file: BinaryIO) -> Metadata:
    """What a RAW file tells beside its preview, where it is built like a TIFF, as most are. Never raises."""
    file.seek(0)
    try:
        with Image.open(file, formats=("TIFF",)) as image:
            return read_metadata(image)
    except Exception:  # it need not be one
        return Metadata()
