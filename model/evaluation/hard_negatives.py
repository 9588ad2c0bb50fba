"""Hard negatives: does a caption score above one that differs in a word or two? (SugarCrepe, arXiv 2306.14610)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.shards import HardNegative
from model.metrics import percent
from model.scoring.collection import EncodedCollection
from model.scoring.ranker import Ranker

_AT_ONCE = 256


def accuracy(
    ranker: Ranker, collection: EncodedCollection, cases: Sequence[HardNegative], photos: NDArray[np.int64]
) -> dict[str, Any]:
    """How often, in percent, the caption scores above the wrong sentence; case i is about photo `photos[i]` of
    `collection`.

    By `similarity`, by `itm` alone and by the score of the `rerank`, in all and for each kind of change. A tie
    is a miss; chance is 50. A photo's hubness makes no difference: both sentences are compared with the same photo.
    """
    true = _scores(ranker, collection, [case.caption for case in cases], photos)
    false = _scores(ranker, collection, [case.negative_caption for case in cases], photos)
    right = {name: true[name] > false[name] for name in true}
    kinds = np.array([case.kind for case in cases])

    def shares(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "cases": int(rows.sum()),
            **{name: percent(hits[rows].mean()) for name, hits in right.items()},
        }

    total = shares(np.ones(len(cases), dtype=np.bool_))
    return {**total, "kinds": {str(kind): shares(kinds == kind) for kind in np.unique(kinds)}}


def _scores(
    ranker: Ranker, collection: EncodedCollection, sentences: Sequence[str], photos: NDArray[np.int64]
) -> dict[str, NDArray[np.float32]]:
    batches = []
    for start in range(0, len(sentences), _AT_ONCE):
        text = ranker.runtime.encode_text(sentences[start : start + _AT_ONCE])
        batches.append(ranker.score(text, collection.photos, photos[start : start + _AT_ONCE]))
    return {
        "similarity": np.concatenate([batch.parts.similarity for batch in batches]),
        "itm": np.concatenate([batch.parts.itm_logits for batch in batches]),
        "rerank": np.concatenate([batch.scores for batch in batches]),
    }
