"""Random views of a batch of photos, computed where the batch lies (CPU or GPU)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_GREY = 127.5  # halfway between black and white


def random_views(pixels: Tensor, *, crop: float, colour: float, flip: bool) -> Tensor:
    """One random view of each photo (B, 3, H, W): a crop, a mirror image, a change of brightness and contrast.

    Photos and views are from 0 (black) to 255 (white): what those become later depends on the processor.

    `crop` is the smallest part of the area a crop keeps (1.0: none), `colour` the largest relative
    change of brightness and contrast.
    """
    batch, device = pixels.shape[0], pixels.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(batch, device=device).uniform_(low, high)

    area, ratio = uniform(crop, 1.0), uniform(-0.15, 0.15).exp()
    wide = (area.sqrt() * ratio).clamp(max=1.0)
    high = (area.sqrt() / ratio).clamp(max=1.0)
    mirror = torch.where(torch.rand(batch, device=device) < 0.5, -1.0, 1.0) if flip else torch.ones_like(wide)
    affine = torch.zeros(batch, 2, 3, device=device)
    affine[:, 0, 0] = wide * mirror
    affine[:, 1, 1] = high
    affine[:, 0, 2] = uniform(-1.0, 1.0) * (1.0 - wide)
    affine[:, 1, 2] = uniform(-1.0, 1.0) * (1.0 - high)
    grid = functional.affine_grid(affine, list(pixels.shape), align_corners=False)
    views = functional.grid_sample(pixels.float(), grid, padding_mode="reflection", align_corners=False)
    contrast = (1.0 + uniform(-colour, colour))[:, None, None, None]
    brightness = _GREY * (1.0 + uniform(-colour, colour))[:, None, None, None]
    return ((views - _GREY) * contrast + brightness).clamp(0.0, 255.0)
