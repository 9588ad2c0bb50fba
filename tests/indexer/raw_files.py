"""A small DNG as a camera writes it: raw pixels, and a JPEG preview to look at."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

_SHORT, _LONG, _BYTE, _ASCII = 3, 4, 1, 2
_FORMATS = {_SHORT: "H", _LONG: "I", _BYTE: "B"}
Entry = tuple[int, int, tuple[int, ...] | bytes]


def dng(
    preview: Image.Image | None, *, size: tuple[int, int] = (120, 80), orientation: int = 1, taken: str = ""
) -> bytes:
    """The bytes of one with that preview and noise for raw pixels of that width and height."""
    width, height = size
    pixels = np.random.default_rng(0).integers(0, 4096, (height, width)).astype("<u2").tobytes()
    jpeg = io.BytesIO()
    if preview is not None:
        preview.save(jpeg, "JPEG", quality=90)
    content = bytearray(b"II*\0" + bytes(4))

    def put(data: bytes) -> int:
        content.extend(bytes(len(content) % 2))
        content.extend(data)
        return len(content) - len(data)

    def directory(entries: list[Entry]) -> int:
        packed = b""
        for tag, kind, value in sorted(entries):
            data = value if isinstance(value, bytes) else struct.pack(f"<{len(value)}{_FORMATS[kind]}", *value)
            field = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack("<I", put(data))
            packed += struct.pack("<HHI", tag, kind, len(value)) + field
        return put(struct.pack("<H", len(entries)) + packed + bytes(4))

    raw: list[Entry] = [
        *((254, _LONG, (0,)), (256, _LONG, (width,)), (257, _LONG, (height,)), (258, _SHORT, (16,))),
        *((259, _SHORT, (1,)), (262, _SHORT, (32803,)), (277, _SHORT, (1,)), (278, _LONG, (height,))),
        *((273, _LONG, (put(pixels),)), (279, _LONG, (len(pixels),)), (50717, _SHORT, (4095,))),
        *((33421, _SHORT, (2, 2)), (33422, _BYTE, b"\0\1\1\2")),  # red, green, green, blue
    ]
    camera: list[Entry] = [
        *((271, _ASCII, b"Canon\0"), (272, _ASCII, b"EOS R5\0"), (274, _SHORT, (orientation,))),
        *((50706, _BYTE, b"\1\4\0\0"), (50708, _ASCII, b"Canon EOS R5\0"), (270, _ASCII, b"a title in the file\0")),
        (34665, _LONG, (directory([(36867, _ASCII, f"{taken}\0".encode())]),)),
    ]
    if preview is None:
        first = directory([*raw, *camera])
    else:
        data = jpeg.getvalue()
        look: list[Entry] = [
            *((254, _LONG, (1,)), (256, _LONG, (preview.width,)), (257, _LONG, (preview.height,))),
            *((258, _SHORT, (8, 8, 8)), (259, _SHORT, (7,)), (262, _SHORT, (6,)), (277, _SHORT, (3,))),
            *((273, _LONG, (put(data),)), (278, _LONG, (preview.height,)), (279, _LONG, (len(data),))),
            (330, _LONG, (directory(raw),)),
        ]
        first = directory([*look, *camera])
    content[4:8] = struct.pack("<I", first)
    return bytes(content)
