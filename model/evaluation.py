"""Retrieval measured on captioned photos: shortlist, and shortlist reranked, in both directions.

Exact top-k in numpy: no library, no FAISS. Recall counts a caption as found when its own photo is among
the first k (text to image), a photo when any of its captions is (image to text). Ties are broken against
us, as if the true one came last among equals.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.calibration import Calibration
from model.processor import PixelBertProcessor
from model.runtime import EncodedText, Runtime, load_runtime
from model.shards import CaptionedPhoto, ShardError, read_shards

RECALL_AT = (1, 5, 10)
_IMAGES, _SENTENCES, _PAIRS = 32, 256, 1024


@dataclass(frozen=True)
class EncodedCollection:
    """N photos and their M captions, encoded; caption j was written about photo `owner[j]`."""

    image_embeddings: NDArray[np.float32]  # (N, E)
    pixel_features: list[NDArray[np.float32]]  # N of (P, D)
    text: EncodedText  # M
    owner: NDArray[np.int64]  # (M,)

    @property
    def similarities(self) -> NDArray[np.float32]:
        """Cosine similarity of every caption with every photo (M, N)."""
        product: NDArray[np.float32] = self.text.embeddings @ self.image_embeddings.T
        return product


@dataclass(frozen=True)
class Shortlists:
    """The K best candidates of each of Q queries, with both scores; `relevant` marks the true ones."""

    similarities: NDArray[np.float32]  # (Q, K), descending
    itm_logits: NDArray[np.float32]  # (Q, K)
    relevant: NDArray[np.bool_]  # (Q, K)


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
    """Every caption's `shortlist` nearest photos, scored by the full cross-modal pass."""
    similarities = collection.similarities
    candidates = _top(similarities, shortlist)  # (M, K)
    queries = np.repeat(np.arange(len(candidates)), candidates.shape[1])
    logits = _match(runtime, collection, queries, candidates.ravel(), progress)
    return Shortlists(
        np.take_along_axis(similarities, candidates, 1),
        logits.reshape(candidates.shape),
        candidates == collection.owner[:, None],
    )


def rerank_captions(
    runtime: Runtime, collection: EncodedCollection, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Every photo's `shortlist` nearest captions, scored by the full cross-modal pass."""
    similarities = np.ascontiguousarray(collection.similarities.T)
    candidates = _top(similarities, shortlist)  # (N, K)
    photos = np.repeat(np.arange(len(candidates)), candidates.shape[1])
    logits = _match(runtime, collection, candidates.ravel(), photos, progress)
    return Shortlists(
        np.take_along_axis(similarities, candidates, 1),
        logits.reshape(candidates.shape),
        collection.owner[candidates] == np.arange(len(candidates))[:, None],
    )


def recall(scores: NDArray[np.float32], relevant: NDArray[np.bool_]) -> dict[str, float]:
    """Recall@k in percent of Q ranked lists: `scores` and `relevant` are (Q, K)."""
    best = np.where(relevant, scores, -np.inf).max(axis=1, keepdims=True)  # (Q, 1)
    ahead = ((scores >= best) & ~relevant).sum(axis=1)
    found = relevant.any(axis=1)
    return {f"r@{k}": round(100.0 * float((found & (ahead < k)).mean()), 2) for k in RECALL_AT}


def evaluate(
    runtime: Runtime,
    photos: Sequence[CaptionedPhoto],
    processor: PixelBertProcessor,
    calibration: Calibration,
    *,
    shortlist: int,
    progress: bool = False,
) -> dict[str, Any]:
    """Recall of shortlist and rerank in both directions, in percent, with what each stage took."""
    seconds: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage], clock = round(now - clock, 2), now

    collection = encode_collection(runtime, photos, processor, progress=progress)
    lap("encode")
    results: dict[str, Any] = {"photos": len(photos), "captions": len(collection.owner), "shortlist": shortlist}
    for direction, rerank in (("text_to_image", rerank_photos), ("image_to_text", rerank_captions)):
        lists = rerank(runtime, collection, shortlist, progress=progress)
        fused = calibration.score(lists.itm_logits, lists.similarities)
        results[direction] = {
            "shortlist": recall(lists.similarities, lists.relevant),
            "itm": recall(lists.itm_logits, lists.relevant),
            "rerank": recall(fused, lists.relevant),
            f"in_shortlist@{shortlist}": round(100.0 * float(lists.relevant.any(axis=1).mean()), 2),
        }
        lap(direction)
    results["seconds"] = {**seconds, "total": round(sum(seconds.values()), 2)}
    return results


def evaluate_shards(
    weights: Path, shards: Sequence[Path], *, split: str, shortlist: int, device: str = "auto", progress: bool = True
) -> dict[str, Any]:
    """`evaluate` on the photos of `split` in `shards`. Raises ShardError when there are none."""
    photos = read_shards(shards, split)
    if not photos:
        raise ShardError(f"no captioned photos of split {split} in {', '.join(map(str, shards))}")
    runtime = load_runtime(weights, device=device)
    processor = PixelBertProcessor.from_pretrained(weights)
    calibration = Calibration.load(weights)
    return evaluate(runtime, photos, processor, calibration, shortlist=shortlist, progress=progress)


def _top(similarities: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    count = min(count, similarities.shape[1])
    part = np.argpartition(-similarities, count - 1, axis=1)[:, :count]
    order = np.argsort(-np.take_along_axis(similarities, part, 1), axis=1, kind="stable")
    return np.take_along_axis(part, order, 1)


def _match(
    runtime: Runtime,
    collection: EncodedCollection,
    captions: NDArray[np.int64],
    photos: NDArray[np.int64],
    progress: bool,
) -> NDArray[np.float32]:
    parts = []
    for start in tqdm(range(0, len(captions), _PAIRS), desc="pairs", unit="batch", disable=not progress):
        rows = slice(start, start + _PAIRS)
        features = [collection.pixel_features[photo] for photo in photos[rows]]
        parts.append(runtime.match(collection.text.select(captions[rows].tolist()), features))
    return np.concatenate(parts)
