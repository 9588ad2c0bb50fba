"""Fit the calibration of finished weights anew: on all dev photos, in galleries large and small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from model.data.shards import CaptionedPhoto, ShardError, read_shards
from model.opened import OpenedWeights
from model.processor import PixelBertProcessor
from model.runtime.loading import load_runtime
from model.runtime.protocol import Runtime
from model.scoring.calibration import Calibration
from model.scoring.collection import encode_collection, encode_photos
from model.scoring.fitted import FittedScores
from model.scoring.querybank import Querybank
from model.scoring.shortlists import Shortlists, rerank_photos
from model.scoring.word_detectors import WordEvidence
from model.weights import WeightsError

SMALL_GALLERY = 100


def calibrate(
    weights: Path,
    shards: Sequence[Path],
    *,
    split: str = "dev",
    captions: int | None = 1,
    shortlist: int = 16,
    device: str = "auto",
    progress: bool = True,
) -> FittedScores:
    """Fit on the photos of `split` with their first `captions` captions, and write it into folder `weights`.

    Where the shards hold train photos, the querybank and the word evidence are made anew of them first.

    The photos of each dataset are a gallery of their own, once as a whole and once in blocks of 100: the fewer
    photos there are, the likelier a first hit is right, and the curve is to hold for both. Raises ShardError when
    there are no such photos, and WeightsError when there is no PyTorch to learn words with.
    """
    datasets: dict[str, list[CaptionedPhoto]] = defaultdict(list)
    for photo in read_shards(shards, split):
        datasets[photo.dataset].append(photo.with_captions(captions))
    if not datasets:
        raise ShardError(f"no captioned photos of split {split} in {', '.join(map(str, shards))}")
    opened = OpenedWeights(weights)
    runtime = load_runtime(opened, device=device)
    with opened.reading():
        processor = PixelBertProcessor.from_pretrained(weights)
    train = read_shards(shards, "train")
    if train:
        querybank = Querybank.of(runtime, train)
        evidence = _learned(runtime, processor, train, progress)
    else:
        try:
            kept = FittedScores.load(weights, opened.generation)
        except WeightsError:  # of other weights: nothing in it holds for these
            kept = FittedScores()
        querybank, evidence = kept.querybank, kept.evidence
    galleries: list[Shortlists] = []
    for photos in datasets.values():
        collection = encode_collection(runtime, photos, processor, querybank, evidence, progress=progress)
        blocks = list(collection.folds(SMALL_GALLERY))
        for parts in ([collection], blocks):
            if parts:
                lists = [
                    rerank_photos(runtime, part, shortlist, progress=progress and len(parts) == 1) for part in parts
                ]
                galleries.append(Shortlists.joined(lists))
    fitted = FittedScores(Calibration.fit(galleries), querybank, evidence)
    with opened.reading():
        fitted.save(weights, opened.generation)
    return fitted


def _learned(
    runtime: Runtime, processor: PixelBertProcessor, photos: Sequence[CaptionedPhoto], progress: bool
) -> WordEvidence:
    if not find_spec("torch"):
        raise WeightsError("the words of train photos are learned with PyTorch: pip install 'pixelseek[gpu]'")
    from model.scoring.word_learning import learn

    encoded = encode_photos(runtime, photos, processor, what="photos to learn words of", progress=progress)
    pooled = np.concatenate([some.pooled_features for some in encoded])
    captions = [[processor.text([caption])["input_ids"][0] for caption in photo.captions] for photo in photos]
    return learn(pooled, captions, progress=progress)
