"""From raw scores to an order and to a probability that a photo matches a sentence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.weights import WeightsError, read_json

FILE = "calibration.json"


@dataclass(frozen=True)
class Calibration:
    """Three numbers fitted on dev photos once training is over, kept beside the weights.

    score = ITM logit + similarity_scale * similarity (the sum BLIP ranks by), and
    match = sigmoid(match_scale * score + match_bias), Platt's scaling: one monotone curve, so that
    the order of the hits is the order of their match.
    """

    similarity_scale: float = 0.0
    match_scale: float = 1.0
    match_bias: float = 0.0

    def score(self, itm_logits: NDArray[np.float32], similarities: NDArray[np.float32]) -> NDArray[np.float32]:
        """The score to rank by, elementwise."""
        return np.asarray(itm_logits + np.float32(self.similarity_scale) * similarities, dtype=np.float32)

    def match(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability (0 to 1) that sentence and photo belong together, elementwise."""
        logits = np.clip(self.match_scale * scores.astype(np.float64) + self.match_bias, -60.0, 60.0)
        return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)

    @classmethod
    def fit(
        cls, similarities: NDArray[np.float32], itm_logits: NDArray[np.float32], relevant: NDArray[np.bool_]
    ) -> Calibration:
        """Fit to the shortlists of Q queries: scores (Q, K) and which of the candidates are true ones.

        The scale of the sum is the one with the best mean reciprocal rank, the curve the one with the
        best likelihood (logistic regression by Newton's method) at even odds: true candidates weigh as
        much as all others together. Of the look-alikes in a shortlist more than one may fit a sentence,
        but only the photo it was written about counts as true; without the weights a match would be a
        bet on that very photo.
        """
        found = relevant.any(axis=1)

        def reciprocal_rank(scale: float) -> float:
            scores = itm_logits[found] + np.float32(scale) * similarities[found]
            best = np.where(relevant[found], scores, -np.inf).max(axis=1, keepdims=True)
            return float((1.0 / (1 + ((scores >= best) & ~relevant[found]).sum(axis=1))).mean())

        scales = [0.0, *np.geomspace(0.25, 256.0, 41)]
        scale = float(max(scales, key=reciprocal_rank)) if found.any() else 0.0
        scores = (itm_logits + np.float32(scale) * similarities).astype(np.float64).ravel()
        match_scale, match_bias = _logistic(scores, relevant.ravel())
        return cls(scale, match_scale, match_bias)

    @classmethod
    def load(cls, weights: Path) -> Calibration:
        """The calibration in folder `weights`; the neutral one where none was fitted yet."""
        path = weights / FILE
        if not path.exists():
            return cls()
        try:
            return cls(**{name: float(value) for name, value in read_json(path).items()})
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{path} is not a calibration: {error}") from error

    def save(self, weights: Path) -> None:
        """Write it into folder `weights`."""
        (weights / FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def _logistic(scores: NDArray[np.float64], labels: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of `labels` (N,) on `scores` (N,), classes in balance.

    Slightly ridged, so that classes that can be told apart without error give a finite slope.
    """
    share = np.clip(labels.mean(), 1e-6, 1.0 - 1e-6)
    balance = np.where(labels, 0.5 / share, 0.5 / (1.0 - share))  # (N,), mean 1
    spread, centre = scores.std() + 1e-9, scores.mean()
    inputs = np.stack([(scores - centre) / spread, np.ones_like(scores)], axis=1)  # (N, 2)
    weights = np.zeros(2)
    for _ in range(50):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -60.0, 60.0)))
        gradient = inputs.T @ (balance * (predicted - labels)) + weights
        curvature = (inputs * (balance * predicted * (1.0 - predicted))[:, None]).T @ inputs + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    slope = float(weights[0] / spread)
    return slope, float(weights[1] - slope * centre)
