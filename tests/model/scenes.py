"""Generated scenes: two coloured shapes and a sentence that says which is which."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from model.data.shards import CaptionedPhoto, HardNegative, write_shard

COLOURS = {
    "red": (210, 40, 40),
    "green": (40, 170, 60),
    "blue": (50, 80, 220),
    "yellow": (230, 210, 40),
    "white": (250, 250, 250),
}
SHAPES = ("circle", "square", "triangle")
THINGS = [(colour, shape) for colour in COLOURS for shape in SHAPES]
Scene = tuple[str, str, str, str]  # colour, shape, colour, shape


def scenes() -> list[Scene]:
    """Every scene of two different colours and two different shapes, each pair of things once."""
    return [
        (*one, *other) for one, other in itertools.combinations(THINGS, 2) if one[0] != other[0] and one[1] != other[1]
    ]


def swapped(scene: Scene) -> Scene:
    """The same scene with its two colours swapped, told in the order in which every scene is told."""
    one, other = sorted([(scene[2], scene[1]), (scene[0], scene[3])], key=THINGS.index)
    return (*one, *other)


def caption(scene: Scene) -> str:
    """What it shows."""
    return f"a {scene[0]} {scene[1]} and a {scene[2]} {scene[3]}"


def draw(scene: Scene, random: np.random.Generator) -> bytes:
    """A JPEG of the scene: places, sizes and the background vary."""
    background = tuple(int(value) for value in random.integers(100, 160, 3))
    image = Image.new("RGB", (128, 128), background)
    pen = ImageDraw.Draw(image)
    left, right = (0, 64) if random.random() < 0.5 else (64, 0)
    for colour, shape, offset in ((scene[0], scene[1], left), (scene[2], scene[3], right)):
        size = int(random.integers(34, 54))
        x, y = offset + int(random.integers(2, 62 - size)), int(random.integers(4, 122 - size))
        box = (x, y, x + size, y + size)
        if shape == "circle":
            pen.ellipse(box, fill=COLOURS[colour])
        elif shape == "square":
            pen.rectangle(box, fill=COLOURS[colour])
        else:
            pen.polygon([(x, y + size), (x + size, y + size), (x + size // 2, y)], fill=COLOURS[colour])
    file = io.BytesIO()
    image.save(file, "JPEG", quality=92)
    return file.getvalue()


def photos(count: int, split: str, seed: int) -> list[CaptionedPhoto]:
    """`count` scenes in turn, each drawn anew; a hard negative has the colours swapped."""
    random, every = np.random.default_rng(seed), scenes()
    made = []
    for row in range(count):
        scene = every[row % len(every)]
        wrong = HardNegative(caption(scene), caption(swapped(scene)), "swap_colour")
        made.append(
            CaptionedPhoto(f"{split}-{row:05d}", draw(scene, random), (caption(scene),), "scenes", split, (wrong,))
        )
    return made


def write_scenes(path: Path, *, train: int = 1500, dev: int = 60) -> Path:
    """A shard of scenes with a train and a dev split."""
    write_shard(path, photos(train, "train", 1) + photos(dev, "dev", 2))
    return path
