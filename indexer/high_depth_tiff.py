"""TIFF files with more than 8 bits per sample, which Pillow truncates, misreads or does not support.

Scanners, cameras and scientific programs write them: integers whose upper bits may be unused, floating-point numbers,
separate planes per colour. This module reads those in strips, uncompressed or deflated; Pillow reads the others.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from model.colours import to_eight_bits

_MAGIC = (b"II*\0", b"MM\0*")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _FORMAT, _XMP = 322, 339, 700
_PLAIN, _DEFLATED = 1, (8, 32946)
_WHITE_IS_ZERO, _GREY, _RGB = 0, 1, 2
_NUMBERS = {1: "u", 2: "i", 3: "f"}
_MAX_SAMPLES = 4


def is_whole_tiff(file: BinaryIO) -> bool:
    """Whether the file is a TIFF with the size of its picture. Never raises."""
    try:
        return _is_tiff(file) and {_WIDTH, _HEIGHT} <= set(_directory(file))
    except Exception:  # Pillow raises various errors for a damaged file
        return False


def read_high_depth_tiff(file: BinaryIO, *, max_pixels: int) -> Image.Image | None:
    """The picture as RGB, not turned upright, with its EXIF and XMP; None for files that Pillow should read.

    Raises Image.DecompressionBombError for more than `max_pixels`, and various errors for a damaged file.
    """
    if not _is_tiff(file):
        return None
    tags = _directory(file)
    photometric, samples = tags.get(_PHOTOMETRIC), tags.get(_SAMPLES, 1)
    dtype = _dtype(tags, "<" if tags.prefix == b"II" else ">")
    colours = 3 if photometric == _RGB else 1
    compression = tags.get(_COMPRESSION, _PLAIN)
    is_supported = photometric in (_WHITE_IS_ZERO, _GREY, _RGB) and colours <= samples <= _MAX_SAMPLES
    is_packed = compression != _PLAIN and (compression not in _DEFLATED or tags.get(_PREDICTOR, 1) != 1)
    if dtype is None or not is_supported or is_packed or _TILE_WIDTH in tags:
        return None
    width, height = tags[_WIDTH], tags[_HEIGHT]
    if width * height > max_pixels:
        raise Image.DecompressionBombError(f"{width} x {height} pixels")
    values = _values(file, tags, (height, width, samples), dtype)
    picture = to_eight_bits(values[..., :colours])
    if photometric == _WHITE_IS_ZERO:
        picture = 255 - picture
    if samples == colours + 1:
        opacity = to_eight_bits(values[..., colours:]) / np.float32(255)
        picture = (255 - (255 - picture) * opacity).astype(np.uint8)
    image = Image.fromarray(picture.squeeze(2) if colours == 1 else picture).convert("RGB")
    file.seek(0)
    image.getexif().load_from_fp(file)
    image.info["xmp"] = tags.get(_XMP)
    return image


def is_misread_by_pillow(file: BinaryIO) -> bool:
    """Whether Pillow misreads this TIFF: more than 8 bits, uncompressed, separate planes per colour."""
    if not _is_tiff(file):
        return False
    tags = _directory(file)
    return tags.get(_PLANAR) == 2 and max(tags.get(_BITS, (1,))) > 8 and tags.get(_COMPRESSION, _PLAIN) == _PLAIN


def _is_tiff(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(4) in _MAGIC


def _directory(file: BinaryIO) -> TiffImagePlugin.ImageFileDirectory_v2:
    file.seek(0)
    tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
    file.seek(tags.next)
    tags.load(file)
    return tags


def _dtype(tags: TiffImagePlugin.ImageFileDirectory_v2, order: str) -> np.dtype[np.generic] | None:
    bits, formats = set(tags.get(_BITS, (1,))), set(tags.get(_FORMAT, (1,)))
    if len(bits) != 1 or len(formats) != 1:
        return None
    number, size = _NUMBERS.get(formats.pop()), bits.pop()
    if number is None or size not in ((16, 32, 64) if number == "f" else (16, 32)):
        return None
    return np.dtype(f"{order}{number}{size // 8}")


def _values(
    file: BinaryIO,
    tags: TiffImagePlugin.ImageFileDirectory_v2,
    shape: tuple[int, int, int],
    dtype: np.dtype[np.generic],
) -> NDArray[np.generic]:
    """The samples (H, W, C). Raises ValueError if strips are missing or too short."""
    height, width, samples = shape
    planes = samples if tags.get(_PLANAR, 1) == 2 else 1
    rows = min(tags.get(_ROWS, height), height)
    row_bytes = width * samples // planes * dtype.itemsize
    heights = [min(rows, height - top) for top in range(0, height, rows)] * planes
    strips = []
    for strip_height, offset, count in zip(heights, tags[_OFFSETS], tags[_COUNTS], strict=True):
        needed = strip_height * row_bytes
        file.seek(offset)
        strip = file.read(count)
        if tags.get(_COMPRESSION, _PLAIN) != _PLAIN:
            strip = zlib.decompressobj().decompress(strip, needed)
        if len(strip) < needed:
            raise ValueError("a strip is too short")
        strips.append(strip[:needed])
    values = np.frombuffer(b"".join(strips), dtype=dtype)
    if planes > 1:
        return values.reshape(planes, height, width).transpose(1, 2, 0)
    return values.reshape(shape)
