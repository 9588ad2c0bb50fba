"""Can a model tell a caption from one that differs in a word or two? (SugarCrepe, arXiv 2306.14610)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.data.shards import HardNegative
from model.metrics import percent
from model.runtime.protocol import Runtime
from model.scoring.calibration import Calibration
from model.scoring.collection import EncodedCollection

_AT_ONCE = 256


def accuracy(
    runtime: Runtime,
    calibration: Calibration,
    collection: EncodedCollection,
    cases: Sequence[HardNegative],
    photos: NDArray[np.int64],
) -> dict[str, Any]:
    """How often, in percent, the caption scores above the wrong sentence; case i is about photo `photos[i]` of
    `collection`.

    By `similarity`, by `itm` alone and by the score of the `rerank`, in all and for each kind of change. A tie
    is a miss; chance is 50. A photo's hubness makes no difference: both sentences are held against the same one.
    """
    true = _scores(runtime, calibration, collection, [case.caption for case in cases], photos)
    false = _scores(runtime, calibration, collection, [case.negative_caption for case in cases], photos)
    right = {name: true[name] > false[name] for name in true}
    kinds = np.array([case.kind for case in cases])

    def shares(rows: NDArray[np.bool_]) -> dict[str, Any]:
        return {
            "cases": int(rows.sum()),
            **{name: percent(hits[rows].mean()) for name, hits in right.items()},
        }

    whole = shares(np.ones(len(cases), dtype=np.bool_))
    return {**whole, "kinds": {str(kind): shares(kinds == kind) for kind in np.unique(kinds)}}


def _scores(
    runtime: Runtime,
    calibration: Calibration,
    collection: EncodedCollection,
    sentences: Sequence[str],
    photos: NDArray[np.int64],
) -> dict[str, NDArray[np.float32]]:
    parts = []
    for start in range(0, len(sentences), _AT_ONCE):
        text, rows = runtime.encode_text(sentences[start : start + _AT_ONCE]), photos[start : start + _AT_ONCE]
        similarity = (text.embeddings * collection.image_embeddings[rows]).sum(axis=1)
        itm = runtime.itm_logits(text, [collection.pixel_features[row] for row in rows])
        parts.append((similarity, itm, collection.words.evidence(text, rows)))
    similarity, itm, evidence = (np.concatenate(some) for some in zip(*parts, strict=True))
    return {"similarity": similarity, "itm": itm, "rerank": calibration.score(itm, similarity, evidence)}
