"""When a run has gone wrong: a loss that is no number, or one that climbs far above where it began."""

from __future__ import annotations

import math
from typing import Any

_MEMORY = 0.98  # of the running mean: about 50 steps
_STEPS = 100
_FACTOR = 3.0


class Divergence:
    """Watches the losses of a run by name."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}
        self._mean: dict[str, float] = {}
        self._steps: dict[str, int] = {}

    def trouble(self, losses: dict[str, float]) -> str | None:
        """What is wrong after a step with these losses, or None.

        An objective has diverged when, over the last steps, it is on average three times what it was at first.
        """
        for name, value in losses.items():
            if not math.isfinite(value):
                return f"{name} is {value}"
            if name == "loss":
                continue  # their sum grows whenever an objective comes in
            first = self._first.setdefault(name, value)
            self._mean[name] = _MEMORY * self._mean.get(name, value) + (1.0 - _MEMORY) * value
            self._steps[name] = self._steps.get(name, 0) + 1
            if self._steps[name] > _STEPS and 0.0 < _FACTOR * first < self._mean[name]:
                return f"{name} has risen from {first:.3g} to {self._mean[name]:.3g}"
        return None

    def state_dict(self) -> dict[str, Any]:
        """All it remembers, for a checkpoint."""
        return {"first": self._first, "mean": self._mean, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Remember what `state_dict` gave."""
        self._first, self._mean, self._steps = state["first"], state["mean"], state["steps"]
