"""Aspect ratios of photos as CSS classes, so that a grid has its layout before the photos are loaded."""

from __future__ import annotations

from functools import cache

_MIN_RATIO, _MAX_RATIO = 30, 400  # width in hundredths of the height; a grid crops photos beyond


def ratio_class(photo: object) -> str:
    """The CSS class for `width` / `height` of a photo, in hundredths."""
    width, height = photo.width, photo.height  # type: ignore[attr-defined]
    return f"r{min(max(round(100 * width / height), _MIN_RATIO), _MAX_RATIO)}"


@cache
def ratio_styles() -> str:
    """The style sheet: each class sets `--ratio`."""
    return "".join(
        f".r{hundredths}{{--ratio:{hundredths / 100:g}}}\n" for hundredths in range(_MIN_RATIO, _MAX_RATIO + 1)
    )
