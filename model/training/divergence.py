"""When a run has gone wrong: a loss that is no number, or an objective that has become worse than guessing."""

from __future__ import annotations

import math
from typing import Any

from model.training.recipe import Recipe

_MEMORY = 0.98  # of the running mean: about 50 steps
_STEPS = 100
_FACTOR = 1.5


def guessing(recipe: Recipe, vocab_size: int, words: float = 0.0) -> dict[str, float]:
    """The loss, in nats, of a network that knows nothing, for each objective; `words` is that of its word head."""
    objectives = recipe.objectives
    lists = [
        min(objectives.hardest or count, count)
        for count in (objectives.negative_images, objectives.negative_texts)
        if count
    ]
    return {
        "itc": math.log(recipe.schedule.batch_size / recipe.schedule.parts * objectives.itc_captions),
        "words": words,
        "mlm": math.log(vocab_size),
        "itm": sum(math.log(1 + count) for count in lists) / max(1, len(lists)),
        "itm_sigmoid": math.log(2),
        "itm_balanced": math.log(2),
    }


class Divergence:
    """Watches the losses of a run by name."""

    def __init__(self, chance: dict[str, float]) -> None:
        """`chance` is what `guessing` says. A fixed yardstick: losses may well rise as negatives get harder."""
        self._chance = chance
        self._mean: dict[str, float] = {}
        self._steps: dict[str, int] = {}

    def trouble(self, losses: dict[str, float]) -> str | None:
        """What is wrong after a step with these losses, or None.

        An objective has diverged when, over the last steps, it is on average half again as bad as guessing.
        """
        for name, value in losses.items():
            if not math.isfinite(value):
                return f"{name} is {value}"
            if name not in self._chance:
                continue  # their sum
            self._mean[name] = _MEMORY * self._mean.get(name, value) + (1.0 - _MEMORY) * value
            self._steps[name] = self._steps.get(name, 0) + 1
            if self._steps[name] > _STEPS and self._mean[name] > _FACTOR * self._chance[name]:
                return f"{name} is {self._mean[name]:.3g}, far worse than the {self._chance[name]:.3g} of guessing"
        return None

    def state_dict(self) -> dict[str, Any]:
        """All it remembers, for a checkpoint."""
        return {"mean": self._mean, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember what `state_dict` gave."""
        self._mean, self._steps = state["mean"], state["steps"]
