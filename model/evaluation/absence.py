"""Does a search know what a gallery has not? Short queries for absent things beside such for what is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from model.metrics import area_under_curve, percent
from model.processor import PixelBertProcessor
from model.scoring.absence_fitting import search_for
from model.scoring.absence_queries import short_queries
from model.scoring.parts import PreparedPhotos
from model.scoring.ranker import Ranker

_QUERIES = 100  # of each kind


def absence(
    ranker: Ranker,
    processor: PixelBertProcessor,
    photos: PreparedPhotos,
    captions: Sequence[Sequence[str]],
    elsewhere: Sequence[Sequence[str]],
) -> dict[str, Any] | None:
    """How well the first hit of a search tells what is there from what is not.

    `captions` are those of each of the `photos`, `elsewhere` those of other photos. None where there are no queries.

    - `queries`: how many of each kind;
    - `auroc`: how often a query for what is there has a first hit with a higher match than one for what is not;
    - `auroc_evidence`: the same for what the rule goes by (`absence.evidence`), where there is evidence;
    - `called_absent`: the share of the queries for what is `absent`, and for what is `present`, that the rule calls
      absent, in percent.
    """
    queries = short_queries(captions, elsewhere, _QUERIES)
    if not queries:
        return None
    hits = search_for(queries, ranker, processor, photos)
    called = hits.called_absent(ranker.parameters.absence)
    evidence = np.array([np.nan if value is None else value for value in hits.evidence], dtype=np.float64)
    known = ~np.isnan(evidence)
    return {
        "queries": len(queries) // 2,
        "auroc": round(area_under_curve(hits.match.astype(np.float64), hits.present), 4),
        "auroc_evidence": round(area_under_curve(evidence[known], hits.present[known]), 4),
        "called_absent": {
            "absent": percent(called[~hits.present].mean()),
            "present": percent(called[hits.present].mean()),
        },
    }
