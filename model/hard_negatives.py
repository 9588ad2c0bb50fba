"""Can a model tell a caption from one that differs in a word or two? (SugarCrepe, arXiv 2306.14610)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.calibration import Calibration
from model.metrics import percent
from model.runtime import EncodedImages, Runtime
from model.shards import HardNegative

_AT_ONCE = 256


def accuracy(
    runtime: Runtime, calibration: Calibration, cases: Sequence[HardNegative], photos: EncodedImages
) -> dict[str, Any]:
    """How often, in percent, the caption scores above the wrong sentence; case i is about photo i of `photos`.

    By `similarity`, by `itm` alone and by the score of the `rerank`, in all and for each kind of change. A tie
    is a miss; chance is 50.
    """
    true = _scores(runtime, calibration, [case.caption for case in cases], photos)
    false = _scores(runtime, calibration, [case.negative_caption for case in cases], photos)
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
    runtime: Runtime, calibration: Calibration, sentences: Sequence[str], photos: EncodedImages
) -> dict[str, NDArray[np.float32]]:
    similarities, logits = [], []
    for start in range(0, len(sentences), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        text = runtime.encode_text(sentences[rows])
        similarities.append((text.embeddings * photos.embeddings[rows]).sum(axis=1))
        logits.append(runtime.match(text, photos.pixel_features[rows]))
    similarity, itm = np.concatenate(similarities), np.concatenate(logits)
    return {"similarity": similarity, "itm": itm, "rerank": calibration.score(itm, similarity)}
