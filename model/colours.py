"""The colours of a picture as the model reads them: the one way for photos of a library, of shards and of data sets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def as_rgb(image: Image.Image) -> Image.Image:
    """The image as RGB with 8 bits per channel: transparency on white, the first frame of an animation."""
    if image.mode.startswith("I;16"):
        return Image.fromarray(to_eight_bits(np.asarray(image))).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(to_eight_bits(np.asarray(image, dtype=np.float32))).convert("RGB")
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        white = Image.new("RGB", image.size, "white")
        white.paste(layered, mask=layered.getchannel("A"))
        return white
    return image.convert("RGB")


def to_eight_bits(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Scale `values` to 0 to 255.

    For unsigned integers, white is the maximum of 8, 10, 12, 14, 16 or 32 bits, the fewest that hold all values: many
    programs leave the upper bits unused. Other numbers have no fixed white: their range is stretched.
    """
    if values.dtype.kind != "u":
        numbers = np.nan_to_num(values.astype(np.float32), posinf=0.0, neginf=0.0)
        low, high = float(numbers.min()), float(numbers.max())
        return ((numbers - low) * (255.0 / max(high - low, 1e-12))).astype(np.uint8)
    largest = int(values.max())
    bits = next((bits for bits in (8, 10, 12, 14, 16) if largest < 1 << bits), 32)
    shifted: NDArray[np.uint8] = (values >> np.array(bits - 8, dtype=values.dtype)).astype(np.uint8)
    return shifted
