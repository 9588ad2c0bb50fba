"""Fit the calibration of finished weights anew: on all dev photos, in galleries large and small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.calibration import Calibration, best_scale
from model.evaluation import EncodedCollection, Shortlists, encode_collection, encode_photos, rerank_photos
from model.processor import PixelBertProcessor
from model.querybank import Querybank
from model.runtime import Runtime, load_runtime
from model.shards import CaptionedPhoto, ShardError, read_shards
from model.weights import WeightsError
from model.word_evidence import WordEvidence, pooled

SMALL_GALLERY = 100
_WORD_SCALES = (0.0, *np.geomspace(0.02, 20.0, 31).tolist())


def calibrate(
    weights: Path,
    shards: Sequence[Path],
    *,
    split: str = "dev",
    captions: int | None = 1,
    shortlist: int = 16,
    device: str = "auto",
    progress: bool = True,
) -> Calibration:
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
    runtime = load_runtime(weights, device=device, word_evidence=False)
    processor = PixelBertProcessor.from_pretrained(weights)
    if train := read_shards(shards, "train"):
        querybank = Querybank.of(runtime, train)
        evidence = _learned(runtime, processor, train, progress)
    else:
        querybank, evidence = Querybank.load(weights), WordEvidence.load(weights)
    galleries: list[Shortlists] = []
    found: list[NDArray[np.float32]] = []
    for photos in datasets.values():
        collection = encode_collection(runtime, photos, processor, querybank, progress=progress)
        blocks = list(collection.folds(SMALL_GALLERY))
        for parts in ([collection], blocks):
            if parts:
                lists = [
                    rerank_photos(runtime, part, shortlist, progress=progress and len(parts) == 1) for part in parts
                ]
                galleries.append(Shortlists.joined(lists))
                found.append(np.concatenate([_of(evidence, *both) for both in zip(parts, lists, strict=True)]))

    def summed(scale: float) -> list[Shortlists]:
        return [
            replace(one, itm_logits=one.itm_logits + np.float32(scale) * words)
            for one, words in zip(galleries, found, strict=True)
        ]

    evidence = replace(evidence, scale=max(_WORD_SCALES, key=lambda scale: best_scale(summed(scale))[1]))
    calibration = Calibration.fit(summed(evidence.scale))
    evidence.save(weights)
    querybank.save(weights)
    calibration.save(weights)
    return calibration


def _learned(
    runtime: Runtime, processor: PixelBertProcessor, photos: Sequence[CaptionedPhoto], progress: bool
) -> WordEvidence:
    if not find_spec("torch"):
        raise WeightsError("the words of train photos are learned with PyTorch: pip install 'pixelseek[gpu]'")
    from model.training.word_evidence import learn

    encoded = encode_photos(runtime, photos, processor, what="photos to learn words of", progress=progress)
    read = np.stack([pooled(features) for some in encoded for features in some.pixel_features])
    captions = [[processor.text([caption])["input_ids"][0] for caption in photo.captions] for photo in photos]
    return learn(read, captions, progress=progress)


def _of(evidence: WordEvidence, collection: EncodedCollection, lists: Shortlists) -> NDArray[np.float32]:
    """The evidence (Q, K) of each caption's candidates."""
    captions = np.repeat(np.arange(len(lists.candidates)), lists.candidates.shape[1])
    features = [collection.pixel_features[row] for row in lists.candidates.ravel()]
    return evidence.of(collection.text.select(captions.tolist()), features).reshape(lists.candidates.shape)
