"""Batch norm folded into the convolutions of a CNN that is only run, not trained."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

_TOLERANCE = 1e-3  # of the largest value
_SIDE = 64  # pixels of the picture that the two networks are compared on


@torch.no_grad()
def fold_batch_norm(network: nn.Module) -> nn.Module:
    """The same CNN without the batch norms that follow a convolution: less time on a CPU, as
    docs/development/benchmarks.md shows.

    In evaluation mode a batch norm is one more scale and shift of each channel, which the convolution can do
    itself. Which norm follows which convolution is read off the order of a module's parts; the result is
    compared with the original, and where it differs the original is returned.
    """
    folded = copy.deepcopy(network).eval()
    for parent in folded.modules():
        for (_, convolution), (name, norm) in pairwise(list(parent.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                if convolution.out_channels != norm.num_features:
                    continue
                fused = fuse_conv_bn_eval(convolution, norm)
                convolution.weight, convolution.bias = fused.weight, fused.bias
                setattr(parent, name, getattr(norm, "act", nn.Identity()))  # timm's norms end in an activation
    weight = next(network.parameters())
    picture = torch.rand(1, 3, _SIDE, _SIDE, device=weight.device, dtype=weight.dtype) * 2 - 1
    expected, actual = network.eval()(picture), folded(picture)
    equivalent = bool((expected - actual).abs().max() <= _TOLERANCE * expected.abs().max())
    return folded if equivalent else network
