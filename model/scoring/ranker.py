"""How a score is made: the one place where the outputs of a network become a score and a match.

    score = w * ITM logit + log_odds_scale * log-odds + w * similarity_scale * (similarity - hubness)
    match = sigmoid(match_scale * score + match_prior_scale * prior log-odds + match_bias)

- ITM logit: the joint pass reads sentence and photo together (`Runtime.itm_logits`). It takes most of the time.
- Log-odds: how much likelier the words of the sentence are about this photo than about any (`word_detectors`).
- Similarity: the inner product of both embeddings. Hubness: how near the photo is to every sentence (`querybank`), and
  a penalty where it is unlike any photo (`photo_space`).
- w: what the sentence counts as a whole, less than 1 where it is short (`sentence_length`).
- Prior log-odds: how usual the words of the sentence are, whatever the photo.

The match is the probability that a person who is shown sentence and photo says that the sentence fits. A sentence of
many or of rare words fits few photos. Of one sentence the order of the matches is the order of the scores.

The scales and the bias are fitted on dev photos (`calibration`). BLIP ranks by such a sum of ITM logit and similarity;
the querybank and the word detectors are added here. All but the joint pass is one inner product, which an index can
rank by (`photo_vectors`).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from model.opened import OpenedWeights
from model.runtime.batching import check_pairs
from model.runtime.loading import load_runtime
from model.runtime.protocol import EncodedImages, EncodedText, PairScorer, Runtime
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.parts import PreparedPhotos, ScoreParts
from model.scoring.photo_vectors import PhotoVectors
from model.scoring.sentence_length import completeness
from model.scoring.word_detectors import DetectedWords, WordDetectors

_MIN_MATCH_SCALE = 0.01
_ONE_WORD = float(completeness(np.ones(1, dtype=np.float32))[0])
TAUGHT_PRIOR = -3.5 / _ONE_WORD
"""The prior log-odds that a taught word adds to those of a sentence: 3 of 100 photos show it. Nobody knows how many."""


@dataclass(frozen=True)
class Scored:
    """The scores (K,) of K pairs to rank them by, the calibrated match (K,), 0 to 1, and the parts they come from."""

    scores: NDArray[np.float32]
    match: NDArray[np.float32]
    parts: ScoreParts


def combine(
    parts: ScoreParts, calibration: Calibration, *, hubness: bool = True, detectors: bool = True, joint: bool = True
) -> NDArray[np.float32]:
    """The scores (an array of the shape of the parts), without the parts that are set to False."""
    # A calibration that was never fitted ranks by the joint pass alone: without that pass, by similarity.
    similarity_scale = np.float32(calibration.similarity_scale or not joint)
    log_odds_scale = np.float32(calibration.log_odds_scale * detectors)
    whole = parts.itm_logits * joint + similarity_scale * (parts.similarity - parts.hubness * hubness)
    return np.asarray(log_odds_scale * parts.log_odds + completeness(parts.words) * whole, dtype=np.float32)


def match_of(
    scores: NDArray[np.float32], prior_log_odds: NDArray[np.float32], calibration: Calibration
) -> NDArray[np.float32]:
    """The probability (0 to 1) that a person says that the sentence fits the photo, elementwise.

    `prior_log_odds` are those of the sentence. The match rises with the score.
    """
    prior = calibration.match_prior_scale * prior_log_odds.astype(np.float64)
    logits = calibration.match_scale * scores.astype(np.float64) + prior + calibration.match_bias
    return (1.0 / (1.0 + np.exp(-np.clip(logits, -60.0, 60.0)))).astype(np.float32)


class Ranker:
    """Scores sentence-photo pairs with a network and the parameters fitted to it.

    `hubness`, `detectors` and `joint` set to False leave that part out of every score; `joint=False` saves the joint
    pass. The match is calibrated for the full sum only.
    """

    def __init__(
        self,
        runtime: Runtime,
        parameters: ScoringParameters | None = None,
        *,
        hubness: bool = True,
        detectors: bool = True,
        joint: bool = True,
    ) -> None:
        self.runtime = runtime
        self._scorer: PairScorer = runtime
        self.parameters = parameters or ScoringParameters()
        self.cutoff = self.parameters.calibration.cutoff
        """First hits with a match below it are more likely wrong than right hits."""
        self._included = {"hubness": hubness, "detectors": detectors, "joint": joint}

    @classmethod
    def load(
        cls,
        weights: Path | OpenedWeights,
        *,
        device: str = "auto",
        hubness: bool = True,
        detectors: bool = True,
        joint: bool = True,
    ) -> Self:
        """The ranker of a folder of weights. Raises WeightsError when network or parameters cannot be read."""
        opened = OpenedWeights.of(weights)
        parameters = ScoringParameters.load(opened.folder, opened.generation)
        runtime = load_runtime(opened, device=device)
        return cls(runtime, parameters, hubness=hubness, detectors=detectors, joint=joint)

    def with_joint_pass(self, scorer: PairScorer) -> Self:
        """The same ranker, but `scorer` computes the joint pass."""
        other = copy(self)
        other._scorer = scorer
        return other

    @cached_property
    def photo_vectors(self) -> PhotoVectors:
        """Makes the vectors that the shortlist compares."""
        return PhotoVectors(self.parameters, hubness=self._included["hubness"], detectors=self._included["detectors"])

    def prepare(self, photos: EncodedImages) -> PreparedPhotos:
        """Compute once what does not depend on the sentence. Raises WeightsError for features of another network."""
        return PreparedPhotos(
            photos.embeddings,
            photos.pixel_features,
            photos.pooled_features,
            self.photo_vectors.hubness(photos.embeddings, photos.pooled_features),
            self.detect_words(photos.pooled_features),
        )

    def detect_words(self, pooled_features: NDArray[np.float32]) -> DetectedWords:
        """What the word detectors say of photos, from their pooled features (N, C)."""
        return self._detectors.detect(pooled_features)

    @property
    def detects_words(self) -> bool:
        """Whether word detectors count in its scores."""
        return bool(len(self._detectors.ids))

    @property
    def _detectors(self) -> WordDetectors:
        return self.parameters.detectors if self._included["detectors"] else WordDetectors()

    def score(
        self, text: EncodedText, photos: EncodedImages | PreparedPhotos, rows: NDArray[np.int64] | None = None
    ) -> Scored:
        """Score sentence i with photo `rows[i]` of `photos`, or with photo i; one sentence goes with every photo.

        Raises ValueError when there are several sentences, but not as many as photos.
        """
        prepared = self.prepare(photos) if isinstance(photos, EncodedImages) else photos
        rows = np.arange(len(prepared)) if rows is None else rows
        features = [prepared.pixel_features[row] for row in rows]
        check_pairs(text, features)
        embeddings, itm_logits = prepared.embeddings[rows], np.zeros(len(rows), dtype=np.float32)
        if self._included["joint"]:
            itm_logits = self._scorer.itm_logits(text, features)
        parts = ScoreParts(
            # Not a matrix product: there the rounding of a row depends on its neighbours, and equal photos should tie.
            np.einsum("ke,ke->k", np.broadcast_to(text.embeddings, embeddings.shape), embeddings),
            prepared.hubness[rows],
            prepared.words.sentence_log_odds(text, rows),
            itm_logits,
            np.broadcast_to(text.lengths(), rows.shape),
            np.broadcast_to(self._detectors.prior_log_odds(text), rows.shape),
        )
        scores = self.combine(parts)
        return Scored(scores, self.match(scores, parts.prior_log_odds), parts)

    def taught_scores(self, log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
        """What to add to the scores (K,) of a sentence for a taught word in it, given its log-odds of each photo (K,).

        It counts as a word detector does in a sentence of that one word, however long the sentence is: measured in
        docs/development/experiments.md.
        """
        scale = self.parameters.calibration.log_odds_scale or 1.0
        return np.asarray(scale / _ONE_WORD * log_odds, dtype=np.float32)

    def combine(self, parts: ScoreParts) -> NDArray[np.float32]:
        """The scores of parts that are known already, elementwise."""
        return combine(parts, self.parameters.calibration, **self._included)

    def match(self, scores: NDArray[np.float32], prior_log_odds: NDArray[np.float32]) -> NDArray[np.float32]:
        """The match of scores of sentences with these prior log-odds, elementwise."""
        return match_of(scores, prior_log_odds, self.parameters.calibration)

    def score_of_logits(self, match_logits: NDArray[np.float32]) -> NDArray[np.float32]:
        """What to add to a score so that the logit of its match rises by `match_logits`, elementwise."""
        scale = max(self.parameters.calibration.match_scale, _MIN_MATCH_SCALE)  # a flat curve must not divide by zero
        return np.asarray(match_logits / scale, dtype=np.float32)
