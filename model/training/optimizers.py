"""AdamW for the transformer, AdamW or SGD for the CNN, and the learning rate schedule."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from model.training.recipe import Recipe, Schedule


def make_optimizers(model: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """One optimizer, or two where the CNN has a different kind (paper, section 4.1).

    Each parameter group keeps its highest learning rate as `peak_lr`. Vectors (biases, norms) have no weight decay.
    """
    groups: dict[str, dict[tuple[float, float], list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            in_cnn = ".backbone." in name
            kind: str = recipe.cnn.optimizer if in_cnn else "adamw"
            settings = recipe.cnn if in_cnn else recipe.schedule
            groups[kind][settings.lr, settings.weight_decay if parameter.ndim > 1 else 0.0].append(parameter)
    optimizers: list[Optimizer] = []
    for kind, parameters in groups.items():
        parameter_groups = [
            {"params": tensors, "peak_lr": lr, "weight_decay": decay} for (lr, decay), tensors in parameters.items()
        ]
        if kind == "sgd":
            optimizers.append(torch.optim.SGD(parameter_groups, lr=recipe.cnn.lr, momentum=0.9))
        else:
            optimizers.append(torch.optim.AdamW(parameter_groups, betas=(0.9, 0.98), fused=True))
    return optimizers


def set_learning_rate(optimizers: list[Optimizer], schedule: Schedule, progress: float) -> None:
    """Give every parameter group its learning rate at `progress` (0 to 1) of the run, and clear the gradients."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["peak_lr"] * lr_factor(schedule, progress)
        optimizer.zero_grad(set_to_none=True)


def lr_factor(schedule: Schedule, progress: float) -> float:
    """The learning rate at `progress` (0 to 1) of the run, relative to its peak.

    A linear warm-up, then a cosine to zero, or a tenth after each of the epochs in `lr_milestones`. It is a function of
    progress alone, so a resumed run has nothing to restore.
    """
    if progress < schedule.warmup:
        return (progress + 1e-3) / (schedule.warmup + 1e-3)
    if schedule.lr_milestones:
        return float(0.1 ** sum(progress * schedule.epochs >= epoch for epoch in schedule.lr_milestones))
    return 0.5 * (1.0 + math.cos(math.pi * (progress - schedule.warmup) / (1.0 - schedule.warmup)))
