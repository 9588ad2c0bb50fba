"""One evaluation: all metrics of a collection, and the seconds they took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.bundle import TrainedModel
from model.data.shards import CaptionedPhoto, Shard, ShardError, read_shards
from model.evaluation.absence import absence
from model.evaluation.comparison import KeptRanks, differences
from model.evaluation.eccv import GroundTruth
from model.evaluation.hard_negatives import accuracy
from model.evaluation.hubs import hubs
from model.evaluation.parts import worth_of_parts
from model.evaluation.rankings import Rankings, mean_figures
from model.metrics import RECALL_AT
from model.processor import PixelBertProcessor
from model.scoring.collection import DIRECTIONS, Direction, EncodedCollection, encode_collection
from model.scoring.match_quality import first_hits, match_quality
from model.scoring.parts import ScoreParts
from model.scoring.ranker import Ranker
from model.scoring.shortlists import Shortlists, rerank, score_all_pairs, shortlist_blocks


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation."""

    report: dict[str, Any]
    """Metrics by name, as JSON values: docs/evaluation.md lists them."""
    rankings: dict[Direction, Rankings]


def evaluate(
    ranker: Ranker,
    photos: Sequence[CaptionedPhoto],
    processor: PixelBertProcessor,
    *,
    shortlists: Sequence[int],
    fold: int | None = None,
    exhaustive: int | None = None,
    eccv: bool = False,
    elsewhere: Sequence[Sequence[str]] = (),
    progress: bool = False,
) -> Evaluation:
    """Recall in percent of the shortlist, of ITM and word detectors alone and of the rerank, in both directions, and
    what they cost.

    The rerank is measured for each size of `shortlists`; the largest is the one called `rerank`. With `fold`,
    also the mean over consecutive folds of so many photos (COCO's 1K: five folds of 1,000). With
    `exhaustive`, also by ITM over all sentence-photo pairs of the first so many photos. With `eccv`, also ECCV
    Caption and CxC; raises GroundTruthError, before anything is computed, when `photos` are not what they are defined
    on. Where photos come with hard negatives, also how often their captions score above those. Where the weights know
    what they have learned from, also whether searches know what is absent, and whether images that are no photos are
    found. `elsewhere` are captions of other photos: words for what is absent come from there.
    """
    truth = GroundTruth(photos) if eccv else None
    depths = sorted(set(shortlists))
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage], clock = round(now - clock, 2), now

    collection = encode_collection(ranker, photos, processor, progress=progress)
    lap("encode")
    lists: dict[Direction, Shortlists] = {}
    for way in DIRECTIONS:
        lists[way] = rerank(ranker, collection, way, depths[-1], progress=progress)
        lap(way)
    rankings = {way: Rankings.of(shortlists, ranker, depths[:-1]) for way, shortlists in lists.items()}
    report: dict[str, Any] = {
        "photos": len(photos),
        "captions": len(collection.caption_to_image),
        "shortlist": depths[-1],
        **_both_directions(
            {
                way: {
                    **ranking.figures(),
                    "rerank_gain_r@1": ranking.gain(),
                    "parts": worth_of_parts(ranker, lists[way]),
                }
                for way, ranking in rankings.items()
            }
        ),
        "match": _match([lists["text_to_image"]], ranker),
    }
    if cases := [(row, case) for row, photo in enumerate(photos) for case in photo.hard_negatives]:
        rows = np.array([row for row, _ in cases])
        report["hard_negatives"] = accuracy(ranker, collection, [case for _, case in cases], rows)
        lap("hard_negatives")
    if len(ranker.parameters.vocabulary.photos):
        captions = [photo.captions for photo in photos]
        if (figures := absence(ranker, processor, collection.photos, captions, elsewhere)) is not None:
            report["absence"] = figures
        lap("absence")
    if len(ranker.parameters.photo_space.centre):
        report["hubs"] = hubs(ranker, processor.image_processor, collection)
        lap("hubs")
    if fold is not None:
        report["folds"] = _folds(ranker, collection, depths, fold, progress)
        lap("folds")
    if exhaustive is not None:
        report["exhaustive"] = _exhaustive(ranker, collection.part(0, exhaustive), depths, progress)
        lap("exhaustive")
    if truth is not None:
        report["eccv"] = truth.measure(collection, lists, ranker)
        lap("eccv")
    report["seconds"] = {**seconds, "total": round(sum(seconds.values()), 2)}
    return Evaluation(report, rankings)


def evaluate_shards(
    weights: str | Path,
    shards: Sequence[Shard],
    *,
    split: str,
    shortlists: Sequence[int],
    captions: int | None = None,
    fold: int | None = None,
    exhaustive: int | None = None,
    eccv: bool = False,
    ranks: Path | None = None,
    against: Path | None = None,
    device: str = "auto",
    progress: bool = True,
) -> dict[str, Any]:
    """The report of `evaluate` on the photos of `split` in `shards`, with the first `captions` captions of each (all).

    `weights` is what `find_weights` takes. The rank of every query is kept in file `ranks`; `against` is such a file
    of another run, and the report then holds the differences. Raises, before anything is computed, ShardError when
    there are no such photos, or fewer than `fold` or `exhaustive` asks for, ComparisonError when `against` is about
    other photos or captions, GroundTruthError and WeightsError.
    """
    everything = read_shards(shards)
    in_shards = [photo for photo in everything if split in ("all", photo.split)]
    elsewhere = [photo.captions for photo in everything if split not in ("all", photo.split)]
    photos = [photo.with_captions(captions) for photo in in_shards]
    required = max(fold or 1, exhaustive or 1)
    if len(photos) < required:
        available = f"{len(photos)} captioned photos" if photos else "no captioned photos"
        too_few = f", fewer than the {required} asked for" if photos else ""
        raise ShardError(f"{available} of split {split} in {', '.join(map(str, shards))}{too_few}")
    before = None if against is None else KeptRanks.load(against, photos)
    if ranks is not None:
        ranks.parent.mkdir(parents=True, exist_ok=True)
    model = TrainedModel(weights, device=device)
    evaluation = evaluate(
        model.ranker,
        photos,
        model.processor,
        shortlists=shortlists,
        fold=fold,
        exhaustive=exhaustive,
        eccv=eccv,
        elsewhere=elsewhere,
        progress=progress,
    )
    if ranks is not None:
        KeptRanks.of(photos, evaluation.report["shortlist"], evaluation.rankings).save(ranks)
    report = {
        "weights": str(weights),
        "data": [Path(shard).name for shard in shards],
        "split": split,
        "device": model.runtime.device,
        "captions_in_shards": sum(len(photo.captions) for photo in in_shards),
        **evaluation.report,
    }
    if before is not None:
        report["against"] = {
            "file": str(against),
            "shortlist": before.shortlist,
            **differences(before, evaluation.rankings),
        }
    return report


def _both_directions(figures: Mapping[Direction, dict[str, Any]]) -> dict[str, Any]:
    """The figures of both, and rsum: for each ranking the sum of its six recalls, as in the literature."""
    names = [name for name, value in figures["text_to_image"].items() if isinstance(value, dict) and "r@1" in value]
    rsum = {name: round(sum(way[name][f"r@{k}"] for way in figures.values() for k in RECALL_AT), 2) for name in names}
    return {**dict[str, Any](figures.items()), "rsum": rsum}


def _match(lists: Sequence[Shortlists], ranker: Ranker) -> dict[str, Any]:
    """How well the match of the first hit predicts that it is right, over all queries of `lists`."""
    hits = [
        first_hits(ranker.match(ranker.combine(gallery.parts), gallery.parts.prior_log_odds), gallery.relevant)
        for gallery in lists
    ]
    match, right = (np.concatenate(parts) for parts in zip(*hits, strict=True))
    return match_quality(match, right)


def _folds(
    ranker: Ranker, collection: EncodedCollection, depths: Sequence[int], size: int, progress: bool
) -> dict[str, Any]:
    """The mean over folds. Each fold is a gallery of its own: its shortlists hold its own photos only."""
    folds = list(collection.folds(size))
    lists = {way: [rerank(ranker, part, way, depths[-1], progress=progress) for part in folds] for way in DIRECTIONS}
    figures = {
        way: mean_figures([Rankings.of(fold, ranker, depths[:-1]).figures() for fold in of_folds])
        for way, of_folds in lists.items()
    }
    return {
        "count": len(folds),
        "photos": size,
        **_both_directions(figures),
        "match": _match(lists["text_to_image"], ranker),
    }


def _exhaustive(ranker: Ranker, collection: EncodedCollection, depths: Sequence[int], progress: bool) -> dict[str, Any]:
    """Rerank every candidate for every query. Each pair is scored once, and its score is used in both directions."""
    clock = time.perf_counter()
    all_parts = score_all_pairs(ranker, collection, progress=progress)

    def scorer(captions: NDArray[np.int64], photos: NDArray[np.int64]) -> ScoreParts:
        return all_parts.at(captions, photos)

    seconds = round(time.perf_counter() - clock, 2)
    photos, captions = len(collection.photos), len(collection.caption_to_image)
    figures = {}
    for way in DIRECTIONS:
        candidates = photos if way == "text_to_image" else captions
        blocks = shortlist_blocks(ranker, collection, way, scorer, candidates)
        parts = [Rankings.of(block, ranker, depths) for block in blocks]
        figures[way] = Rankings.joined(parts).figures()
    return {
        "photos": photos,
        "captions": captions,
        "pairs": all_parts.itm_logits.size,
        "seconds": seconds,
        **_both_directions(figures),
    }
