"""Batch norm folded away: the same features from fewer steps, or else the network as it was."""

from __future__ import annotations

import timm
import torch
from torch import nn

from model.network.folding import fold_batch_norm


def network(name: str) -> nn.Module:
    """A backbone whose batch norms have something to do."""
    torch.manual_seed(0)
    made: nn.Module = timm.create_model(name, pretrained=False, num_classes=0, global_pool="").eval()
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return made


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def largest_difference(left: nn.Module, right: nn.Module) -> float:
    picture = torch.rand(2, 3, 96, 64) * 2 - 1
    with torch.inference_mode():
        expected = left(picture)
        return float((expected - right(picture)).abs().max() / expected.abs().max())


def test_the_shipped_backbone_keeps_its_features_and_loses_its_norms() -> None:
    whole = network("tf_efficientnet_lite2")
    folded = fold_batch_norm(whole)
    assert norms(whole) > 0 == norms(folded)
    assert largest_difference(whole, folded) < 1e-3


def test_a_resnet_too() -> None:
    whole = network("resnet18")
    folded = fold_batch_norm(whole)
    assert norms(folded) == 0
    assert largest_difference(whole, folded) < 1e-3


def test_a_network_without_batch_norm_stays_as_it_is() -> None:
    whole = network("convnext_atto")
    assert largest_difference(whole, fold_batch_norm(whole)) == 0.0


class Crossed(nn.Module):
    """A norm that stands after the convolution, but is run before it."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        nn.init.uniform_(self.norm.bias, 1.0, 2.0)
        nn.init.constant_(self.norm.running_mean, 0.5)  # type: ignore[arg-type]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.convolution(self.norm(values))
        return result


def test_a_network_that_would_change_is_left_alone() -> None:
    whole = Crossed().eval()
    assert fold_batch_norm(whole) is whole


def test_what_is_folded_still_runs_outside_of_inference_mode() -> None:
    folded = fold_batch_norm(network("resnet18"))
    assert not any(parameter.is_inference() for parameter in folded.parameters())
    folded(torch.rand(1, 3, 64, 64)).sum().backward()
