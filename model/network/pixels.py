"""From raw pixels to the tokens of the trunk (paper, sections 3.2 and 3.3)."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.network.backbones import create_backbone, run, stages
from model.network.configuration import PixelBertConfig


class Tokens(NamedTuple):
    """A batch of token states on their way through the trunk."""

    states: Tensor  # (B, T, D)
    mask: Tensor | None  # (B, T) bool, True on valid tokens; None when all are


class PixelTokens(nn.Module):
    """CNN -> optional 2x2 max pool -> 1x1 projection -> tokens, plus one shared semantic vector."""

    def __init__(self, config: PixelBertConfig) -> None:
        super().__init__()
        backbone: Any = create_backbone(config.backbone)
        self.backbone = backbone
        self.pool = config.pixel_pool
        self.stride: int = backbone.feature_info[-1]["reduction"] * config.pixel_pool
        self.projection = nn.Linear(backbone.num_features, config.hidden_size)
        self.semantic = nn.Parameter(torch.zeros(config.hidden_size))
        self.positions = (
            nn.Embedding(2 * config.max_grid, config.hidden_size) if config.spatial_positions == "learned_2d" else None
        )
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        for module in self.backbone.modules():
            vars(module)["_is_hf_initialized"] = True  # timm knows best how its networks start

    def cnn(self, values: Tensor, after: int = 0) -> Tensor:
        """The backbone's last feature map: photos (B, 3, H, W) -> (B, C, H / stride, W / stride).

        With `after`, go on from what the backbone's first so many stages gave.
        """
        features: Tensor
        features = run(stages(self.backbone)[after:], values) if after else self.backbone.forward_features(values)
        return functional.max_pool2d(features, self.pool, ceil_mode=True) if self.pool > 1 else features

    def forward(
        self, features: Tensor, pixel_mask: Tensor | None = None, sampling: int | float | None = None
    ) -> Tokens:
        """Tokens (B, P, D) of a feature map (B, C, h, w), a sample of them where `sampling` says so.

        `pixel_mask` (B, H, W) is True on the photo, False on its padding.
        """
        height, width = features.shape[-2:]
        states = self.projection(cells_of(features)) + self.semantic
        if self.positions is not None:
            rows, columns = torch.arange(height, device=states.device), torch.arange(width, device=states.device)
            half = self.positions.num_embeddings // 2
            if max(height, width) > half:
                raise ValueError(f"a grid of {height} x {width} tokens, but max_grid is {half}")
            grid = self.positions(rows)[:, None] + self.positions(half + columns)[None, :]  # (h, w, D)
            states = states + grid.flatten(0, 1)
        mask = None
        if pixel_mask is not None and not bool(pixel_mask.all()):
            cells = functional.max_pool2d(pixel_mask.float()[:, None], self.stride, ceil_mode=True)
            mask = cells[:, 0, :height, :width].flatten(1) > 0  # (B, P)
        tokens = Tokens(self.dropout(self.norm(states)), mask)
        return tokens if sampling is None else sample_pixels(tokens, sampling)


def cells_of(features: Tensor) -> Tensor:
    """A feature map (B, C, h, w) cell by cell, row after row: (B, P, C)."""
    return features.flatten(2).transpose(1, 2)


def resize_by_area(features: Tensor, height: int, width: int) -> Tensor:
    """A feature map (B, C, h, w) as one of (B, C, `height`, `width`) with the same mean: each new cell is the mean of
    what it covers of the old ones, by area."""
    rows = _coverage(features.shape[-2], height, features)
    columns = _coverage(features.shape[-1], width, features)
    return rows @ features @ columns.T


def _coverage(old: int, new: int, like: Tensor) -> Tensor:
    """How much of each of `new` equal parts of a length lies in each of `old` ones: (new, old). Rows add up to 1."""
    ends = torch.arange(1, new + 1, device=like.device)[:, None] * old
    old_ends = torch.arange(1, old + 1, device=like.device)[None] * new
    overlap = torch.minimum(ends, old_ends) - torch.maximum(ends - old, old_ends - new)  # in units of 1 / (old * new)
    return overlap.clamp(min=0).to(like.dtype) / old


def sample_pixels(tokens: Tokens, amount: int | float) -> Tokens:
    """Pixel random sampling (paper, section 3.3): a random part of the valid tokens, without replacement.

    `amount` is a count (int) or a fraction of each photo's valid tokens (float). A photo with fewer
    valid tokens than the longest of the batch is padded with masked ones.
    """
    states, mask = tokens
    batch, total, _ = states.shape
    valid = torch.full((batch,), total, device=states.device) if mask is None else mask.sum(1)  # (B,)
    counts = valid.clamp(max=amount) if isinstance(amount, int) else (valid * min(amount, 1.0)).ceil().long()
    order = torch.rand(batch, total, device=states.device)
    if mask is not None:
        order = order.masked_fill(~mask, -1.0)
    count = int(counts.max())
    columns = order.topk(count, dim=1).indices  # (B, K), valid tokens first
    valid_columns = torch.arange(count, device=states.device) < counts[:, None]
    sampled = states.gather(1, columns[..., None].expand(-1, -1, states.shape[-1]))
    return Tokens(sampled, None if bool(valid_columns.all()) else valid_columns)


def subsample_tokens(tokens: Tokens, stride: int) -> Tokens:
    """Every `stride`-th token of each row, from the first on: (B, T, D) -> (B, ceil(T / stride), D)."""
    states, mask = tokens
    return Tokens(states[:, ::stride], None if mask is None else mask[:, ::stride])
