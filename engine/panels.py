"""An explanation as one picture: the photo, and a heat map on the photo for each word that has one."""

from __future__ import annotations

from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from engine.explain import ExplainedFile, WordEvidence, heat
from indexer.library.text_analysis import without_accents

_SIDE = 320  # pixels of a panel's longer side
_GAP, _CAPTION, _SCALE_WIDTH = 12, 20, 160
_LINE = round(1.4 * _CAPTION)
_ASPECT_RATIO = 1.5  # of the page, about
_LEGEND = "from dark to yellow: where the word is seen"
_TIMES = "x11: people use the word for a photo like this one at 11 times the usual odds"
_INK, _PAPER, _MIDDLE = "black", "white", (128, 128, 128)


def draw_panels(explained: ExplainedFile) -> Image.Image:
    """The page: the sentence and what its words say above, the panels in rows, the scale of the colours below."""
    scale = _SIDE / max(explained.photo.size)
    size = max(1, round(scale * explained.photo.width)), max(1, round(scale * explained.photo.height))
    photo = explained.photo.resize(size, Image.Resampling.LANCZOS)
    explanation = explained.explanation
    panels = [(f"match {explanation.match:.0%}", photo)]
    for word in explanation.words:
        if word.map is not None:
            panel = photo.copy()
            panel.paste(overlay := heat(word.map, size), mask=overlay)
            panels.append((_said(word), panel))

    cell_width, cell_height = max(size[0], _SCALE_WIDTH) + _GAP, size[1] + _LINE + _GAP
    columns = min(len(panels), max(1, round((len(panels) * _ASPECT_RATIO * cell_height / cell_width) ** 0.5)))
    width = _GAP + columns * cell_width
    said = ", ".join(_said(word) for word in explanation.words)
    above = [line for text in (explanation.sentence, said) for line in _lines(text, width - 2 * _GAP)]
    below = _lines(f"{_LEGEND}; {_TIMES}" if len(panels) > 1 else _TIMES, width - 2 * _GAP)
    top = 2 * _GAP + _LINE * len(above)
    bottom = top + -(-len(panels) // columns) * cell_height
    page = Image.new("RGB", (width, bottom + _LINE * (1 + len(below)) + _GAP), _PAPER)
    _write(page, above, (_GAP, _GAP))
    for number, (caption, panel) in enumerate(panels):
        corner = _GAP + number % columns * cell_width, top + number // columns * cell_height
        _write(page, _lines(caption, size[0])[:1], corner)
        page.paste(panel, (corner[0], corner[1] + _LINE))
    if len(panels) > 1:
        scale_size = _SCALE_WIDTH, _CAPTION
        page.paste(_MIDDLE, (_GAP, bottom, _GAP + _SCALE_WIDTH, bottom + _CAPTION))
        page.paste(
            overlay := heat(np.linspace(0, 1, 64, dtype=np.float32)[None], scale_size), (_GAP, bottom), mask=overlay
        )
    _write(page, below, (_GAP, bottom + _LINE))
    return page


def _said(word: WordEvidence) -> str:
    return f"{word.word}: no evidence" if word.strength == "none" else f"{word.word} x{word.odds}"


def _write(page: Image.Image, lines: list[str], corner: tuple[int, int]) -> None:
    pen, (left, top) = ImageDraw.Draw(page), corner
    for number, line in enumerate(lines):
        pen.text((left, top + number * _LINE), line, fill=_INK, font=_font())


def _lines(text: str, width: int) -> list[str]:
    """`text` in lines of up to `width` pixels; a longer word is cut."""
    lines = [""]
    for word in _ascii(text).split():
        while _font().getlength(word) > width:
            word = word[:-1]
        longer = f"{lines[-1]} {word}".strip()
        if _font().getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _ascii(text: str) -> str:
    """Without accents, which the font of Pillow does not have."""
    return without_accents(text).encode("ascii", "ignore").decode()


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_CAPTION)
