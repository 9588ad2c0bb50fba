"""Recall on the dev photos during a training run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from model.data.shards import CaptionedPhoto
from model.metrics import RECALL_AT, recall
from model.processor import PixelBertProcessor
from model.runtime.protocol import Runtime
from model.scoring.calibration_fitting import Gallery, fit_calibration
from model.scoring.collection import encode_collection
from model.scoring.judge import OWN_FIT
from model.scoring.parameters import ScoringParameters
from model.scoring.querybank import Querybank
from model.scoring.ranker import Ranker
from model.scoring.shortlists import rerank_photos
from model.scoring.word_detectors import WordDetectors
from model.training.recipe import Dev


@dataclass(frozen=True)
class DevResult:
    """Text-to-image recall, and the scoring parameters fitted for it."""

    figures: dict[str, dict[str, Any]]
    """By dataset and ranking: `shortlist`, `itm` and `rerank`."""
    parameters: ScoringParameters
    score: float
    """The mean over datasets and k of the rerank's recall@k, in percent."""


class DevEvaluator:
    """A fixed random sample of the dev photos, with a gallery for each dataset."""

    def __init__(self, photos: Sequence[CaptionedPhoto], settings: Dev, train: Sequence[CaptionedPhoto]) -> None:
        """`photos` are the dev photos; the captions of the `train` photos make the querybank."""
        self._settings, self._train = settings, train
        self._galleries: dict[str, list[CaptionedPhoto]] = defaultdict(list)
        for row in np.random.default_rng(0).permutation(len(photos)).tolist():
            gallery = self._galleries[photos[row].dataset]
            if len(gallery) < settings.photos:
                gallery.append(photos[row].with_captions(settings.captions))

    def __len__(self) -> int:
        return sum(map(len, self._galleries.values()))

    def evaluate(self, runtime: Runtime, processor: PixelBertProcessor, detectors: WordDetectors) -> DevResult:
        """Recall of shortlist, ITM alone and rerank on every gallery, with these word detectors."""
        ranker = Ranker(runtime, ScoringParameters(querybank=Querybank.of(runtime, self._train), detectors=detectors))
        shortlists = {
            name: rerank_photos(ranker, encode_collection(ranker, photos, processor), self._settings.shortlist)
            for name, photos in sorted(self._galleries.items())
        }
        # No judge here: only a photo's own captions fit it. `pixelseek model calibrate` fits the match that ships.
        galleries = [
            Gallery(lists.parts, np.where(lists.relevant, np.float32(OWN_FIT), np.float32(0.0)), lists.relevant)
            for lists in shortlists.values()
        ]
        parameters = replace(ranker.parameters, calibration=fit_calibration(galleries))
        ranker = Ranker(runtime, parameters)
        figures = {
            name: {
                "shortlist": recall(gallery.similarity_ranks),
                "itm": recall(gallery.ranks(gallery.parts.itm_logits)),
                "rerank": recall(gallery.ranks(ranker.combine(gallery.parts))),
            }
            for name, gallery in shortlists.items()
        }
        score = float(np.mean([rankings["rerank"][f"r@{k}"] for rankings in figures.values() for k in RECALL_AT]))
        return DevResult(figures, parameters, score)
