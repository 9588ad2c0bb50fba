"""Images that are no photos, drawn on the spot: real folders hold plain walls, icons, screenshots and noise too."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_SIZE = (320, 240)
_PLAIN = ("tan", "white", "black", "grey", "skyblue", "darkgreen")
_LINES = (
    "Settings    Account    Help    Sign out",
    "Your order 48213 has been shipped.",
    "Total 12.40    Tax 1.98    Paid by card",
    "def main(): return load(path).run()",
    "Error 404: the page was not found",
    "Chapter 3. On the nature of things",
    "Mon 9:00 meeting   Tue 14:30 dentist",
    "From: office   To: all   Subject: lunch",
)


@dataclass(frozen=True)
class DrawnImage:
    """An image and what it is: `plain`, `gradient`, `noise`, `logo`, `text` or `icon`."""

    kind: str
    image: Image.Image

    def png(self) -> bytes:
        """The image as a file."""
        file = io.BytesIO()
        self.image.save(file, "PNG")
        return file.getvalue()


def drawn_images(seed: int = 0) -> list[DrawnImage]:
    """Forty of them, always the same for a seed."""
    random = np.random.default_rng(seed)
    kinds: list[tuple[str, int, Callable[[int, np.random.Generator], Image.Image]]] = [
        ("plain", len(_PLAIN), _plain),
        ("gradient", 6, _gradient),
        ("noise", 4, _noise),
        ("logo", 8, _logo),
        ("text", 8, _text),
        ("icon", 8, _icon),
    ]
    return [DrawnImage(kind, draw(row, random)) for kind, count, draw in kinds for row in range(count)]


def _plain(row: int, _: np.random.Generator) -> Image.Image:
    return Image.new("RGB", _SIZE, _PLAIN[row])


def _gradient(row: int, random: np.random.Generator) -> Image.Image:
    start, end = random.integers(0, 256, (2, 3))
    width, height = _SIZE
    steps = np.linspace(0, 1, width)[None, :, None] if row % 2 else np.linspace(0, 1, height)[:, None, None]
    return _image(np.broadcast_to(start + (end - start) * steps, (height, width, 3)))


def _noise(row: int, random: np.random.Generator) -> Image.Image:
    """From fine to coarse."""
    width, height = _SIZE[0] >> 2 * row, _SIZE[1] >> 2 * row
    return _image(random.integers(0, 256, (height, width, 3))).resize(_SIZE)


def _logo(_: int, random: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", _SIZE, _colour(random, 200))
    draw = ImageDraw.Draw(image)
    x, y = (int(number) for number in random.integers(40, 100, 2))
    shapes = (draw.ellipse, draw.rectangle, draw.rounded_rectangle)
    for shape in random.permutation(len(shapes)).tolist():
        box = (x, y, x + int(random.integers(60, 160)), y + int(random.integers(40, 100)))
        shapes[shape](box, fill=_colour(random, 0))
        x, y = x + 20, y + 10
    draw.text((30, 190), "ACME & Co.", fill=_colour(random, 0), font=ImageFont.load_default(36))
    return image


def _text(row: int, random: np.random.Generator) -> Image.Image:
    dark = bool(row % 2)
    image = Image.new("RGB", (400, 300), (24, 24, 28) if dark else (250, 250, 250))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 400, 24), fill=_colour(random, 60))
    for line in range(10):
        text = _LINES[int(random.integers(len(_LINES)))]
        fill = (230, 230, 230) if dark else (20, 20, 20)
        draw.text((12, 36 + 24 * line), text, fill=fill, font=ImageFont.load_default(14))
    return image


def _icon(row: int, random: np.random.Generator) -> Image.Image:
    image = Image.new("RGB", (16, 16), "white" if row % 2 else _colour(random, 0))
    draw = ImageDraw.Draw(image)
    if row % 4 < 2:
        draw.ellipse((2, 2, 13, 13), fill=_colour(random, 0))
    else:
        draw.polygon(((8, 1), (14, 14), (1, 14)), fill=_colour(random, 0))
    draw.line((4, 8, 11, 8), fill="white", width=2)
    return image


def _colour(random: np.random.Generator, darkest: int) -> tuple[int, int, int]:
    red, green, blue = random.integers(darkest, 256, 3).tolist()
    return red, green, blue


def _image(values: NDArray[np.floating] | NDArray[np.integer]) -> Image.Image:
    return Image.fromarray(np.asarray(values, dtype=np.uint8))
