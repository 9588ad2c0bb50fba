"""AdamW for the transformer, AdamW or SGD for the CNN, and how fast they go at each moment of a run."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from model.training.recipe import Recipe, Schedule


def make_optimizers(model: nn.Module, recipe: Recipe) -> list[Optimizer]:
    """One optimizer, or two where the CNN has a kind of its own (paper, section 4.1).

    Every group has the learning rate of its peak as `peak`. Vectors (biases, norms) do not decay.
    """
    groups: dict[str, dict[tuple[float, float], list[Tensor]]] = defaultdict(lambda: defaultdict(list))
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            in_cnn = ".backbone." in name
            kind: str = recipe.cnn.optimizer if in_cnn else "adamw"
            rates = recipe.cnn if in_cnn else recipe.schedule
            groups[kind][rates.lr, rates.weight_decay if parameter.ndim > 1 else 0.0].append(parameter)
    optimizers: list[Optimizer] = []
    for kind, some in groups.items():
        settings = [{"params": tensors, "peak": lr, "weight_decay": decay} for (lr, decay), tensors in some.items()]
        if kind == "sgd":
            optimizers.append(torch.optim.SGD(settings, lr=recipe.cnn.lr, momentum=0.9))
        else:
            optimizers.append(torch.optim.AdamW(settings, betas=(0.9, 0.98), fused=True))
    return optimizers


def rate(schedule: Schedule, part: float) -> float:
    """The learning rate at `part` (0 to 1) of the run, relative to its peak.

    A linear warm-up, then a cosine to zero, or a tenth after each of the epochs in `drops`.
    """
    if part < schedule.warmup:
        return (part + 1e-3) / (schedule.warmup + 1e-3)
    if schedule.drops:
        return float(0.1 ** sum(part * schedule.epochs >= epoch for epoch in schedule.drops))
    return 0.5 * (1.0 + math.cos(math.pi * (part - schedule.warmup) / (1.0 - schedule.warmup)))
