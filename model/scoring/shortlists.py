"""The nearest candidates of every query, scored by the full cross-modal pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.metrics import best_candidates, ranks
from model.runtime.protocol import Runtime
from model.scoring.collection import Direction, EncodedCollection

_PAIRS, _QUERIES = 1024, 128  # computed at once
_PAIRS_ON_GPU, _QUERIES_ON_GPU = 2**19, 1024  # where a photo is sent once for all its pairs
_SIMILARITIES = 2**22

PairScores = tuple[NDArray[np.float32], NDArray[np.float32]]
Scorer = Callable[[NDArray[np.int64], NDArray[np.int64]], PairScores]
"""ITM logits (B,) and word evidence (B,) of caption i with photo i, both named by their row (B,) in a collection."""


@dataclass(frozen=True)
class Shortlists:
    """The K most similar candidates of each of Q queries, best first, with their scores."""

    photos: NDArray[np.int64]  # (Q,), the photo that the query is, or was written about
    candidates: NDArray[np.int64]  # (Q, K), their rows
    similarities: NDArray[np.float32]  # (Q, K), descending
    hubness: NDArray[np.float32]  # (Q, K), of each pair's photo
    itm_logits: NDArray[np.float32]  # (Q, K)
    evidence: NDArray[np.float32]  # (Q, K), of words
    relevant: NDArray[np.bool_]  # (Q, K), True on the right candidates
    similarity_ranks: NDArray[np.int64]  # (Q,), among all candidates, by similarity alone

    @property
    def normalised(self) -> NDArray[np.float32]:
        """The similarities (Q, K) as the score reads them: without what the photo has in common with every sentence."""
        return self.similarities - self.hubness

    @classmethod
    def joined(cls, parts: Sequence[Shortlists]) -> Shortlists:
        """The queries of all `parts`, one after the other."""
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return cls(*(np.concatenate(arrays) for arrays in columns))

    def ranks(self, scores: NDArray[np.float32], depth: int | None = None) -> NDArray[np.int64]:
        """Ranks (Q,) when the first `depth` candidates (all of them) are put in order of `scores` (Q, K).

        A query none of whose right candidates is among them keeps its rank by similarity.
        """
        inside = self.relevant[:, :depth]
        return np.where(inside.any(axis=1), ranks(scores[:, :depth], inside), self.similarity_ranks)


def rerank_photos(
    runtime: Runtime, collection: EncodedCollection, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Text to image: every caption's `shortlist` nearest photos, scored by the full cross-modal pass."""
    return rerank(runtime, collection, "text_to_image", shortlist, progress=progress)


def rerank_captions(
    runtime: Runtime, collection: EncodedCollection, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Image to text: every photo's `shortlist` nearest captions, scored by the full cross-modal pass."""
    return rerank(runtime, collection, "image_to_text", shortlist, progress=progress)


def rerank(
    runtime: Runtime, collection: EncodedCollection, direction: Direction, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Every query's `shortlist` nearest candidates in `direction`, scored by the full cross-modal pass."""
    scorer = partial(_score_pairs, runtime, collection)
    at_once = _QUERIES if runtime.device == "cpu" else _QUERIES_ON_GPU
    blocks = shortlist_blocks(collection, direction, scorer, shortlist, at_once=at_once, progress=progress)
    return Shortlists.joined(list(blocks))


def shortlist_blocks(
    collection: EncodedCollection,
    direction: Direction,
    scorer: Scorer,
    count: int,
    *,
    at_once: int = _QUERIES,
    progress: bool = False,
) -> Iterator[Shortlists]:
    """The same, `at_once` queries at a time, with the scores of `scorer`: memory does not grow with the queries."""
    queries, candidates = collection.sides(direction)
    step = max(1, min(at_once, _SIMILARITIES // len(candidates.photos)))
    for start in tqdm(range(0, len(queries.photos), step), desc=direction, unit="block", disable=not progress):
        rows = np.arange(start, min(start + step, len(queries.photos)))
        similarities = queries.embeddings[rows] @ candidates.embeddings.T  # (B, N)
        relevant = queries.photos[rows, None] == candidates.photos
        best = best_candidates(similarities, relevant, count)  # (B, K)
        asking, found = np.repeat(rows, best.shape[1]), best.ravel()
        captions, photos = (asking, found) if direction == "text_to_image" else (found, asking)
        itm_logits, evidence = scorer(captions, photos)
        yield Shortlists(
            queries.photos[rows],
            best,
            np.take_along_axis(similarities, best, 1),
            collection.hubness[photos].reshape(best.shape),
            itm_logits.reshape(best.shape),
            evidence.reshape(best.shape),
            np.take_along_axis(relevant, best, 1),
            ranks(similarities, relevant),
        )


def first_ranked(
    collection: EncodedCollection,
    direction: Direction,
    lists: Shortlists,
    scores: Mapping[str, NDArray[np.float32]],
    length: int,
) -> dict[str, NDArray[np.int64]]:
    """The rows (Q, L) of the `length` candidates that come first in the whole ranking by each of `scores` (Q, K).

    The candidates of `lists` stand in the order of the scores, all others behind them by similarity.
    """
    queries, candidates = collection.sides(direction)
    count = lists.candidates.shape[1]
    parts: dict[str, list[NDArray[np.int64]]] = {name: [] for name in scores}
    for start in range(0, len(queries.photos), _QUERIES):
        rows = slice(start, start + _QUERIES)
        similarities = queries.embeddings[rows] @ candidates.embeddings.T  # (B, N)
        relevant = queries.photos[rows, None] == candidates.photos
        nearest = best_candidates(similarities, relevant, count + length)
        listed = (nearest[:, :, None] == lists.candidates[rows, None, :]).any(axis=2)
        behind = np.argsort(listed, axis=1, kind="stable")[:, : nearest.shape[1] - count]
        tail = np.take_along_axis(nearest, behind, 1)
        for name, found in parts.items():
            order = best_candidates(scores[name][rows], lists.relevant[rows], count)
            head = np.take_along_axis(lists.candidates[rows], order, 1)
            found.append(np.concatenate([head, tail], axis=1)[:, :length])
    return {name: np.concatenate(found) for name, found in parts.items()}


def score_all_pairs(runtime: Runtime, collection: EncodedCollection, *, progress: bool = False) -> PairScores:
    """ITM logits (M, N) and word evidence (M, N) of every caption with every photo: 8 bytes a pair are all that is
    kept."""
    photos = len(collection.pixel_features)
    scores = np.empty((2, len(collection.owner) * photos), dtype=np.float32)
    step = _at_once(runtime)
    for start in tqdm(range(0, scores.shape[1], step), desc="all pairs", unit="batch", disable=not progress):
        captions, found = np.divmod(np.arange(start, min(start + step, scores.shape[1])), photos)
        scores[:, start : start + step] = _score_pairs(runtime, collection, captions, found)
    itm_logits, evidence = scores.reshape(2, -1, photos)
    return itm_logits, evidence


def _score_pairs(
    runtime: Runtime, collection: EncodedCollection, captions: NDArray[np.int64], photos: NDArray[np.int64]
) -> PairScores:
    itm_logits, evidence, step = [], [], _at_once(runtime)
    for start in range(0, len(captions), step):
        rows = slice(start, start + step)
        text = collection.text.select(captions[rows].tolist())
        itm_logits.append(runtime.itm_logits(text, [collection.pixel_features[photo] for photo in photos[rows]]))
        evidence.append(collection.words.evidence(text, photos[rows]))
    return np.concatenate(itm_logits), np.concatenate(evidence)


def _at_once(runtime: Runtime) -> int:
    return _PAIRS if runtime.device == "cpu" else _PAIRS_ON_GPU
