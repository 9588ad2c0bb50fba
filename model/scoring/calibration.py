"""The numbers that turn the parts of a score into a score and a match (`ranker`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Calibration:
    """Numbers fitted on dev photos (`calibration_fitting`); the defaults rank by the ITM logit alone.

    The match is Platt's scaling of the score, and of how usual the words of the sentence are: for one sentence it is
    a monotone curve, so that the order of the hits is the order of their match.
    """

    similarity_scale: float = 0.0
    log_odds_scale: float = 0.0
    match_scale: float = 1.0
    match_bias: float = 0.0
    match_prior_scale: float = 0.0
    """What the prior log-odds of the sentence's words count in the match."""
    cutoff: float = 0.0
    """First hits with a match below it are best taken for wrong ones."""

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Calibration:
        """The calibration of numbers by name. Raises TypeError or ValueError when they are none."""
        calibration = cls(**{name: float(number) for name, number in numbers.items()})
        if not all(math.isfinite(number) for number in asdict(calibration).values()):
            raise ValueError("a number of it is not finite")
        return calibration
