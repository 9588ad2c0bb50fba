"""Every CNN we name does the same in a Pixel-BERT; as chains of stages they can be frozen from the pixels up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch.nn import functional

from model.network.backbones import create_backbone, run, stages
from model.network.pixelbert import PixelBertForPreTraining
from model.network.pretrained import backbone_state
from model.training.recipe import load_recipe
from model.training.start import freeze
from model.training.step import Batch, losses, total_loss
from model.weights import WeightsError
from tests.model.networks import tiny_network

CHANNELS = {
    "resnet50": 2048,
    "resnet101": 2048,
    "resnext101_32x8d": 2048,
    "resnext152_32x8d": 2048,
    "tf_efficientnet_lite0": 1280,
    "tf_efficientnet_lite2": 1280,
    "convnext_tiny": 768,
}
"""The CNNs of the paper, ours and some of their kind, and how many numbers each gives a pixel token."""


@pytest.fixture(scope="module", params=CHANNELS)
def network(request: pytest.FixtureRequest) -> PixelBertForPreTraining:
    """A Pixel-BERT with this CNN, and with the paper's max pool after it."""
    return tiny_network(backbone=request.param, pixel_pool=2)


@torch.inference_mode()
def test_a_cnn_gives_a_token_for_every_32_pixels_and_the_pool_quarters_them(network: PixelBertForPreTraining) -> None:
    tokens, values = network.pixelbert.pixel_tokens, torch.randn(1, 3, 64, 160)
    features = run(stages(tokens.backbone), values)
    assert torch.equal(features, tokens.backbone.forward_features(values)), "its stages one after the other are the CNN"
    assert features.shape == (1, CHANNELS[network.config.backbone], 2, 5)
    assert torch.equal(tokens.cnn(values), functional.max_pool2d(features, 2, ceil_mode=True))
    assert tokens.stride == 64
    assert network.pixelbert.encode_pixels(values).states.shape == (1, 3, 64)


@torch.inference_mode()
def test_what_is_padding_is_masked(network: PixelBertForPreTraining) -> None:
    photo = torch.ones(2, 128, 192, dtype=torch.bool)
    photo[1, :, 100:] = False
    pixels = network.pixelbert.encode_pixels(torch.randn(2, 3, 128, 192), photo)
    assert pixels.mask is not None
    assert pixels.mask.view(2, 2, 3).tolist() == [[[True] * 3] * 2, [[True, True, False]] * 2]


def test_a_step_of_training_reaches_its_first_convolution(network: PixelBertForPreTraining) -> None:
    ids, mask = torch.randint(5, 100, (2, 6)), torch.ones(2, 6, dtype=torch.bool)
    objectives = load_recipe("paper-r50").objectives
    network.train()
    features = network.pixelbert.pixel_tokens.cnn(torch.randn(2, 3, 96, 96))
    batch = Batch(features, None, ids, mask, mask)
    found = losses(network, batch, objectives, progress=0.5, sampling=3, mask_id=4)
    total_loss(found, objectives, 0.5).backward()
    network.eval()
    first = next(network.pixelbert.pixel_tokens.backbone.parameters())
    assert first.grad is not None
    assert 0 < float(first.grad.abs().sum()) < float("inf")
    network.zero_grad(set_to_none=True)


@torch.inference_mode()
def test_what_is_saved_with_it_is_what_is_loaded(network: PixelBertForPreTraining, tmp_path: Path) -> None:
    network.save_pretrained(tmp_path)
    again = PixelBertForPreTraining.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()  # half a gigabyte for the largest
    assert again.config.backbone == network.config.backbone
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


def test_timm_has_weights_by_its_name_or_a_file_is_asked_for(network: PixelBertForPreTraining) -> None:
    name = network.config.backbone
    if not timm.is_model(name):
        with pytest.raises(WeightsError, match=f"pretrained CNN {name} cannot be had: .* Name a file of its weights"):
            backbone_state(name, name)
    else:
        assert timm.is_model_pretrained(name)


def test_weights_come_by_name_from_the_hub_and_without_a_network_from_its_cache_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"pretrained CNN test_resnet cannot be had: .* Name a file of its weights"):
        backbone_state("test_resnet", "test_resnet")
    network: Any = timm.create_model("test_resnet")
    cached = tmp_path / f"models--{network.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    (cached / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(network.state_dict(), cached / "snapshots" / ("0" * 40) / "model.safetensors")
    found = backbone_state("test_resnet", "test_resnet")
    assert all(torch.equal(tensor, found[name]) for name, tensor in network.state_dict().items())


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
