"""Decode a photo file to the pixels that the model reads. It runs in worker processes, without PyTorch."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, TypeAlias, TypeVar

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from indexer.high_depth_png import with_lower_bits
from indexer.high_depth_tiff import is_misread_by_pillow, is_whole_tiff, read_high_depth_tiff
from indexer.library.photo import FileIdentity
from indexer.metadata.fields import Metadata
from indexer.metadata.reading import read_metadata, read_sidecar
from indexer.raw import NoPreview, is_raw, open_preview, read_container
from model.colours import as_rgb
from model.image_processor import PixelBertImageProcessor

MAX_FILE_BYTES = 512 * 1024**2
MAX_PIXELS = 180_000_000
JPEG_XL = ("JXL",) if find_spec("pillow_jxl") else ()
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "HEIF", "AVIF", *JPEG_XL)
"""No others, to reduce the attack surface."""
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = range(5, 9)
_QUALITY = 80  # of a WebP

Size: TypeAlias = tuple[int, int]
"""Width and height."""
Value = TypeVar("Value")

CUT_SHORT = "cut short: the end of the picture is missing"
"""The note on a JPEG that lacks its last bytes, but has most of its picture."""
_MAX_MISSING = 0.5
_END_OF_JPEG, _SCAN_MARKERS = b"\xff\xd9", (b"\xff\xc4", b"\xff\xda")
_MIDDLE_GREY = 128  # libjpeg fills missing parts with it

pillow_heif.register_heif_opener()
if JPEG_XL:
    import_module("pillow_jxl")  # registers itself


class Failure(StrEnum):
    """Why a file could not be read as a photo."""

    EMPTY = "empty file"
    CHANGING = "changed while it was being read; index again"
    UNREADABLE = "file cannot be read: permission denied or a disk error"
    NOT_A_PHOTO = "not a photo in a known format, whatever its name says"
    DAMAGED = "damaged or cut short"
    UNKNOWN_TIFF = "a kind of TIFF that is not read; save it anew with 8 or 16 bits a colour"
    NO_PREVIEW = "RAW file without a preview"
    TOO_MANY_BYTES = f"larger than {MAX_FILE_BYTES // 1024**2} MiB"
    TOO_MANY_PIXELS = f"more than {MAX_PIXELS // 10**6} megapixels"
    OUT_OF_MEMORY = "takes too much memory to decode"
    TIMED_OUT = "takes too long to decode"
    CRASHED = "crashed the decoder"


_NOTHING = Metadata()


@dataclass(frozen=True)
class Picture:
    """A decoded photo."""

    width: int
    """Pixels, upright, as height is."""
    height: int
    metadata: Metadata
    pixels: NDArray[np.uint8]
    """(H, W, 3) from `PixelBertImageProcessor.resize`."""
    note: str | None = None
    """What is wrong with the file, although it could be read."""


@dataclass(frozen=True)
class ReadPhoto:
    """A photo file that was read; `picture` is None if its bytes were known."""

    identity: FileIdentity
    picture: Picture | None
    sidecar: Metadata = _NOTHING
    """The metadata in its XMP sidecar."""


def read_photo(
    path: str, known: frozenset[bytes], processor: PixelBertImageProcessor, *, sidecar: str | None = None
) -> ReadPhoto | Failure:
    """Read the file at `path`, and decode it unless its digest is in `known`. Never raises.

    `sidecar` is the path of its XMP sidecar.
    """
    content = _read_content(path)
    if isinstance(content, Failure):
        return content
    identity = _identity(content)
    sidecar_metadata = _NOTHING if sidecar is None else read_sidecar(sidecar)
    if identity.digest in known:
        return ReadPhoto(identity, None, sidecar_metadata)
    decoded = _decode(content, path, processor.target_size)
    if isinstance(decoded, Failure):
        return decoded
    pixels = _catch_failure(lambda: processor.resize(decoded.image))
    if isinstance(pixels, Failure):
        return pixels
    return ReadPhoto(identity, Picture(*decoded.size, decoded.metadata, pixels, decoded.note), sidecar_metadata)


def read_metadata_of_file(path: str) -> Metadata | Failure:
    """The metadata of the photo at `path`; the pixels are not decoded unless necessary. Never raises."""

    def read() -> Metadata | Failure:
        if not os.access(path, os.R_OK):
            return Failure.UNREADABLE
        with Path(path).open("rb") as file, _open_image(file, path) as image:
            too_large = image.width * image.height > MAX_PIXELS
            return Failure.TOO_MANY_PIXELS if too_large else _metadata(image, file, path)

    return _catch_failure(read)


def read_upright(path: str, side: int) -> tuple[Image.Image, FileIdentity] | Failure:
    """The photo at `path`, upright, RGB, its longest side at most `side` pixels, and its identity. Never raises."""
    content = _read_content(path)
    if isinstance(content, Failure):
        return content
    identity = _identity(content)
    decoded = _decode(content, path, lambda width, height: fitted(width, height, side))
    if isinstance(decoded, Failure):
        return decoded
    image = _catch_failure(lambda: _resized(decoded, side))
    return image if isinstance(image, Failure) else (image, identity)


def make_thumbnail(path: str, side: int) -> bytes | Failure:
    """The photo at `path` as WebP, upright, without metadata, its longest side at most `side` pixels. Never raises."""
    read = read_upright(path, side)
    return read if isinstance(read, Failure) else _catch_failure(lambda: _webp(read[0]))


def fitted(width: int, height: int, side: int) -> Size:
    """Width and height in pixels of a photo that is made small, at most `side` a side; it is never enlarged."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(scale * width)), max(1, round(scale * height))


def _resized(decoded: _Decoded, side: int) -> Image.Image:
    return decoded.image.resize(fitted(*decoded.size, side), Image.Resampling.BICUBIC, reducing_gap=3.0)


def _webp(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "WEBP", quality=_QUALITY, exif=b"")
    return packed.getvalue()


def _identity(content: bytes) -> FileIdentity:
    return FileIdentity(hashlib.blake2b(content, digest_size=16).digest(), len(content))


def _read_content(path: str) -> bytes | Failure:
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                return Failure.TOO_MANY_BYTES
            content = file.read(size + 1)  # needs no more memory than the file has
            if len(content) > size:  # some files are larger than their reported size
                content += file.read(MAX_FILE_BYTES + 1 - len(content))
            return (content or Failure.EMPTY) if len(content) <= MAX_FILE_BYTES else Failure.TOO_MANY_BYTES
    except MemoryError:
        return Failure.OUT_OF_MEMORY
    except OSError:
        return Failure.UNREADABLE


@dataclass(frozen=True)
class _Decoded:
    image: Image.Image
    """Upright, RGB, perhaps smaller than the photo."""
    size: Size
    """Size of the whole photo."""
    metadata: Metadata
    note: str | None


def _decode(content: bytes, path: str, needed: Callable[[int, int], Size]) -> _Decoded | Failure:
    """Decode the photo in `content`. `needed` maps its size to the size that suffices: a JPEG is then decoded
    faster."""

    def decode() -> _Decoded | Failure:
        file = io.BytesIO(content)
        if not is_raw(path):
            if (deep := read_high_depth_tiff(file, max_pixels=MAX_PIXELS)) is not None:
                return _from_high_depth(deep, file)
            if is_misread_by_pillow(file):
                return Failure.UNKNOWN_TIFF
            file.seek(0)
        with _open_image(file, path) as image:
            if image.width * image.height > MAX_PIXELS:
                return Failure.TOO_MANY_PIXELS
            metadata = _metadata(image, file, path)
            # Pillow turns a TIFF upright itself.
            orientation = None if image.format == "TIFF" else metadata.orientation
            is_sideways = orientation in _SIDEWAYS
            size = image.size[::-1] if is_sideways else image.size
            detail = needed(*size)[::-1] if is_sideways else needed(*size)
            image.draft(None, detail)
            try:
                image.load()
                loaded, note = with_lower_bits(image, content), None
            except OSError:
                if image.format not in ("JPEG", "MPO") or is_raw(path):
                    raise
                loaded, note = _load_truncated(content, detail), CUT_SHORT
            return _Decoded(_upright(as_rgb(loaded), orientation), size, metadata, note)

    outcome = _catch_failure(decode)
    unknown_tiff = outcome is Failure.NOT_A_PHOTO and is_whole_tiff(io.BytesIO(content))
    return Failure.UNKNOWN_TIFF if unknown_tiff else outcome


def _from_high_depth(image: Image.Image, file: BinaryIO) -> _Decoded:
    try:
        file.seek(0)
        with Image.open(file, formats=("TIFF",)) as known:
            metadata = read_metadata(known)
    except UnidentifiedImageError:
        metadata = read_metadata(image)
    upright = _upright(image, metadata.orientation)
    return _Decoded(upright, upright.size, metadata, None)


def _catch_failure(read: Callable[[], Value | Failure]) -> Value | Failure:
    """The result of `read`, or the Failure for the error that it raises."""
    try:
        return read()
    except UnidentifiedImageError:
        return Failure.NOT_A_PHOTO
    except Image.DecompressionBombError:  # Pillow's own limit, disabled in the worker processes
        return Failure.TOO_MANY_PIXELS
    except NoPreview:
        return Failure.NO_PREVIEW
    except MemoryError:
        return Failure.OUT_OF_MEMORY
    except Exception:  # decoders raise various errors for damaged files
        return Failure.DAMAGED


def _metadata(image: Image.Image, file: BinaryIO, path: str) -> Metadata:
    if image.format == "PNG":
        image.load()  # its text may follow the pixels
    metadata = read_metadata(image)
    if is_raw(path):
        return replace(read_container(file).completed_by(metadata), orientation=metadata.orientation)
    return metadata


def _load_truncated(content: bytes, detail: Size) -> Image.Image:
    """Load a JPEG that lacks its last bytes. Raises OSError if most of the picture is missing."""
    try:
        image = _load_drafted(content + _END_OF_JPEG, detail)
    except OSError:  # it ends in the header of a scan: the scans before it are complete
        last_header = max(content.rfind(marker) for marker in _SCAN_MARKERS)
        image = _load_drafted(content[:last_header] + _END_OF_JPEG, detail)
    values = np.asarray(image).reshape(image.height, image.width, -1)
    filler = np.abs(values.astype(np.int16) - _MIDDLE_GREY).max(axis=2) <= 1
    if filler.mean() > _MAX_MISSING:
        raise OSError("most of the picture is missing")
    return image


def _load_drafted(content: bytes, detail: Size) -> Image.Image:
    image = Image.open(io.BytesIO(content), formats=FORMATS)
    image.draft(None, detail)
    image.load()
    return image


def _open_image(file: BinaryIO, path: str) -> Image.Image:
    """Open the photo at `path`, whose bytes are in `file`, or the preview of a RAW file. Pixels are not loaded yet.

    Raises UnidentifiedImageError, NoPreview, or what a decoder raises for a damaged file.
    """
    preview = open_preview(file) if is_raw(path) else None
    return Image.open(file, formats=FORMATS) if preview is None else preview


def _upright(image: Image.Image, orientation: int | None) -> Image.Image:
    turn = _TURNS.get(orientation or 1)
    return image if turn is None else image.transpose(turn)
