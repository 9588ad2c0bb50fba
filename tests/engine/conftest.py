"""The fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import piexif
import pytest
from PIL import Image

from engine.search import SearchEngine
from tests.engine.libraries import PHOTO_COUNT, index, indexed, library, other_weights, photos, weights, word_weights

__all__ = ["indexed", "library", "other_weights", "photos", "weights", "word_weights"]


@pytest.fixture(scope="session")
def dated(tmp_path_factory: pytest.TempPathFactory, photos: Path, weights: Path) -> Iterator[SearchEngine]:
    """The scenes, taken one a year from 2010 on; the first half with a Canon."""
    folder = tmp_path_factory.mktemp("dated")
    for row, path in enumerate(sorted(path for path in photos.rglob("*.jpg") if path.name != "broken.jpg")):
        exif: dict[str, dict[int, Any]] = {
            "0th": {piexif.ImageIFD.Model: b"Canon EOS 80D" if row < PHOTO_COUNT // 2 else b"Pixel 7"},
            "Exif": {piexif.ExifIFD.DateTimeOriginal: f"{2010 + row}:06:15 12:00:00".encode()},
        }
        with Image.open(path) as image:
            image.save(folder / f"{2010 + row}.jpg", quality=95, exif=piexif.dump(exif))
    library = tmp_path_factory.mktemp("dated-library")
    index(library, folder, weights)
    with SearchEngine.open(library, weights=weights, device="cpu") as engine:
        yield engine
