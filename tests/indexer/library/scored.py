"""Parameters of a score whose vectors hold word detectors, and the order of photos that it makes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from indexer.library.view import LibraryView
from model.runtime.protocol import EncodedText
from model.scoring.calibration import Calibration
from model.scoring.parameters import ScoringParameters
from model.scoring.photo_vectors import PhotoVectors
from model.scoring.projection import Projection
from model.scoring.querybank import Querybank
from model.scoring.word_detectors import WordDetectors
from tests.indexer.colour_runtime import EMBEDDING_SIZE

FEATURES, WORDS = 64, 5
_random = np.random.default_rng(0)


def _normal(*shape: int) -> NDArray[np.float32]:
    return _random.normal(size=shape).astype(np.float32)


_DETECTORS = WordDetectors(np.arange(WORDS), 3 * _normal(WORDS, FEATURES), _normal(WORDS) - 3, _normal(WORDS) - 3)
PARAMETERS = ScoringParameters(
    Calibration(similarity_scale=4.0, log_odds_scale=1.0),
    Querybank(_normal(9, EMBEDDING_SIZE) / np.float32(6)),
    _DETECTORS,
    Projection.learn(_DETECTORS, np.abs(_normal(300, FEATURES)).astype(np.float32) / np.float32(FEATURES)),
)
RECALIBRATED = replace(PARAMETERS, calibration=Calibration(similarity_scale=1.0, log_odds_scale=2.0))
EMBEDDING = _normal(1, EMBEDDING_SIZE)
EMBEDDING /= np.linalg.norm(EMBEDDING)
SENTENCE = EncodedText(EMBEDDING, [_normal(2, 4)], [np.array([1, 3] * 5)])  # as long as a caption


def expected(library: LibraryView, parameters: ScoringParameters) -> list[int]:
    """All photos in order of their score, computed one by one from what is stored."""
    ids = library.photo_ids().tolist()
    embeddings = np.stack(list(library.embeddings(ids).values()))
    detected = parameters.detectors.detect(np.stack(list(library.pooled_features(ids).values())))
    log_odds = detected.sentence_log_odds(SENTENCE, np.arange(len(ids)))
    similarity = (embeddings @ EMBEDDING.T)[:, 0] - parameters.querybank.hubness(embeddings)
    calibration = parameters.calibration
    scores = calibration.similarity_scale * similarity + calibration.log_odds_scale * log_odds
    return [ids[row] for row in np.argsort(-scores, kind="stable")]


def found(library: LibraryView, parameters: ScoringParameters) -> list[int]:
    query = PhotoVectors(parameters).of_sentences(SENTENCE).vectors[0]
    order: list[int] = library.shortlist(query, 100)[0].tolist()
    return order
