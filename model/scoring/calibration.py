"""The numbers that turn the parts of a score into a score and a match (`ranker`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.weights import WeightsError, read_json

FILE = "calibration.json"
STAMPS = ("weights", "querybank", "word_evidence")
"""What else the file holds: for which weights and with which other files the numbers were fitted (`parameters`)."""


@dataclass(frozen=True)
class Calibration:
    """Five numbers fitted on dev photos (`calibration_fitting`); the defaults rank by the ITM logit alone.

    The match is Platt's scaling of the score: one monotone curve, so that the order of the hits is the order of
    their match.
    """

    similarity_scale: float = 0.0
    words_scale: float = 0.0
    match_scale: float = 1.0
    match_bias: float = 0.0
    cutoff: float = 0.0
    """First hits with a match below it are best taken for wrong ones."""

    @classmethod
    def load(cls, weights: Path) -> Calibration:
        """The calibration in folder `weights`; the neutral one where none was fitted yet.

        It may be of other weights: `ScoringParameters.load` checks that.
        """
        path = weights / FILE
        if not path.exists():
            return cls()
        try:
            numbers = {name: value for name, value in read_json(path).items() if name not in STAMPS}
            return cls(**{name: float(value) for name, value in numbers.items()})
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{path} is not a calibration: {error}") from error
