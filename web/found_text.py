"""The text in a photo, as lines to lay over it. An SVG has them as text, which can be selected and copied."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from indexer.library.found_text import FoundText
from indexer.library.photo import PhotoRecord
from web.service import current_service

_BASELINE = 0.22
"""How far above its lower edge the baseline of a line is, as a share of its height."""


@dataclass(frozen=True)
class TextLine:
    """A line of text over a photo; lengths are in pixels of the photo."""

    text: str
    x: float
    """Where its baseline begins."""
    y: float
    angle: float
    """Degrees by which the baseline is turned clockwise."""
    length: float
    height: float
    outline: str
    """Its corners, as the attribute `points` of a polygon."""


def text_over(photo: PhotoRecord) -> list[TextLine]:
    """The lines of text in the photo."""
    return laid_out(current_service().view().found_text(photo.id), photo.width, photo.height)


def laid_out(lines: Sequence[FoundText], width: int, height: int) -> list[TextLine]:
    """The lines where they stand in a photo of that size."""
    return [_laid_out(line, width, height) for line in lines]


def _laid_out(line: FoundText, width: int, height: int) -> TextLine:
    corners = [(x * width, y * height) for x, y in line.box]
    upper_left, _, lower_right, lower_left = corners
    (left, lower), (right, end), (above, upper) = lower_left, lower_right, upper_left
    tall = math.hypot(left - above, lower - upper)
    return TextLine(
        line.text,
        round(left + _BASELINE * (above - left), 1),
        round(lower + _BASELINE * (upper - lower), 1),
        round(math.degrees(math.atan2(end - lower, right - left)), 1),
        max(1.0, round(math.hypot(right - left, end - lower), 1)),
        max(1.0, round(tall, 1)),
        " ".join(f"{x:.1f},{y:.1f}" for x, y in corners),
    )
