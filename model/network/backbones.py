"""The CNNs that read the pixels: any timm classifier, as a chain of stages.

A stage is a part that can be frozen on its own: what comes before the first stage of blocks is the first,
what comes after the last is the last.
"""

from __future__ import annotations

from typing import Any

import timm
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

# Sizes that the paper trains and timm has no name for: arguments of its ResNet.
_COMPOSED: dict[str, dict[str, Any]] = {
    "resnext152_32x8d": {"block": Bottleneck, "layers": (3, 8, 36, 3), "cardinality": 32, "base_width": 8},
}


def create_backbone(name: str) -> nn.Module:
    """The CNN of that name, without its classifier, its weights random.

    It has `forward_features`, `feature_info` and `num_features` as timm's models have. Raises ValueError when
    timm knows no such model.
    """
    if name in _COMPOSED:
        return ResNet(**_COMPOSED[name], num_classes=0, global_pool="")
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, global_pool="")
    except RuntimeError as error:
        raise ValueError(f"backbone {name} is not one that timm knows: {error}") from error
    return backbone


def stages(backbone: nn.Module) -> list[nn.Sequential]:
    """The stages of a CNN, from the pixels up; one after the other they are its `forward_features`.

    Raises ValueError for a kind of network whose parts are not known here.
    """
    parts = dict(backbone.named_children())
    groups: list[list[nn.Module]]
    if "layer1" in parts:  # ResNet, ResNeXt
        stem = [parts[name] for name in ("conv1", "bn1", "act1", "maxpool")]
        groups = [stem, *([parts[f"layer{number}"]] for number in range(1, 5))]
    elif "blocks" in parts and "conv_head" in parts:  # EfficientNet
        after = [parts[name] for name in ("conv_head", "bn2")]
        groups = [[parts["conv_stem"], parts["bn1"]], *([block] for block in _children(parts["blocks"])), after]
    elif "stages" in parts and "norm_pre" in parts:  # ConvNeXt
        groups = [[parts["stem"]], *([stage] for stage in _children(parts["stages"])), [parts["norm_pre"]]]
    else:
        raise ValueError(f"the stages of a {type(backbone).__name__} are not known: train it without frozen_stages")
    return [nn.Sequential(*group) for group in groups]


def run(chain: list[nn.Sequential], values: Tensor) -> Tensor:
    """`values` through some of the stages, one after the other."""
    for stage in chain:
        values = stage(values)
    return values


def _children(module: nn.Module) -> list[nn.Module]:
    return list(module.children())
