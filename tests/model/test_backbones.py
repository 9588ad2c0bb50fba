"""CNNs as chains of stages, which can be frozen from the pixels up."""

from __future__ import annotations

import pytest
import torch

from model.backbones import create_backbone, run, stages
from model.training.start import freeze
from tests.model.networks import tiny_network


@pytest.mark.parametrize(
    ("name", "count"), [("test_resnet", 5), ("resnet18", 5), ("tf_efficientnet_lite0", 9), ("test_convnext", 6)]
)
@torch.inference_mode()
def test_the_stages_one_after_the_other_are_the_network(name: str, count: int) -> None:
    torch.manual_seed(0)
    backbone = create_backbone(name).eval()
    values = torch.randn(2, 3, 64, 64)
    assert len(stages(backbone)) == count
    assert torch.equal(run(stages(backbone), values), backbone.forward_features(values))  # type: ignore[operator]


@torch.inference_mode()
def test_the_papers_largest_cnn_has_152_layers_and_a_stride_of_32() -> None:
    backbone = create_backbone("resnext152_32x8d").eval()
    convolutions = [
        name
        for name, module in backbone.named_modules()
        if isinstance(module, torch.nn.Conv2d) and "downsample" not in name
    ]
    assert len(convolutions) + 1 == 152, "and the classifier that is not here"
    assert run(stages(backbone), torch.zeros(1, 3, 64, 64)).shape == (1, 2048, 2, 2)


def test_a_network_that_timm_does_not_know_is_an_error() -> None:
    with pytest.raises(ValueError, match="backbone resnet5000 is not one that timm knows"):
        create_backbone("resnet5000")


def test_a_network_of_unknown_parts_has_no_stages_to_freeze() -> None:
    with pytest.raises(ValueError, match="train it without frozen_stages"):
        stages(create_backbone("test_vit"))


@torch.inference_mode()
def test_the_cnn_goes_on_from_what_its_lower_stages_gave() -> None:
    tokens = tiny_network(pixel_pool=2).pixelbert.pixel_tokens
    values = torch.randn(2, 3, 96, 96)
    whole = tokens.cnn(values)
    for count in range(1, 6):
        assert torch.equal(tokens.cnn(run(stages(tokens.backbone)[:count], values), after=count), whole)


def test_frozen_stages_do_not_learn_and_those_above_do() -> None:
    model = tiny_network()
    assert freeze(model, 2) == 2
    stem, first, *others = stages(model.pixelbert.pixel_tokens.backbone)
    assert not any(parameter.requires_grad for stage in (stem, first) for parameter in stage.parameters())
    assert all(parameter.requires_grad for stage in others for parameter in stage.parameters())
    assert freeze(model, 99) == 5, "more than there are: all"
    assert freeze(tiny_network(), 0) == 0
