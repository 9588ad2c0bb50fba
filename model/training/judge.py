"""What weights are worth on the dev photos, while they are trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.data.shards import CaptionedPhoto
from model.metrics import RECALL_AT, recall
from model.processor import PixelBertProcessor
from model.runtime.protocol import Runtime
from model.scoring.calibration import Calibration
from model.scoring.collection import encode_collection
from model.scoring.querybank import Querybank
from model.scoring.shortlists import rerank_photos
from model.scoring.word_detectors import WordEvidence
from model.training.recipe import Dev


@dataclass(frozen=True)
class Verdict:
    """Text-to-image recall by dataset and ranking, the calibration found on the way, and one number for it all."""

    figures: dict[str, dict[str, Any]]
    calibration: Calibration
    querybank: Querybank
    score: float
    """The mean over datasets and k of the rerank's recall@k."""


class Judge:
    """A fixed random part of the dev photos: those of each dataset in a gallery of their own."""

    def __init__(self, photos: Sequence[CaptionedPhoto], settings: Dev, train: Sequence[CaptionedPhoto]) -> None:
        """Of the dev `photos`; captions of the `train` photos make the querybank."""
        self._settings, self._train = settings, train
        self._galleries: dict[str, list[CaptionedPhoto]] = defaultdict(list)
        for row in np.random.default_rng(0).permutation(len(photos)).tolist():
            gallery = self._galleries[photos[row].dataset]
            if len(gallery) < settings.photos:
                gallery.append(photos[row].with_captions(settings.captions))

    def __len__(self) -> int:
        return sum(map(len, self._galleries.values()))

    def judge(self, runtime: Runtime, processor: PixelBertProcessor, evidence: WordEvidence) -> Verdict:
        """Shortlist, ITM alone and rerank on every gallery, with what word evidence there is."""
        querybank = Querybank.of(runtime, self._train)
        collections = {
            name: encode_collection(runtime, photos, processor, querybank, evidence)
            for name, photos in sorted(self._galleries.items())
        }
        lists = {name: rerank_photos(runtime, one, self._settings.shortlist) for name, one in collections.items()}
        calibration = Calibration.fit(list(lists.values()))
        figures = {
            name: {
                "shortlist": recall(one.similarity_ranks),
                "itm": recall(one.ranks(one.itm_logits)),
                "rerank": recall(one.ranks(calibration.scores(one))),
            }
            for name, one in lists.items()
        }
        score = float(np.mean([of["rerank"][f"r@{k}"] for of in figures.values() for k in RECALL_AT]))
        return Verdict(figures, calibration, querybank, score)
