"""The image half of `model.processor`: photos as arrays of pixels.

Built on Pillow and numpy alone: the processes that decode photos get this, and neither tokenizer nor network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.colours import as_rgb
from model.weights import WeightsError, read_json

CONFIG_FILE = "processor_config.json"
Aspect = Literal["squash", "keep"]
MAX_IMAGE_SIZE = 4096
"""Pixels; more than any model reads. A limit, so that weights from elsewhere cannot take all memory."""
MAX_ASPECT_RATIO = 1333 / 800
"""Of a photo whose aspect is kept: longer side over shorter side (paper, section 4.1: 800 and at most 1333 pixels)."""
_SIDE_MULTIPLE = 32
_GRID_STRIDES = (4, 8, 16, 32, 64, 128)  # of CNNs, the 2x2 pool included


class ImageInputs(TypedDict):
    """A batch of normalised photos, padded to the largest."""

    pixel_values: NDArray[np.float32]  # (B, 3, H, W)
    pixel_mask: NDArray[np.bool_]  # (B, H, W), True on the photo, never read off pixel values


@dataclass
class PixelBertImageProcessor:
    """The image transform of one model.

    Raises ValueError or TypeError when the settings cannot be used.
    """

    image_size: int = 256
    """Pixels: the side of the square, or the shorter side where the aspect is kept."""
    aspect: Aspect = "squash"
    """`squash` makes a square. `keep` keeps the ratio of the sides: the longer side is at most 1333/800 of the shorter
    one, both are cut to multiples of 32, and the rest is padded."""
    image_mean: Sequence[float] = (127.0, 127.0, 127.0)
    """Of each channel, in units of a byte (0 to 255), as `image_std` is."""
    image_std: Sequence[float] = (128.0, 128.0, 128.0)

    def __post_init__(self) -> None:
        if self.aspect not in ("squash", "keep"):
            raise ValueError(f"aspect is 'squash' or 'keep', not {self.aspect!r}")
        if type(self.image_size) is not int or not 1 <= self.image_size <= MAX_IMAGE_SIZE:
            raise ValueError(f"image_size is 1 to {MAX_IMAGE_SIZE} pixels, not {self.image_size!r}")
        self.image_mean = tuple(float(value) for value in self.image_mean)
        self.image_std = tuple(float(value) for value in self.image_std)
        if len(self.image_mean) != 3 or not all(map(math.isfinite, self.image_mean)):
            raise ValueError(f"image_mean is a number for each of 3 channels, not {self.image_mean}")
        if len(self.image_std) != 3 or not all(0.0 < value < math.inf for value in self.image_std):
            raise ValueError(f"image_std is a number above 0 for each of 3 channels, not {self.image_std}")

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) in pixels to which a photo of this size is resized."""
        if self.aspect == "squash":
            return self.image_size, self.image_size
        max_side = int(self.image_size * MAX_ASPECT_RATIO)
        scale = min(self.image_size / min(width, height), max_side / max(width, height))
        target_width, target_height = (
            max(_SIDE_MULTIPLE, int(side * scale) // _SIDE_MULTIPLE * _SIDE_MULTIPLE) for side in (width, height)
        )
        return target_width, target_height

    def resize(self, image: Image.Image) -> NDArray[np.uint8]:
        """An upright photo as RGB bytes (H, W, 3) of the size the model reads."""
        size = self.target_size(*image.size)
        is_read = image.mode == "RGB" and not image.has_transparency_data  # as when indexing: no copy then
        rgb = image if is_read else as_rgb(image)
        return np.asarray(rgb.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0), dtype=np.uint8)

    def normalize(self, images: Sequence[NDArray[np.uint8]]) -> ImageInputs:
        """Normalise and pad photos (H, W, 3) as `resize` returns them."""
        height = max(image.shape[0] for image in images)
        width = max(image.shape[1] for image in images)
        values = np.zeros((len(images), 3, height, width), dtype=np.float32)
        mask = np.zeros((len(images), height, width), dtype=np.bool_)
        mean = np.asarray(self.image_mean, dtype=np.float32)[:, None, None]
        scale = 1.0 / np.asarray(self.image_std, dtype=np.float32)[:, None, None]
        for row, image in enumerate(images):
            image_height, image_width = image.shape[:2]
            values[row, :, :image_height, :image_width] = (image.transpose(2, 0, 1) - mean) * scale
            mask[row, :image_height, :image_width] = True
        return {"pixel_values": values, "pixel_mask": mask}

    def grid(self, width: int, height: int, count: int) -> tuple[int, int]:
        """Rows and columns of the `count` pixel tokens of a photo of this width and height.

        Raises ValueError when a photo of that size has another number of tokens.
        """
        target_width, target_height = self.target_size(width, height)
        for stride in _GRID_STRIDES:
            rows, columns = -(-target_height // stride), -(-target_width // stride)
            if rows * columns == count:
                return rows, columns
        raise ValueError(f"a photo of {width} x {height} pixels does not become {count} tokens")

    @classmethod
    def from_pretrained(cls, folder: Path) -> PixelBertImageProcessor:
        """The image transform of the weights in `folder`. Raises WeightsError naming the file that does not fit."""
        settings = read_json(folder / CONFIG_FILE)
        settings.pop("max_tokens", None)  # of the tokenizer
        try:
            return cls(**settings)
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{folder / CONFIG_FILE} does not fit: {error}") from error
