"""Pictures with text in them, drawn here."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from indexer.text_extra import models_folder

needs_text = pytest.mark.skipif(models_folder() is None, reason="the extra `text` is not installed")


def sign(path: Path, *lines: str, size: tuple[int, int] = (640, 320), angle: float = 0.0) -> Path:
    """A photo of a sign with these lines, in the middle, turned by so many degrees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    board = Image.new("RGB", size, "darkgreen")
    pen, font = ImageDraw.Draw(board), ImageFont.load_default(size[1] / 6)
    for row, line in enumerate(lines):
        pen.text((size[0] / 2, size[1] * (row + 1) / (len(lines) + 1)), line, font=font, fill="white", anchor="mm")
    board.rotate(angle, expand=True, fillcolor="grey").save(path)
    return path
