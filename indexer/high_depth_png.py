"""Colour PNG with 16 bits per channel whose upper bits are unused: Pillow keeps the upper 8 bits, which are empty."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, PngImagePlugin

from model.colours import to_eight_bits

_BIT_DEPTH_AT = 24
_FULL_UPPER_BYTE = 64  # with values from here on, all 16 bits are used


def with_lower_bits(image: Image.Image, content: bytes) -> Image.Image:
    """The loaded `image` of the file `content`, scaled to the bits in use; unchanged if all 16 are used."""
    is_deep = isinstance(image, PngImagePlugin.PngImageFile) and content[_BIT_DEPTH_AT] == 16
    if not is_deep or image.mode not in ("RGB", "RGBA"):
        return image
    upper = np.asarray(image)
    if upper[..., :3].max() >= _FULL_UPPER_BYTE:
        return image
    lower = PngImagePlugin.PngImageFile(io.BytesIO(content))
    # Read with the other byte order: Pillow then keeps the lower byte.
    lower.tile = [tile._replace(args=f"{image.mode};16L") for tile in lower.tile]
    colours = to_eight_bits(upper[..., :3].astype(np.uint16) << 8 | np.asarray(lower)[..., :3])
    return Image.fromarray(np.concatenate([colours, upper[..., 3:]], axis=2), image.mode)
