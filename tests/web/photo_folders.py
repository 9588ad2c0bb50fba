"""Photos of all shapes, for the tests of the page of one photo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import piexif
from PIL import Image

SHAPES = {"panorama": (3000, 300), "tall": (200, 2400), "icon": (16, 16), "large": (2600, 1800), "small": (300, 200)}
"""Width and height in pixels, by the name of the file."""
MUNICH = {1: b"N", 2: ((48137, 1000), (0, 1), (0, 1)), 3: b"E", 4: ((11575, 1000), (0, 1), (0, 1))}


def draw_shapes(folder: Path) -> Path:
    """A photo of each shape, unlike the others; `large` was taken by a Nikon in Munich."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, size) in enumerate(SHAPES.items()):
        blocks = np.random.default_rng(seed).integers(0, 256, size=(4, 6, 3), dtype=np.uint8)
        exif = {
            "0th": {piexif.ImageIFD.Make: b"NIKON CORPORATION", piexif.ImageIFD.Model: b"NIKON D750"},
            "Exif": {piexif.ExifIFD.DateTimeOriginal: b"2021:07:14 18:30:05"},
            "GPS": MUNICH,
        }
        image = Image.fromarray(blocks).resize(size, Image.Resampling.NEAREST)
        image.save(folder / f"{name}.jpg", quality=80, exif=piexif.dump(exif if name == "large" else {}))
    return folder
