"""Retrieval measured on captioned photos: shortlist, and shortlist reranked, in both directions.

Exact top-k in numpy: no library, no FAISS. A caption has found its photo when that photo is among the first
k (text to image), a photo when any of its captions is (image to text). The shortlist's candidates stand in
the order of the rerank, all others follow by similarity, so every rank is that of the whole ranking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.calibration import Calibration
from model.hard_negatives import accuracy
from model.match_quality import first_hits, match_quality
from model.metrics import RECALL_AT, best_candidates, ranks, recall, recall_gain
from model.processor import PixelBertProcessor
from model.runtime import EncodedImages, EncodedText, Runtime, load_runtime
from model.shards import CaptionedPhoto, ShardError, read_shards

_IMAGES, _SENTENCES, _PAIRS, _QUERIES = 32, 256, 1024, 512
_FIGURES = tuple(f"r@{k}" for k in RECALL_AT)


@dataclass(frozen=True)
class EncodedCollection:
    """N photos and their M captions, encoded; caption j was written about photo `owner[j]`, owners rising."""

    image_embeddings: NDArray[np.float32]  # (N, E)
    pixel_features: list[NDArray[np.float32]]  # N of (P, D)
    text: EncodedText  # M
    owner: NDArray[np.int64]  # (M,)

    def folds(self, size: int) -> Iterator[EncodedCollection]:
        """The consecutive blocks of `size` photos with their captions; what does not fill a block is left out."""
        starts = np.arange(0, len(self.pixel_features) + 1, size)
        for first, end in pairwise(starts.tolist()):
            rows = np.flatnonzero((self.owner >= first) & (self.owner < end))
            yield EncodedCollection(
                self.image_embeddings[first:end],
                self.pixel_features[first:end],
                self.text.select(rows.tolist()),
                self.owner[rows] - first,
            )


@dataclass(frozen=True)
class Shortlists:
    """The K most similar candidates of each of Q queries, best first, with both scores."""

    photos: NDArray[np.int64]  # (Q,), the photo that the query is, or was written about
    similarities: NDArray[np.float32]  # (Q, K), descending
    itm_logits: NDArray[np.float32]  # (Q, K)
    relevant: NDArray[np.bool_]  # (Q, K), True on the right candidates
    similarity_ranks: NDArray[np.int64]  # (Q,), among all candidates, by similarity alone

    def ranks(self, scores: NDArray[np.float32], depth: int | None = None) -> NDArray[np.int64]:
        """Ranks (Q,) when the first `depth` candidates (all of them) are put in order of `scores` (Q, K).

        A query none of whose right candidates is among them keeps its rank by similarity.
        """
        inside = self.relevant[:, :depth]
        return np.where(inside.any(axis=1), ranks(scores[:, :depth], inside), self.similarity_ranks)


def encode_collection(
    runtime: Runtime, photos: Sequence[CaptionedPhoto], processor: PixelBertProcessor, *, progress: bool = False
) -> EncodedCollection:
    """Encode captioned photos as an indexer would."""
    embeddings, features = [], []
    starts = range(0, len(photos), _IMAGES)
    for start in tqdm(starts, desc="photos", unit="batch", disable=not progress):
        encoded = runtime.encode_image([photo.decode(processor) for photo in photos[start : start + _IMAGES]])
        embeddings.append(encoded.embeddings)
        features += encoded.pixel_features
    captions = [caption for photo in photos for caption in photo.captions]
    owner = np.array([row for row, photo in enumerate(photos) for _ in photo.captions], dtype=np.int64)
    parts = [runtime.encode_text(captions[start : start + _SENTENCES]) for start in range(0, len(captions), _SENTENCES)]
    text = EncodedText(
        np.concatenate([part.embeddings for part in parts]), [state for part in parts for state in part.word_features]
    )
    return EncodedCollection(np.concatenate(embeddings), features, text, owner)


def rerank_photos(
    runtime: Runtime, collection: EncodedCollection, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Text to image: every caption's `shortlist` nearest photos, scored by the full cross-modal pass."""
    photos = np.arange(len(collection.image_embeddings))
    return _shortlists(
        (collection.text.embeddings, collection.owner),
        (collection.image_embeddings, photos),
        lambda captions, found: _match_pairs(runtime, collection, captions, found),
        shortlist,
        progress,
    )


def rerank_captions(
    runtime: Runtime, collection: EncodedCollection, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Image to text: every photo's `shortlist` nearest captions, scored by the full cross-modal pass."""
    photos = np.arange(len(collection.image_embeddings))
    return _shortlists(
        (collection.image_embeddings, photos),
        (collection.text.embeddings, collection.owner),
        lambda queries, found: _match_pairs(runtime, collection, found, queries),
        shortlist,
        progress,
    )


def evaluate(
    runtime: Runtime,
    photos: Sequence[CaptionedPhoto],
    processor: PixelBertProcessor,
    calibration: Calibration,
    *,
    shortlists: Sequence[int],
    fold: int | None = None,
    progress: bool = False,
) -> dict[str, Any]:
    """Recall in percent of the shortlist, of ITM alone and of the rerank, in both directions, and what they cost.

    The rerank is measured for each size of `shortlists`; the largest is the one called `rerank`. With `fold`,
    also the mean over consecutive folds of so many photos (COCO's 1K: five folds of 1,000). Where photos come
    with hard negatives, also how often their captions score above those.
    """
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage], clock = round(now - clock, 2), now

    collection = encode_collection(runtime, photos, processor, progress=progress)
    lap("encode")
    results: dict[str, Any] = {"photos": len(photos), "captions": len(collection.owner), "shortlist": max(shortlists)}
    for direction, rerank in (("text_to_image", rerank_photos), ("image_to_text", rerank_captions)):
        lists = rerank(runtime, collection, max(shortlists), progress=progress)
        results[direction] = _figures(lists, calibration, shortlists)
        if direction == "text_to_image":
            results["match"] = _match([lists], calibration)
        lap(direction)
    results["rsum"] = _rsum(results)
    if cases := [(row, case) for row, photo in enumerate(photos) for case in photo.hard_negatives]:
        shown = EncodedImages(
            collection.image_embeddings[[row for row, _ in cases]],
            [collection.pixel_features[row] for row, _ in cases],
        )
        results["hard_negatives"] = accuracy(runtime, calibration, [case for _, case in cases], shown)
        lap("hard_negatives")
    if fold is not None:
        results["folds"] = _mean_of_folds(runtime, collection, calibration, shortlists, fold, progress)
        lap("folds")
    results["seconds"] = {**seconds, "total": round(sum(seconds.values()), 2)}
    return results


def evaluate_shards(
    weights: Path,
    shards: Sequence[Path],
    *,
    split: str,
    shortlists: Sequence[int],
    captions: int | None = None,
    fold: int | None = None,
    device: str = "auto",
    progress: bool = True,
) -> dict[str, Any]:
    """`evaluate` on the photos of `split` in `shards`, with the first `captions` captions of each (all of them).

    Raises ShardError when there are no such photos, or fewer than a fold.
    """
    photos = [photo.with_captions(captions) for photo in read_shards(shards, split)]
    if len(photos) < (fold or 1):
        found = f"{len(photos)} captioned photos" if photos else "no captioned photos"
        wanted = f", fewer than a fold of {fold}" if photos else ""
        raise ShardError(f"{found} of split {split} in {', '.join(map(str, shards))}{wanted}")
    runtime = load_runtime(weights, device=device)
    processor = PixelBertProcessor.from_pretrained(weights)
    calibration = Calibration.load(weights)
    return evaluate(runtime, photos, processor, calibration, shortlists=shortlists, fold=fold, progress=progress)


def _shortlists(
    queries: tuple[NDArray[np.float32], NDArray[np.int64]],
    candidates: tuple[NDArray[np.float32], NDArray[np.int64]],
    match: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]],
    count: int,
    progress: bool,
) -> Shortlists:
    """One direction: both sides are embeddings and, for each, the photo that it is or was written about."""
    embeddings, photos = queries
    others, their_photos = candidates
    parts = []
    for start in tqdm(range(0, len(photos), _QUERIES), desc="queries", unit="batch", disable=not progress):
        rows = np.arange(start, min(start + _QUERIES, len(photos)))
        similarities = embeddings[rows] @ others.T  # (Q, N)
        relevant = photos[rows, None] == their_photos
        best = best_candidates(similarities, relevant, count)  # (Q, K)
        parts.append(
            (
                np.take_along_axis(similarities, best, 1),
                match(np.repeat(rows, best.shape[1]), best.ravel()).reshape(best.shape),
                np.take_along_axis(relevant, best, 1),
                ranks(similarities, relevant),
            )
        )
    return Shortlists(photos, *(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _figures(lists: Shortlists, calibration: Calibration, shortlists: Sequence[int]) -> dict[str, Any]:
    fused = calibration.score(lists.itm_logits, lists.similarities)
    reranked = lists.ranks(fused)
    deepest = max(shortlists)
    return {
        "queries": len(lists.photos),
        "shortlist": recall(lists.similarity_ranks),
        "itm": recall(lists.ranks(lists.itm_logits)),
        "rerank": recall(reranked),
        **{f"rerank@{depth}": recall(lists.ranks(fused, depth)) for depth in sorted(shortlists) if depth < deepest},
        "rerank_gain_r@1": recall_gain(lists.similarity_ranks, reranked, lists.photos, 1),
        **{
            f"in_shortlist@{depth}": round(100.0 * float(lists.relevant[:, :depth].any(axis=1).mean()), 2)
            for depth in sorted(shortlists)
        },
        "pairs": lists.itm_logits.size,
    }


def _match(lists: Sequence[Shortlists], calibration: Calibration) -> dict[str, float]:
    """How well the match of the first hit foretells that it is right, over all queries of `lists`."""
    hits = [first_hits(calibration.score(one.itm_logits, one.similarities), one.relevant) for one in lists]
    scores, right = (np.concatenate(parts) for parts in zip(*hits, strict=True))
    return match_quality(calibration.match(scores), right)


def _rsum(results: dict[str, Any]) -> dict[str, float]:
    """The sum of the six recalls that the literature compares models by."""
    both = (results["text_to_image"], results["image_to_text"])
    return {
        name: round(sum(direction[name][figure] for direction in both for figure in _FIGURES), 2)
        for name in ("shortlist", "rerank")
    }


def _mean_of_folds(
    runtime: Runtime,
    collection: EncodedCollection,
    calibration: Calibration,
    shortlists: Sequence[int],
    size: int,
    progress: bool,
) -> dict[str, Any]:
    folds = list(collection.folds(size))
    results: dict[str, Any] = {"count": len(folds), "photos": size}
    for direction, rerank in (("text_to_image", rerank_photos), ("image_to_text", rerank_captions)):
        lists = [rerank(runtime, part, max(shortlists), progress=progress) for part in folds]
        figures = [_figures(one, calibration, shortlists) for one in lists]
        results[direction] = {
            name: {figure: round(float(np.mean([one[name][figure] for one in figures])), 2) for figure in _FIGURES}
            for name in ("shortlist", "itm", "rerank")
        }
        if direction == "text_to_image":
            results["match"] = _match(lists, calibration)
    results["rsum"] = _rsum(results)
    return results


def _match_pairs(
    runtime: Runtime, collection: EncodedCollection, captions: NDArray[np.int64], photos: NDArray[np.int64]
) -> NDArray[np.float32]:
    parts = []
    for start in range(0, len(captions), _PAIRS):
        rows = slice(start, start + _PAIRS)
        features = [collection.pixel_features[photo] for photo in photos[rows]]
        parts.append(runtime.match(collection.text.select(captions[rows].tolist()), features))
    return np.concatenate(parts)
