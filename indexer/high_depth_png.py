"""Colour PNG of sixteen bits of which the upper ones are empty: Pillow shows the upper eight, and so nothing."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, PngImagePlugin

from indexer.high_depth_tiff import to_eight_bits

_BIT_DEPTH_AT = 24
_FULL_UPPER_BYTE = 64  # from there on the fewest bits that hold the values are all sixteen


def with_lower_bits(image: Image.Image, content: bytes) -> Image.Image:
    """The loaded `image` of the file `content` in the bits that are used; as it is where those are the upper ones."""
    is_deep = isinstance(image, PngImagePlugin.PngImageFile) and content[_BIT_DEPTH_AT] == 16
    if not is_deep or image.mode not in ("RGB", "RGBA"):
        return image
    upper = np.asarray(image)
    if upper[..., :3].max() >= _FULL_UPPER_BYTE:
        return image
    lower = PngImagePlugin.PngImageFile(io.BytesIO(content))
    # Read as if the lower byte came first, which takes the other half.
    lower.tile = [tile._replace(args=f"{image.mode};16L") for tile in lower.tile]
    colours = to_eight_bits(upper[..., :3].astype(np.uint16) << 8 | np.asarray(lower)[..., :3])
    return Image.fromarray(np.concatenate([colours, upper[..., 3:]], axis=2), image.mode)
