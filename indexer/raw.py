"""RAW files: the preview that the camera stored in them is used. Needs rawpy, the extra `raw`."""

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
    """A RAW file has no preview."""


def is_raw(path: str) -> bool:
    """Whether a file is RAW, by its suffix."""
    return Path(path).suffix.lower() in RAW_SUFFIXES


def open_preview(file: BinaryIO) -> Image.Image | None:
    """The preview in a RAW file, with its orientation in EXIF; None if the format is not supported.

    Raises NoPreview, and what rawpy raises for a damaged file.
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
    """The metadata of a RAW file outside its preview, if it has the structure of a TIFF, as most have. Never raises."""
    file.seek(0)
    try:
        with Image.open(file, formats=("TIFF",)) as image:
            return read_metadata(image)
    except Exception:  # it need not be a TIFF
        return Metadata()
