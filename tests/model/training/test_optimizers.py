"""What is trained by which optimizer, and how fast at each moment."""

from __future__ import annotations

import pytest
import torch

from model.training.optimizers import lr_factor, make_optimizers
from model.training.recipe import Cnn, Recipe, Schedule, load_recipe
from model.training.start import freeze
from tests.model.networks import tiny_network


def test_the_paper_drops_the_rate_to_a_tenth_twice() -> None:
    schedule = load_recipe("paper-r50").schedule
    rates = [lr_factor(schedule, epoch / 40) for epoch in (0, 24.9, 25, 34.9, 35, 40)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_cosine_rises_to_its_peak_and_falls_to_nothing() -> None:
    schedule = Schedule(warmup=0.1)
    assert lr_factor(schedule, 0.0) < 0.02
    assert lr_factor(schedule, 0.1) == pytest.approx(1.0)
    assert lr_factor(schedule, 0.55) == pytest.approx(0.5)
    assert lr_factor(schedule, 1.0) == pytest.approx(0.0)


def test_the_cnn_has_sgd_and_the_transformer_adamw_as_in_the_paper() -> None:
    model = tiny_network()
    adamw, sgd = sorted(make_optimizers(model, load_recipe("paper-r50")), key=lambda one: type(one).__name__)
    assert (type(adamw), type(sgd)) == (torch.optim.AdamW, torch.optim.SGD)
    in_cnn = {id(parameter) for parameter in model.pixelbert.pixel_tokens.backbone.parameters()}
    assert {id(one) for group in sgd.param_groups for one in group["params"]} == in_cnn
    assert {(group["peak_lr"], group["weight_decay"]) for group in sgd.param_groups} == {(1e-2, 5e-4), (1e-2, 0.0)}
    assert {(group["peak_lr"], group["weight_decay"]) for group in adamw.param_groups} == {(1e-4, 1e-2), (1e-4, 0.0)}
    assert {group["momentum"] for group in sgd.param_groups} == {0.9}


def test_all_that_learns_is_in_one_group_and_vectors_do_not_decay() -> None:
    model = tiny_network()
    freeze(model, 3)
    recipe = Recipe(name="mine", cnn=Cnn(lr=1e-3, weight_decay=0.1), schedule=Schedule(lr=1e-4, weight_decay=0.2))
    (optimizer,) = make_optimizers(model, recipe)
    grouped = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    assert sorted(grouped) == sorted(id(one) for one in model.parameters() if one.requires_grad)
    for group in optimizer.param_groups:
        assert {parameter.ndim > 1 for parameter in group["params"]} == {group["weight_decay"] > 0}
