"""Fit the calibration of finished weights anew: on all dev photos, in galleries large and small."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from model.calibration import Calibration
from model.evaluation import Shortlists, encode_collection, rerank_photos
from model.processor import PixelBertProcessor
from model.querybank import Querybank
from model.runtime import load_runtime
from model.shards import CaptionedPhoto, ShardError, read_shards

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
) -> Calibration:
    """Fit on the photos of `split` with their first `captions` captions, and write it into folder `weights`.

    Where the shards hold train photos, the querybank is made anew of their captions first.

    The photos of each dataset are a gallery of their own, once as a whole and once in blocks of 100: the fewer
    photos there are, the likelier a first hit is right, and the curve is to hold for both. Raises ShardError when
    there are no such photos.
    """
    datasets: dict[str, list[CaptionedPhoto]] = defaultdict(list)
    for photo in read_shards(shards, split):
        datasets[photo.dataset].append(photo.with_captions(captions))
    if not datasets:
        raise ShardError(f"no captioned photos of split {split} in {', '.join(map(str, shards))}")
    runtime, processor = load_runtime(weights, device=device), PixelBertProcessor.from_pretrained(weights)
    train = read_shards(shards, "train")
    querybank = Querybank.of(runtime, train) if train else Querybank.load(weights)
    galleries = []
    for photos in datasets.values():
        collection = encode_collection(runtime, photos, processor, querybank, progress=progress)
        galleries.append(rerank_photos(runtime, collection, shortlist, progress=progress))
        if blocks := [rerank_photos(runtime, block, shortlist) for block in collection.folds(SMALL_GALLERY)]:
            galleries.append(Shortlists.joined(blocks))
    calibration = Calibration.fit(galleries)
    querybank.save(weights)
    calibration.save(weights)
    return calibration
