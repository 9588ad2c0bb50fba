"""Fit all scoring parameters of finished weights: `pixelseek model calibrate`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.data.shards import CaptionedPhoto, Shard, ShardError, read_shards
from model.opened import OpenedWeights
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.scoring.absence_fitting import fit_absence_rule
from model.scoring.calibration import Calibration
from model.scoring.calibration_fitting import fit_calibration
from model.scoring.collection import encode_photos
from model.scoring.parameters import ScoringParameters
from model.scoring.photo_space import PhotoSpace
from model.scoring.projection import Projection
from model.scoring.querybank import Querybank
from model.scoring.ranker import Ranker
from model.scoring.ratio_fitting import fit_ratio
from model.scoring.vocabulary import Vocabulary
from model.scoring.word_detectors import WordDetectors
from model.weights import WeightsError


def fit_parameters(
    weights: Path,
    shards: Sequence[Shard],
    *,
    split: str = "dev",
    captions: int | None = 1,
    shortlist: int = 16,
    device: str = "auto",
    progress: bool = True,
) -> ScoringParameters:
    """Make querybank and vocabulary, learn word detectors, their projection and the space of photos, fit the
    calibration and the rule for what is absent, and write all into folder `weights`.

    All but calibration and rule come from the train photos of the shards; where there are none, those in the folder are
    kept. The calibration is fitted on the photos of `split` with their first `captions` captions; how much detectors
    count beside similarity (`fit_ratio`) and the rule with all.

    The photos of each dataset are a gallery of their own, once as a whole and once in blocks of 100: what a score says
    depends a little on how many photos there are. Queries are captions, which decide what each part of the score
    counts, and with them short queries, which people type. What a person would say of each candidate comes from
    `judge`. Raises ShardError when there are no such photos, and WeightsError when there is no PyTorch, or no sentence
    encoder for the judge.
    """
    datasets: dict[str, list[CaptionedPhoto]] = defaultdict(list)
    for photo in read_shards(shards, split):
        datasets[photo.dataset].append(photo)
    if not datasets:
        raise ShardError(f"no captioned photos of split {split} in {', '.join(map(str, shards))}")
    if not find_spec("torch"):
        raise WeightsError("calibrating needs PyTorch: pip install 'pixelseek[train]'")
    from model.scoring.judge import SentenceEncoder
    from model.scoring.judged_galleries import JudgedGallery

    encoder = SentenceEncoder()
    opened = OpenedWeights(weights)
    runtime = load_runtime(opened, device=device)
    with opened.reading():
        processor = PixelBertProcessor.from_pretrained(weights)
    train = read_shards(shards, "train")
    if train:
        batches = encode_photos(runtime, train, processor, label="train photos", progress=progress)
        pooled = np.concatenate([batch.pooled_features for batch in batches])
        detectors = _learn_detectors(pooled, processor, train, progress)
        parameters = ScoringParameters(
            querybank=Querybank.of(runtime, train),
            detectors=detectors,
            projection=Projection.learn(detectors, pooled),
            photo_space=PhotoSpace.learn(pooled),
            vocabulary=Vocabulary.of(photo.captions for photo in train),
        )
    else:
        try:
            parameters = ScoringParameters.load(weights, opened.generation)
        except WeightsError:  # of other weights: nothing in it holds for these
            parameters = ScoringParameters()
    ranker = Ranker(runtime, parameters)
    galleries = [
        JudgedGallery(ranker, processor, photos, encoder, captions=captions, progress=progress)
        for photos in datasets.values()
    ]
    ratio = None
    if len(parameters.detectors.ids):
        ratio = fit_ratio(parameters, [gallery.with_all_captions(runtime) for gallery in galleries])
        parameters = replace(parameters, calibration=Calibration(1.0, ratio))
    ranker = Ranker(runtime, parameters)
    searched = [found for gallery in galleries for found in gallery.searched(ranker, shortlist, progress=progress)]
    parameters = replace(parameters, calibration=fit_calibration(searched, ratio=ratio))
    rule = fit_absence_rule(
        Ranker(runtime, parameters),
        processor,
        [(gallery.collection.photos, gallery.captions) for gallery in galleries],
        [photo.captions for photo in train],
        progress=progress,
    )
    parameters = replace(parameters, absence=rule)
    with opened.reading():
        parameters.save(weights, opened.generation)
    return parameters


def _learn_detectors(
    pooled: NDArray[np.float32], processor: PixelBertProcessor, photos: Sequence[CaptionedPhoto], progress: bool
) -> WordDetectors:
    from model.scoring.word_weights import learn_weighted_detectors

    captions = [[processor.tokenize([caption])["input_ids"][0] for caption in photo.captions] for photo in photos]
    return learn_weighted_detectors(pooled, captions, progress=progress)
