"""Detects a diverged run: losses or weights that are not finite, or an objective that is worse than chance."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from model.training.errors import TrainingError
from model.training.recipe import Recipe

REMEDY = "Lower the learning rate in the recipe."
_MOMENTUM = 0.98  # of the running mean: about 50 steps
_MIN_STEPS = 100
_FACTOR = 1.5


def chance_loss(recipe: Recipe, vocab_size: int, train_photos: int, words: float = 0.0) -> dict[str, float]:
    """The loss of chance, in nats, for each objective with so many train photos; `words` is that of the word head."""
    objectives, schedule = recipe.objectives, recipe.schedule
    list_sizes = [
        min(objectives.num_hardest_negatives or count, count)
        for count in (objectives.negative_images, objectives.negative_texts)
        if count
    ]
    photos = min(schedule.batch_size, train_photos) / schedule.gradient_accumulation_steps
    return {
        "itc": math.log(photos * objectives.itc_captions),
        "words": words,
        "mlm": math.log(vocab_size),
        "itm": sum(math.log(1 + count) for count in list_sizes) / max(1, len(list_sizes)),
        "itm_sigmoid": math.log(2),
        "itm_balanced": math.log(2),
    }


class Divergence:
    """Watches the losses of a run by name."""

    def __init__(self, chance: dict[str, float]) -> None:
        """`chance` is a result of `chance_loss`: a fixed limit, because losses may rise as negatives get harder."""
        self._chance = chance
        self._mean: dict[str, float] = {}
        self._steps: dict[str, int] = {}

    def problem(self, losses: dict[str, float]) -> str | None:
        """What is wrong after a step with these losses, or None.

        An objective has diverged when the running mean of its loss is 1.5 times that of chance.
        """
        for name, value in losses.items():
            if not math.isfinite(value):
                return f"{name} is {value}"
            if name not in self._chance:
                continue  # the weighted sum
            self._mean[name] = _MOMENTUM * self._mean.get(name, value) + (1.0 - _MOMENTUM) * value
            self._steps[name] = self._steps.get(name, 0) + 1
            if self._steps[name] > _MIN_STEPS and self._mean[name] > _FACTOR * self._chance[name]:
                return f"{name} is {self._mean[name]:.3g}, far worse than {self._chance[name]:.3g}, the loss of chance"
        return None

    def state_dict(self) -> dict[str, Any]:
        """The running means, for a checkpoint."""
        return {"mean": self._mean, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a result of `state_dict`."""
        self._mean, self._steps = state["mean"], state["steps"]


def check_finite(network: nn.Module, step: int) -> None:
    """Raise TrainingError, which names the step, where a weight or a statistic of `network` is NaN or infinite.

    So are those that are too large for float16, in which weights are kept. A loss tells only of the weights before its
    step, and only of those that it reads.
    """
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor.half()).all():
            raise TrainingError(f"step {step}: {name} is no longer finite in float16. {REMEDY}")
