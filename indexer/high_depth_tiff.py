"""TIFF files of more than eight bits a sample, which Pillow cuts to eight bits, takes apart wrongly, or does not know.

Scanners, cameras and science write them: whole numbers of which the upper bits may be empty, floating-point numbers,
a plane for each colour. Read are those in strips, as they are or deflated; the others are left to Pillow.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

_MAGIC = (b"II*\0", b"MM\0*")
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS, _COUNTS, _PLANAR, _PREDICTOR = 273, 277, 278, 279, 284, 317
_TILE_WIDTH, _FORMAT, _XMP = 322, 339, 700
_PLAIN, _DEFLATED = 1, (8, 32946)
_WHITE_IS_ZERO, _GREY, _RGB = 0, 1, 2
_NUMBERS = {1: "u", 2: "i", 3: "f"}
_MAX_SAMPLES = 4


def is_whole_tiff(file: BinaryIO) -> bool:
    """Whether the file is a TIFF that says how large its picture is. Never raises."""
    try:
        return _is_tiff(file) and {_WIDTH, _HEIGHT} <= set(_directory(file))
    except Exception:  # Pillow raises whatever a damaged file happens to trip over
        return False


def read_high_depth_tiff(file: BinaryIO, *, max_pixels: int) -> Image.Image | None:
    """The picture in RGB, not turned upright, its EXIF and XMP with it; None for what is not read here.

    Raises Image.DecompressionBombError for more than `max_pixels`, and whatever a damaged file leads to.
    """
    if not _is_tiff(file):
        return None
    tags = _directory(file)
    photometric, samples = tags.get(_PHOTOMETRIC), tags.get(_SAMPLES, 1)
    dtype = _dtype(tags, "<" if tags.prefix == b"II" else ">")
    colours = 3 if photometric == _RGB else 1
    compression = tags.get(_COMPRESSION, _PLAIN)
    known = photometric in (_WHITE_IS_ZERO, _GREY, _RGB) and colours <= samples <= _MAX_SAMPLES
    packed = compression != _PLAIN and (compression not in _DEFLATED or tags.get(_PREDICTOR, 1) != 1)
    if dtype is None or not known or packed or _TILE_WIDTH in tags:
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
    """Whether it is a TIFF of the one kind that Pillow takes apart wrongly: deep, unpacked, a plane for each colour."""
    if not _is_tiff(file):
        return False
    tags = _directory(file)
    return tags.get(_PLANAR) == 2 and max(tags.get(_BITS, (1,))) > 8 and tags.get(_COMPRESSION, _PLAIN) == _PLAIN


def to_eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """`values` as 0 to 255. What is no whole number above zero has no white of its own: its range is stretched.

    Whole numbers have the white of 8, 10, 12, 14, 16 or 32 bits, of the fewest that hold them: many programs leave the
    upper bits empty.
    """
    if values.dtype.kind != "u":
        numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
        low, high = float(numbers.min()), float(numbers.max())
        return ((numbers - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    largest = int(values.max())
    bits = next((bits for bits in (8, 10, 12, 14, 16) if largest < 1 << bits), 32)
    shifted: NDArray[np.uint8] = (values >> np.array(bits - 8, dtype=values.dtype)).astype(np.uint8)
    return shifted


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
    """(H, W, C). Raises ValueError where strips are missing or too short."""
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
