"""Photos are learned from as they are indexed: colours do not depend on the way a photo takes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from indexer.decoding import ReadPhoto, read_photo
from model.data.importing import import_photos
from model.data.shards import CaptionedPhoto, read_shards
from model.data.source import SourcePhoto
from model.image_processor import PixelBertImageProcessor

SIDE = 64
PROCESSOR = PixelBertImageProcessor(image_size=SIDE)
RAMP = np.linspace(0, 255, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint8)
LEFT = np.broadcast_to(np.arange(SIDE) < SIDE // 2, (SIDE, SIDE))


def palette(transparent: int) -> Image.Image:
    image = Image.fromarray(np.where(LEFT, 1, 0).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 200, 40, 40])
    image.info["transparency"] = transparent
    return image


PICTURES = {
    "nothing but transparency": Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)),
    "half transparent": Image.fromarray(np.dstack([RAMP, RAMP, RAMP, np.where(LEFT, 90, 255).astype(np.uint8)])),
    "transparent grey": Image.fromarray(np.dstack([RAMP, np.where(LEFT, 0, 255).astype(np.uint8)]), "LA"),
    "palette with a transparent colour": palette(1),
    "16 bits": Image.fromarray(RAMP.astype(np.uint16) << 8),
    "12 bits in 16": Image.fromarray(RAMP.astype(np.uint16) << 4),
    "colours": Image.fromarray(np.dstack([RAMP, RAMP.T, 255 - RAMP])),
}


@pytest.fixture(params=PICTURES)
def picture(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    PICTURES[request.param].save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def indexed(path: Path) -> NDArray[np.int64]:
    read = read_photo(str(path), frozenset(), PROCESSOR)
    assert isinstance(read, ReadPhoto)
    assert read.picture is not None
    return read.picture.pixels.astype(np.int64)


def test_an_imported_photo_has_the_colours_of_an_indexed_one(picture: Path, tmp_path: Path) -> None:
    source = SourcePhoto("photo", picture, ("x",), "train")
    report = import_photos([source], tmp_path / "out", dataset="mine", short_side=SIDE, progress=False)
    (photo,) = read_shards([Path(shard) for shard in report.shards])
    apart = np.abs(photo.decode(PROCESSOR) - indexed(picture))
    assert apart.mean() < 4, "it is a JPEG by now"


def test_a_photo_in_a_shard_of_others_has_them_too(picture: Path) -> None:
    photo = replace(CaptionedPhoto("photo", b"", ("x",), "theirs", "train"), jpeg=picture.read_bytes())
    assert np.array_equal(photo.decode(PROCESSOR), indexed(picture))
