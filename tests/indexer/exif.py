"""Photos with EXIF as a camera writes it, and byte by byte as other programs write it."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import piexif
from PIL import Image


def _degrees(value: float) -> tuple[tuple[int, int], ...]:
    return ((round(abs(value) * 10_000), 10_000), (0, 1), (0, 1))


def photo(
    path: Path,
    *,
    taken: str | None = None,
    offset: str | None = None,
    camera: str | None = None,
    lens: str | None = None,
    place: tuple[float, float] | None = None,
) -> None:
    """A photo with real EXIF; no two alike. One without a date lies in a file without one."""
    exif: dict[str, dict[int, Any]] = {"0th": {}, "Exif": {}, "GPS": {}}
    if taken:
        exif["Exif"][piexif.ExifIFD.DateTimeOriginal] = taken.encode()
    if offset:
        exif["Exif"][piexif.ExifIFD.OffsetTimeOriginal] = offset.encode()
    if camera:
        exif["0th"][piexif.ImageIFD.Model] = camera.encode()
    if lens:
        exif["Exif"][piexif.ExifIFD.LensModel] = lens.encode()
    if place:
        exif["GPS"] = {
            1: b"N" if place[0] >= 0 else b"S",
            2: _degrees(place[0]),
            3: b"E" if place[1] >= 0 else b"W",
            4: _degrees(place[1]),
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = crc32(os.fsencode(path)).to_bytes(4)
    Image.new("RGB", (16, 16), tuple(colour[:3])).save(path, format="JPEG", exif=piexif.dump(exif))
    if not taken:
        os.utime(path, (0, 0))


@dataclass(frozen=True)
class Field:
    """An EXIF field: the number of its type, how many values it has, and these as bytes in the order of the block."""

    kind: int
    count: int
    little: bytes
    big: bytes


def ascii_field(text: bytes) -> Field:
    """Text in whatever bytes, with the NUL that ends it."""
    return Field(2, len(text) + 1, text + b"\0", text + b"\0")


def bytes_field(value: bytes) -> Field:
    return Field(1, len(value), value, value)


def undefined_field(value: bytes) -> Field:
    return Field(7, len(value), value, value)


def short_field(value: int) -> Field:
    return Field(3, 1, struct.pack("<H", value), struct.pack(">H", value))


def rational_field(*pairs: tuple[int, int], signed: bool = False) -> Field:
    numbers = [number for pair in pairs for number in pair]
    form = f"{len(numbers)}{'i' if signed else 'I'}"
    return Field(10 if signed else 5, len(pairs), struct.pack(f"<{form}", *numbers), struct.pack(f">{form}", *numbers))


def exif_block(
    first: dict[int, Field] | None = None,
    details: dict[int, Field] | None = None,
    gps: dict[int, Field] | None = None,
    *,
    big_endian: bool = False,
) -> bytes:
    """An EXIF block of these directories, field by field."""
    order = ">" if big_endian else "<"
    block = bytearray((b"MM\0*" if big_endian else b"II*\0") + bytes(4))

    def directory(fields: dict[int, Field]) -> int:
        packed = b""
        for tag, field in sorted(fields.items()):
            value = field.big if big_endian else field.little
            if len(value) > 4:
                block.extend(value + bytes(len(value) % 2))
                value = struct.pack(f"{order}I", len(block) - len(value) - len(value) % 2)
            packed += struct.pack(f"{order}HHI", tag, field.kind, field.count) + value.ljust(4, b"\0")
        block.extend(struct.pack(f"{order}H", len(fields)) + packed + bytes(4))
        return len(block) - len(packed) - 6

    pointers = {}
    for tag, fields in ((0x8769, details), (0x8825, gps)):
        if fields:
            at = directory(fields)
            pointers[tag] = Field(4, 1, struct.pack("<I", at), struct.pack(">I", at))
    block[4:8] = struct.pack(f"{order}I", directory({**(first or {}), **pointers}))
    return b"Exif\0\0" + bytes(block)


def jpeg(*segments: tuple[int, bytes], colour: tuple[int, int, int] = (90, 120, 30)) -> bytes:
    """A small JPEG with these marker segments right at its start."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(file, "JPEG")
    plain = file.getvalue()
    packed = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return plain[:2] + packed + plain[2:]


APP1, APP13 = 0xE1, 0xED
XMP_SIGNATURE = b"http://ns.adobe.com/xap/1.0/\0"


def iptc_segment(*records: tuple[int, int, bytes]) -> tuple[int, bytes]:
    """As Photoshop writes it."""
    block = b"".join(struct.pack(">BBBH", 0x1C, record, tag, len(value)) + value for record, tag, value in records)
    resource = b"8BIM" + struct.pack(">H2xI", 0x0404, len(block)) + block + b"\0" * (len(block) % 2)
    return APP13, b"Photoshop 3.0\0" + resource


_NAMESPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "exif": "http://ns.adobe.com/exif/1.0/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}


def xmp_packet(*, elements: str = "", **attributes: str) -> bytes:
    """XMP with plain properties as attributes (`exif__GPSLatitude="48,8N"`) and whatever else as elements."""
    names = " ".join(f'xmlns:{prefix}="{address}"' for prefix, address in _NAMESPACES.items())
    plain = " ".join(f'{name.replace("__", ":")}="{value}"' for name, value in attributes.items())
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">
      <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" {names} {plain}>
      {elements}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()
