"""Files that mean harm, and files to which harm was done: for `test_hostile_files` and `benchmarks.hostile`."""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from random import Random

import numpy as np
import piexif
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.indexer.raw_files import dng

_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title><rdf:Alt><rdf:li>%s</rdf:li></rdf:Alt>'
    b"</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (97 + level, b"&%c;" % (96 + level) * 10) for level in range(1, 10))
    + b"]><l>&j;</l>"
)


@cache
def sound() -> dict[str, bytes]:
    """Photos in every format and many a variant, by name; all can be read."""
    blocks = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    colour = Image.fromarray(blocks).resize((96, 72), Image.Resampling.BICUBIC)
    frames = [colour.rotate(angle) for angle in (0, 90, 180)]
    clear = colour.copy()
    clear.putalpha(128)
    deep = Image.fromarray(np.asarray(colour.convert("L")).astype(np.uint16) * 257)
    notes = PngInfo()
    notes.add_itxt("XML:com.adobe.xmp", (_XMP % b"a title").decode())
    notes.add_text("Comment", "a comment", zip=True)
    exif = piexif.dump(
        {
            "0th": {piexif.ImageIFD.Make: b"Canon", piexif.ImageIFD.Model: b"EOS", piexif.ImageIFD.Orientation: 6},
            "Exif": {piexif.ExifIFD.DateTimeOriginal: b"2021:07:14 12:00:00"},
            "GPS": {piexif.GPSIFD.GPSLatitudeRef: b"N", piexif.GPSIFD.GPSLatitude: ((48, 1), (8, 1), (0, 1))},
        }
    )
    animated = {"save_all": True, "append_images": frames[1:]}
    return {
        "exif.jpg": _saved(colour, "JPEG", exif=exif, xmp=_XMP % b"a title"),
        "progressive.jpg": _saved(colour, "JPEG", progressive=True),
        "grey.jpg": _saved(colour.convert("L"), "JPEG"),
        "cmyk.jpg": _saved(colour.convert("CMYK"), "JPEG"),
        "rgb.png": _saved(colour, "PNG", pnginfo=notes, exif=exif),
        "clear.png": _saved(clear, "PNG"),
        "palette.png": _saved(colour.quantize(16), "PNG"),
        "deep.png": _saved(deep, "PNG"),
        "bits.png": _saved(colour.convert("1"), "PNG"),
        "animated.png": _saved(colour, "PNG", **animated),
        "animated.gif": _saved(colour, "GIF", **animated),
        "lossy.webp": _saved(colour, "WEBP", exif=exif, xmp=_XMP % b"a title"),
        "lossless.webp": _saved(clear, "WEBP", lossless=True),
        "animated.webp": _saved(colour, "WEBP", **animated),
        "plain.bmp": _saved(colour, "BMP"),
        "palette.bmp": _saved(colour.quantize(256), "BMP"),
        "plain.tif": _saved(colour, "TIFF", exif=exif),
        "lzw.tif": _saved(colour, "TIFF", compression="tiff_lzw"),
        "deflate.tif": _saved(colour, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": _saved(colour, "TIFF", compression="jpeg"),
        "deep.tif": _saved(deep, "TIFF"),
        "float.tif": _saved(colour.convert("F"), "TIFF"),
        "cmyk.tif": _saved(colour.convert("CMYK"), "TIFF"),
        "photo.heic": _saved(colour, "HEIF", exif=exif),
        "photo.hif": _saved(colour, "HEIF"),
        "burst.heics": _saved(colour, "HEIF", **animated),
        "photo.avif": _saved(colour, "AVIF", exif=exif),
        "animated.avifs": _saved(colour, "AVIF", **animated),
        "pair.mpo": _saved(colour, "MPO", **animated),
        **({"photo.dng": dng(colour)} if find_spec("rawpy") else {}),
    }


@cache
def hostile() -> dict[str, bytes]:
    """Files made by hand that lie, swell, loop or are two things at once."""
    whole = sound()
    jpeg, png, tiff = whole["exif.jpg"], whole["rgb.png"], whole["plain.tif"]
    files = {
        "empty.jpg": b"",
        "nulls.jpg": bytes(10_000),
        "one-byte.png": b"\x89",
        "text.webp": b"RIFF but not really",
        "zip.jpg": _zip(),
        "html.gif": b"<html><script>alert(1)</script></html>",
        "postscript.jpg": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n",
        "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "bomb-bits.png": _saved(Image.new("1", (20_000, 10_000)), "PNG"),
        "bomb-claimed.png": _png(2**31 - 1, 2**31 - 1, b""),
        "bomb-square.png": _png(65_000, 65_000, zlib.compress(bytes(100_000))),
        "bomb-within-limits.png": _png(13_000, 13_000, zlib.compress(bytes(13_000 * 13_001))),
        "no-pixels.png": _png(0, 0, b""),
        "too-few-pixels.png": _png(3000, 3000, zlib.compress(b"x")),
        "text-bomb.png": _with_chunk(png, b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200 * 1024**2), 9)),
        "profile-bomb.png": _with_chunk(png, b"iCCP", b"x\0\0" + zlib.compress(bytes(200 * 1024**2), 9)),
        "laughs.png": _with_chunk(png, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + _LAUGHS),
        "laughs.jpg": _saved(Image.new("RGB", (8, 8)), "JPEG", xmp=_LAUGHS),
        "bomb-claimed.jpg": jpeg.replace(struct.pack(">HH", 72, 96), b"\xff\xdc\xff\xdc", 1),
        "bomb-claimed.gif": b"GIF89a\xff\xff\xff\xff\xf0\0\0"
        + bytes(6)
        + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;",
        "bomb-claimed.bmp": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        "upside-down.bmp": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 58, 0, 0, 54, 40, 1, -1, 1, 24, 0, 4, 0, 0, 0, 0)
        + b"abcd",
        "loop.tif": _tiff(next_directory=8),
        "loop-of-directories.jpg": _saved(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + _tiff(exif_at=8)),
        "counts-lie.jpg": _saved(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + _tiff(count=2**32 - 1)),
        "offset-lies.jpg": _saved(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + _tiff(next_directory=2**32 - 2)),
        "jpeg-then-zip.jpg": jpeg + _zip(),
        "zip-then-jpeg.jpg": _zip() + jpeg,
        "gif-then-zip.gif": whole["animated.gif"] + _zip(),
        "png-then-script.png": png + b"<?php system($_GET[0]); ?>",
        "tiff-in-jpeg.jpg": _saved(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + tiff),
        "jpeg-named.png": jpeg,
        "png-named.heic": png,
        "heic-named.tif": whole["photo.heic"],
    }
    for number, (tag, value) in enumerate(_LIES):
        lying = Image.Exif()
        lying[tag] = value
        files[f"exif-lie-{number}.jpg"] = _saved(Image.new("RGB", (8, 6)), "JPEG", exif=lying.tobytes())
    for suffix, format in (
        ("jpg", "JPEG"),
        ("png", "PNG"),
        ("gif", "GIF"),
        ("webp", "WEBP"),
        ("bmp", "BMP"),
        ("tif", "TIFF"),
        ("heic", "HEIF"),
    ):
        files[f"one-pixel.{suffix}"] = _saved(Image.new("RGB", (1, 1)), format)
        if suffix not in ("webp", "heic"):  # they know no photos so long
            files[f"ribbon.{suffix}"] = _saved(Image.new("RGB", (30_000, 10)), format)
            files[f"tower.{suffix}"] = _saved(Image.new("RGB", (10, 30_000)), format)
    return files


_LIES: tuple[tuple[int, int | str], ...] = (
    *((0x0112, orientation) for orientation in (0, 9, 255, 65535)),
    (0x0132, "9999:99:99 99:99:99"),
    (0x010F, "\x1b[2J" * 100),
    (0x010E, "A" * 60_000),
)


def mutated(seed: int) -> Iterator[tuple[str, bytes]]:
    """Sound photos spoilt in ever other ways, without end; named by what was done."""
    random, whole = Random(seed), list(sound().items())
    for number in itertools.count():
        name, content = whole[number % len(whole)]
        kind = random.choice(_WAYS)
        spoilt = bytearray(content)
        match kind:
            case "cut":
                del spoilt[random.randrange(len(spoilt)) :]
            case "cut-early":
                del spoilt[random.randrange(1, 64) :]
            case "flipped":
                for _ in range(random.randint(1, 8)):
                    spoilt[random.randrange(len(spoilt))] ^= 1 << random.randrange(8)
            case "flipped-in-header":
                for _ in range(random.randint(1, 4)):
                    spoilt[random.randrange(min(200, len(spoilt)))] ^= 1 << random.randrange(8)
            case "overwritten":
                at = random.randrange(len(spoilt))
                spoilt[at : at + random.randint(1, 64)] = random.randbytes(random.randint(1, 64))
            case "number-lies":
                at = random.randrange(len(spoilt))
                spoilt[at : at + 4] = random.choice((b"\xff" * 4, b"\x7f\xff\xff\xff", bytes(4), b"\x80\0\0\0"))
            case "repeated":
                at, size = random.randrange(len(spoilt)), random.randint(1, 400)
                spoilt[at:at] = spoilt[at : at + size] * random.randint(1, 20)
            case "spliced":
                other = random.choice(whole)[1]
                spoilt[random.randrange(len(spoilt)) :] = other[random.randrange(len(other)) :]
        stem, _, suffix = name.rpartition(".")
        yield f"{number:05}-{kind}-{stem}.{suffix}", bytes(spoilt)


_WAYS = ("cut", "cut-early", "flipped", "flipped-in-header", "overwritten", "number-lies", "repeated", "spliced")


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(10**7))
    return file.getvalue()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, packed: bytes) -> bytes:
    """One of grey pixels that claims that size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")


def _with_chunk(png: bytes, kind: bytes, content: bytes) -> bytes:
    after_header = 8 + 25
    return png[:after_header] + _chunk(kind, content) + png[after_header:]


def _tiff(*, next_directory: int = 0, exif_at: int = 26, count: int = 1) -> bytes:
    """A directory with a pointer to another, which may be itself."""
    pointer = struct.pack("<HHII", 0x8769, 4, count, exif_at)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 1) + pointer + struct.pack("<I", next_directory)
