"""Fit the rule by which a search says "nothing like that here" to short queries about dev photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model.processor import PixelBertProcessor
from model.scoring.absence import AbsenceRule, content_ids, evidence, weakest_word
from model.scoring.absence_queries import ShortQuery, short_queries
from model.scoring.collection import EncodedCollection
from model.scoring.parts import PreparedPhotos
from model.scoring.ranker import Ranker
from model.scoring.shortlists import rerank_photos

MAX_FALSE = 0.1
"""The share of queries for what is there that the rule may call absent: hiding what is there is the worse mistake."""
SHORTLIST = 64  # as a search has it by default: of fewer photos the best one of a word is worse
_GALLERIES = (100, 400)  # photos: the fewer there are, the less they show, and the rule must hold for both
_QUERIES = 60  # of each kind in a gallery
_MIN_QUERIES = 30


@dataclass(frozen=True)
class FirstHits:
    """What a search says of the first hits of Q queries."""

    present: NDArray[np.bool_]
    """(Q,) Whether the gallery has what the query names."""
    match: NDArray[np.float32]
    """(Q,) Of the first hit."""
    evidence: list[float | None]
    """(Q,) See `absence.evidence`."""

    def called_absent(self, rule: AbsenceRule) -> NDArray[np.bool_]:
        """(Q,) What `rule` says of each."""
        return np.array([rule.is_absent(value) for value in self.evidence], dtype=np.bool_)


def search_for(
    queries: Sequence[ShortQuery],
    ranker: Ranker,
    processor: PixelBertProcessor,
    photos: PreparedPhotos,
    *,
    shortlist: int = SHORTLIST,
    progress: bool = False,
) -> FirstHits:
    """Search a gallery for each query as the product does: the shortlist's photos are reranked."""
    text = ranker.runtime.encode_text([query.text for query in queries])
    collection = EncodedCollection(photos, text, np.zeros(len(queries), dtype=np.int64))
    lists = rerank_photos(ranker, collection, shortlist, progress=progress)
    match = ranker.match(ranker.combine(lists.parts), lists.parts.prior_log_odds).max(axis=1)
    detectors, vocabulary = ranker.parameters.detectors, ranker.parameters.vocabulary
    weakest = [
        weakest_word(detectors, photos.pooled_features[rows], content_ids(processor, vocabulary, query.text))
        for query, rows in zip(queries, lists.candidates, strict=True)
    ]
    return FirstHits(
        np.array([query.present for query in queries], dtype=np.bool_),
        match,
        [evidence(float(first), word) for first, word in zip(match, weakest, strict=True)],
    )


def fit_absence_rule(
    ranker: Ranker,
    processor: PixelBertProcessor,
    datasets: Sequence[tuple[PreparedPhotos, Sequence[Sequence[str]]]],
    elsewhere: Sequence[Sequence[str]],
    *,
    progress: bool = False,
) -> AbsenceRule:
    """The rule for a ranker whose match is fitted already.

    `datasets` are photos, each with its captions; `elsewhere` are the captions of still other photos. The threshold is
    the highest that calls at most MAX_FALSE of the queries for what is there absent. Where there are too few queries
    to tell, the rule never says so.
    """
    values: list[float] = []
    for row, (photos, captions) in enumerate(datasets):
        others = [text for place, (_, texts) in enumerate(datasets) if place != row for text in texts]
        for size in _GALLERIES:
            queries = short_queries(captions[:size], [*elsewhere, *others, *captions[size:]], _QUERIES)
            present = [query for query in queries if query.present]
            if len(photos) >= size and present:
                hits = search_for(present, ranker, processor, photos.part(0, size), progress=progress)
                values += [value for value in hits.evidence if value is not None]
    return (
        AbsenceRule(round(float(np.quantile(values, MAX_FALSE)), 4)) if len(values) >= _MIN_QUERIES else AbsenceRule()
    )
