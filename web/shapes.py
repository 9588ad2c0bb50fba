"""The shapes of photos as classes of a style sheet, so that a grid can be laid out before a photo has come."""

from __future__ import annotations

from functools import cache

_NARROWEST, _WIDEST = 30, 400  # hundredths of the height; a photo beyond them is cropped in a grid


def ratio_class(photo: object) -> str:
    """The class of a photo by its `width` over its `height`, to a hundredth."""
    width, height = photo.width, photo.height  # type: ignore[attr-defined]
    return f"r{min(max(round(100 * width / height), _NARROWEST), _WIDEST)}"


@cache
def ratio_styles() -> str:
    """The style sheet: each class sets `--ratio`."""
    return "".join(f".r{hundredths}{{--ratio:{hundredths / 100:g}}}\n" for hundredths in range(_NARROWEST, _WIDEST + 1))
