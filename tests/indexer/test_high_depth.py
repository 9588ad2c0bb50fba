"""TIFF and PNG of more than eight bits a sample, written byte by byte."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.decoding import Failure, ReadPhoto, read_photo
from tests.indexer.colour_runtime import colour_processor

PROCESSOR = colour_processor()
HEIGHT, WIDTH = 30, 40
RAMP = np.linspace(0, 1, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP[:, ::-1]], axis=2)
TYPES: list[Any] = [np.uint16, np.uint32, np.int16, np.float16, np.float32, np.float64]


def tiff(
    values: NDArray[Any],
    *,
    photometric: int,
    planar: bool = False,
    big_endian: bool = False,
    deflated: bool = False,
    tiled: bool = False,
    more: dict[int, bytes] | None = None,
) -> bytes:
    """Of `values` (H, W, C), in strips of seven rows; `more` are fields of text."""
    order: Literal["<", ">"] = ">" if big_endian else "<"
    rows = 7
    height, width, samples = values.shape
    kind = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    values = values.astype(values.dtype.newbyteorder(order))
    planes = [values[..., sample] for sample in range(samples)] if planar else [values]
    strips = [plane[top : top + rows].tobytes() for plane in planes for top in range(0, height, rows)]
    strips = [zlib.compress(strip) for strip in strips] if deflated else strips
    content = bytearray((b"MM\0*" if big_endian else b"II*\0") + bytes(4))
    offsets = []
    for strip in strips:
        offsets.append(len(content))
        content += strip
    shorts = {
        256: [width],
        257: [height],
        258: [values.dtype.itemsize * 8] * samples,
        259: [8 if deflated else 1],
        262: [photometric],
        277: [samples],
        278: [rows],
        284: [2 if planar else 1],
        339: [kind] * samples,
        **({322: [16], 323: [16]} if tiled else {}),
    }
    longs = {273: offsets, 279: [len(strip) for strip in strips]}
    fields = {tag: (3, len(ns), struct.pack(f"{order}{len(ns)}H", *ns)) for tag, ns in shorts.items()}
    fields |= {tag: (4, len(ns), struct.pack(f"{order}{len(ns)}I", *ns)) for tag, ns in longs.items()}
    fields |= {tag: (2, len(text) + 1, text + b"\0") for tag, text in (more or {}).items()}
    packed = b""
    for tag, (type_number, count, value) in sorted(fields.items()):
        if len(value) > 4:
            content += value
            value = struct.pack(f"{order}I", len(content) - len(value))
        packed += struct.pack(f"{order}HHI", tag, type_number, count) + value.ljust(4, b"\0")
    content[4:8] = struct.pack(f"{order}I", len(content))
    return bytes(content + struct.pack(f"{order}H", len(fields)) + packed + bytes(4))


def png(values: NDArray[np.uint16]) -> bytes:
    """Grey (H, W), colours (H, W, 3), or with transparency (H, W, 4)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, *samples = values.shape
    colour_type = {(): 0, (3,): 2, (4,): 6}[tuple(samples)]
    lines = b"".join(b"\0" + line.tobytes() for line in values.astype(">u2"))
    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def scaled(values: NDArray[Any], dtype: Any, bits: int = 0) -> NDArray[Any]:
    if np.issubdtype(dtype, np.floating):
        return values.astype(dtype)
    largest = (1 << bits) - 1 if bits else np.iinfo(dtype).max
    return (values * largest).astype(dtype)


def read(path: Path, content: bytes) -> ReadPhoto | Failure:
    path.write_bytes(content)
    return read_photo(str(path), frozenset(), PROCESSOR)


def pixels(path: Path, content: bytes) -> NDArray[np.float64]:
    result = read(path, content)
    assert isinstance(result, ReadPhoto), result
    assert result.picture is not None
    assert (result.picture.width, result.picture.height) == (WIDTH, HEIGHT)
    return result.picture.pixels.astype(float)


def expected(path: Path, values: NDArray[Any]) -> NDArray[np.float64]:
    """What is seen of `values` from 0 to 1 in eight bits."""
    Image.fromarray((values * 255).astype(np.uint8)).save(path)
    return pixels(path, path.read_bytes())


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("deflated", [False, True])
def test_colours_of_many_bits_are_read_as_in_eight(
    tmp_path: Path, dtype: Any, planar: bool, big_endian: bool, deflated: bool
) -> None:
    content = tiff(scaled(COLOURS, dtype), photometric=2, planar=planar, big_endian=big_endian, deflated=deflated)
    assert np.abs(pixels(tmp_path / "photo.tif", content) - expected(tmp_path / "plain.png", COLOURS)).mean() < 2


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_grey_of_many_bits_is_read_as_in_eight(tmp_path: Path, dtype: Any, white_is_zero: bool) -> None:
    stored = 1 - RAMP if white_is_zero else RAMP
    content = tiff(scaled(stored[..., None], dtype), photometric=0 if white_is_zero else 1)
    assert np.abs(pixels(tmp_path / "photo.tif", content) - expected(tmp_path / "plain.png", RAMP)).mean() < 2


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_upper_bits_that_are_empty_do_not_make_it_black(tmp_path: Path, bits: int) -> None:
    grey, colours = scaled(RAMP, np.uint16, bits), scaled(COLOURS, np.uint16, bits)
    for name, content, values in (
        ("grey.png", png(grey), RAMP),
        ("colours.png", png(colours), COLOURS),
        ("opaque.png", png(np.concatenate([colours, np.full((HEIGHT, WIDTH, 1), 65535, np.uint16)], axis=2)), COLOURS),
        ("grey.tif", tiff(grey[..., None], photometric=1), RAMP),
        ("colours.tif", tiff(colours, photometric=2), COLOURS),
    ):
        assert np.abs(pixels(tmp_path / name, content) - expected(tmp_path / "plain.png", values)).mean() < 2


def test_a_black_picture_stays_black(tmp_path: Path) -> None:
    for shape in ((HEIGHT, WIDTH), (HEIGHT, WIDTH, 3)):
        assert pixels(tmp_path / "photo.png", png(np.zeros(shape, np.uint16))).max() == 0


def test_what_is_no_number_harms_no_other(tmp_path: Path) -> None:
    values = scaled(COLOURS, np.float32)
    values[0, 0], values[0, 1] = np.nan, np.inf
    content = tiff(values, photometric=2)
    assert np.abs(pixels(tmp_path / "photo.tif", content) - expected(tmp_path / "plain.png", COLOURS)).mean() < 3


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    clear = np.concatenate([COLOURS, np.zeros((HEIGHT, WIDTH, 1))], axis=2)
    assert pixels(tmp_path / "photo.tif", tiff(scaled(clear, np.uint16), photometric=2, planar=True)).min() > 250


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_its_metadata_is_read(tmp_path: Path, dtype: Any) -> None:
    more = {271: b"Zenit", 306: b"2021:07:14 12:00:00"}
    result = read(tmp_path / "photo.tif", tiff(scaled(COLOURS, dtype), photometric=2, more=more))
    assert isinstance(result, ReadPhoto)
    assert result.picture is not None
    assert (result.picture.metadata.camera, result.picture.metadata.taken_source) == ("Zenit", "exif")


@pytest.mark.parametrize(
    "content",
    [
        tiff(scaled(COLOURS, np.uint16), photometric=2, planar=True, tiled=True),
        tiff(scaled(COLOURS, np.float32), photometric=2, tiled=True),
        tiff(scaled(np.repeat(COLOURS, 3, axis=2), np.float32), photometric=2),
    ],
    ids=["planes in tiles", "floating point in tiles", "nine samples"],
)
def test_what_is_not_read_is_refused_with_that_reason(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path / "photo.tif", content) is Failure.UNKNOWN_TIFF


@pytest.mark.parametrize("deflated", [False, True])
def test_one_that_is_cut_or_lies_about_its_size_is_refused(tmp_path: Path, deflated: bool) -> None:
    content = tiff(scaled(COLOURS, np.uint16), photometric=2, planar=True, deflated=deflated)
    assert isinstance(read(tmp_path / "photo.tif", content[:200]), Failure)
    for claimed, failure in ((60_000, Failure.TOO_MANY_PIXELS), (50, Failure.DAMAGED)):
        lying = bytearray(content)
        for tag in (256, 257):
            at = lying.index(struct.pack("<HHI", tag, 3, 1))
            lying[at + 8 : at + 10] = struct.pack("<H", claimed)
        assert read(tmp_path / "photo.tif", bytes(lying)) is failure
