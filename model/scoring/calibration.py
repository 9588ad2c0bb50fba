"""From raw scores to an order and to a probability that a photo matches a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.scoring.match_quality import first_hits
from model.weights import WeightsError, read_json

FILE = "calibration.json"
STAMPS = ("weights", "querybank", "word_evidence")
"""What else the file says: what the numbers were fitted for, and with (`model.scoring.fitted`)."""
_SCALES_OF_SIMILARITY = (0.0, *np.geomspace(0.25, 1024.0, 49).tolist())
_SCALES_OF_WORDS = (0.0, *np.geomspace(0.02, 20.0, 31).tolist())
_SPLITS = 4  # ways of taking out half the photos
_NEARLY = 0.01  # of Youden's J: less than its standard error on a thousand sentences


class Scored(Protocol):
    """The shortlists of Q queries in one gallery, as `model.evaluation.Shortlists` has them."""

    @property
    def normalised(self) -> NDArray[np.float32]:
        """(Q, K), the similarities less the hubness of the photos."""

    @property
    def itm_logits(self) -> NDArray[np.float32]:
        """(Q, K)."""

    @property
    def evidence(self) -> NDArray[np.float32]:
        """(Q, K), of words; zeros where none were learned."""

    @property
    def relevant(self) -> NDArray[np.bool_]:
        """(Q, K), True on the right candidates."""


@dataclass(frozen=True)
class Calibration:
    """Five numbers fitted on dev photos once training is over, kept beside the weights.

    score = ITM logit + words_scale * word evidence + similarity_scale * (similarity - hubness), the sum BLIP ranks by
    with the similarity normalised by a `Querybank` and `WordEvidence` added, and
    match = sigmoid(match_scale * score + match_bias), Platt's scaling: one monotone curve, so that
    the order of the hits is the order of their match. First hits with a match below `cutoff` are best
    taken for wrong ones.
    """

    similarity_scale: float = 0.0
    words_scale: float = 0.0
    match_scale: float = 1.0
    match_bias: float = 0.0
    cutoff: float = 0.0

    def score(
        self,
        itm_logits: NDArray[np.float32],
        normalised: NDArray[np.float32],
        evidence: NDArray[np.float32] | float = 0.0,
    ) -> NDArray[np.float32]:
        """The score to rank by, elementwise: of ITM logits, similarities less hubness, and word evidence."""
        words, similarity = np.float32(self.words_scale), np.float32(self.similarity_scale)
        return np.asarray(itm_logits + words * evidence + similarity * normalised, dtype=np.float32)

    def scores(self, lists: Scored) -> NDArray[np.float32]:
        """The scores (Q, K) of shortlists."""
        return self.score(lists.itm_logits, lists.normalised, lists.evidence)

    def match(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probability (0 to 1) that sentence and photo belong together, elementwise."""
        logits = np.clip(self.match_scale * scores.astype(np.float64) + self.match_bias, -60.0, 60.0)
        return (1.0 / (1.0 + np.exp(-logits))).astype(np.float32)

    @classmethod
    def fit(cls, galleries: Sequence[Scored]) -> Calibration:
        """Fit to the shortlists of queries in several galleries, which count alike.

        The scales of the sum are those with the best mean reciprocal rank; of several, the middle one, since at either
        end one of the scores may count for nothing. The curve is the one with the best likelihood (logistic
        regression by Newton's method) that the first hit is the photo meant, where half the queries have had theirs
        taken out: what `match_quality` asks. The cut-off is the match that best tells right first hits from wrong ones:
        the greatest sum of the share of right ones above it and of wrong ones below (Youden's J), or nearly so.
        """
        fitted = _best_scales(galleries)
        parts = [
            (*first_hits(fitted.scores(one), one.relevant, seed), 1.0 / len(one.relevant))
            for one in galleries
            for seed in range(_SPLITS)
        ]
        scores = np.concatenate([hits for hits, _, _ in parts]).astype(np.float64)
        right = np.concatenate([correct for _, correct, _ in parts])
        weights = np.concatenate([np.full(len(hits), weight) for hits, _, weight in parts])
        match_scale, match_bias = _logistic(scores, right, weights / weights.mean())
        fitted = replace(fitted, match_scale=match_scale, match_bias=match_bias)
        return replace(fitted, cutoff=best_cutoff(fitted.match(scores.astype(np.float32)), right, weights))

    @classmethod
    def load(cls, weights: Path) -> Calibration:
        """The calibration in folder `weights`; the neutral one where none was fitted yet.

        It may be of other weights: `model.scoring.fitted.FittedScores.load` sees to that.
        """
        path = weights / FILE
        if not path.exists():
            return cls()
        try:
            numbers = {name: value for name, value in read_json(path).items() if name not in STAMPS}
            return cls(**{name: float(value) for name, value in numbers.items()})
        except (TypeError, ValueError) as error:
            raise WeightsError(f"{path} is not a calibration: {error}") from error


def _best_scales(galleries: Sequence[Scored]) -> Calibration:
    """The scales with the best mean reciprocal rank, those of the similarity for each of the words' together."""
    words = _SCALES_OF_WORDS if any(one.evidence.any() for one in galleries) else (0.0,)
    found = []
    for words_scale in words:
        tried = [Calibration(scale, words_scale) for scale in _SCALES_OF_SIMILARITY]
        ranked = [float(np.mean([_reciprocal_rank(one, scales) for one in galleries])) for scales in tried]
        best = [scales for scales, rank in zip(tried, ranked, strict=True) if rank == max(ranked)]
        found.append((max(ranked), best[len(best) // 2]))
    return max(found, key=lambda one: one[0])[1]


def _reciprocal_rank(lists: Scored, scales: Calibration) -> float:
    """Mean over the queries whose right candidates are among the K; 0 where there is none."""
    found = lists.relevant.any(axis=1)
    if not found.any():
        return 0.0
    scores, relevant = scales.scores(lists)[found], lists.relevant[found]
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)
    return float((1.0 / (1 + ((scores >= best) & ~relevant).sum(axis=1))).mean())


def best_cutoff(match: NDArray[np.floating], right: NDArray[np.bool_], weights: NDArray[np.float64]) -> float:
    """The match (N,) at or above which hits are best taken for right ones.

    Of those that tell them apart nearly as well, the lowest: a right hit called wrong costs more than the reverse.
    """
    order = np.argsort(-match, kind="stable")
    gained = np.cumsum(weights[order] * right[order]) / max(1e-12, float((weights * right).sum()))
    lost = np.cumsum(weights[order] * ~right[order]) / max(1e-12, float((weights * ~right).sum()))
    told_apart = gained - lost
    return round(float(match[order[int(np.flatnonzero(told_apart >= told_apart.max() - _NEARLY)[-1])]]), 4)


def _logistic(
    scores: NDArray[np.float64], labels: NDArray[np.bool_], importance: NDArray[np.float64]
) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of `labels` (N,) on `scores` (N,), of which each counts as
    much as its `importance` (N,), mean 1.

    Slightly ridged, so that classes that can be told apart without error give a finite slope.
    """
    spread, centre = scores.std() + 1e-9, scores.mean()
    inputs = np.stack([(scores - centre) / spread, np.ones_like(scores)], axis=1)  # (N, 2)
    weights = np.zeros(2)
    for _ in range(50):
        predicted = 1.0 / (1.0 + np.exp(-np.clip(inputs @ weights, -60.0, 60.0)))
        gradient = inputs.T @ (importance * (predicted - labels)) + weights
        curvature = (inputs * (importance * predicted * (1.0 - predicted))[:, None]).T @ inputs + np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-8:
            break
    slope = float(weights[0] / spread)
    return slope, float(weights[1] - slope * centre)
