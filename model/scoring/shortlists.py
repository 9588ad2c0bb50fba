"""The shortlist of every query, as a search makes it, scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from model.metrics import best_candidates, ranks
from model.scoring.collection import Direction, EncodedCollection
from model.scoring.parts import ScoreParts
from model.scoring.ranker import Ranker
from model.weights import WeightsError

_PAIRS, _QUERIES = 1024, 128  # in a batch
_PAIRS_ON_GPU, _QUERIES_ON_GPU = 2**19, 1024  # large, because a photo is sent once for all its pairs in a batch
_MAX_SIMILARITIES = 2**22

Scorer = Callable[[NDArray[np.int64], NDArray[np.int64]], ScoreParts]
"""The parts (B,) of the scores of caption i with photo i, both named by their row (B,) in a collection."""


@dataclass(frozen=True)
class Shortlists:
    """The K best candidates of each of Q queries by the inner product of their vectors, best first, with the parts of
    their scores."""

    photos: NDArray[np.int64]  # (Q,), the photo that the query is, or was written about
    candidates: NDArray[np.int64]  # (Q, K), their rows
    scores: NDArray[np.float32]  # (Q, K), the inner products
    parts: ScoreParts  # (Q, K)
    relevant: NDArray[np.bool_]  # (Q, K), True on the right candidates
    shortlist_ranks: NDArray[np.int64]  # (Q,), among all candidates, by the inner product
    similarity_ranks: NDArray[np.int64]  # (Q,), likewise by similarity alone
    hubness_ranks: NDArray[np.int64]  # (Q,), likewise by similarity less hubness

    @classmethod
    def joined(cls, pieces: Sequence[Shortlists]) -> Shortlists:
        """The queries of all `pieces`, one after the other."""
        return cls(
            np.concatenate([piece.photos for piece in pieces]),
            np.concatenate([piece.candidates for piece in pieces]),
            np.concatenate([piece.scores for piece in pieces]),
            ScoreParts.joined([piece.parts for piece in pieces]),
            np.concatenate([piece.relevant for piece in pieces]),
            np.concatenate([piece.shortlist_ranks for piece in pieces]),
            np.concatenate([piece.similarity_ranks for piece in pieces]),
            np.concatenate([piece.hubness_ranks for piece in pieces]),
        )

    def ranks(self, scores: NDArray[np.float32], depth: int | None = None) -> NDArray[np.int64]:
        """Ranks (Q,) when the first `depth` candidates (all of them) are put in order of `scores` (Q, K).

        A query none of whose right candidates is among them keeps its rank in the shortlist.
        """
        inside = self.relevant[:, :depth]
        return np.where(inside.any(axis=1), ranks(scores[:, :depth], inside), self.shortlist_ranks)


def rerank_photos(
    ranker: Ranker, collection: EncodedCollection, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Text to image: every caption's `shortlist` best photos, scored."""
    return rerank(ranker, collection, "text_to_image", shortlist, progress=progress)


def rerank_captions(
    ranker: Ranker, collection: EncodedCollection, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Image to text: every photo's `shortlist` best captions, scored."""
    return rerank(ranker, collection, "image_to_text", shortlist, progress=progress)


def rerank(
    ranker: Ranker, collection: EncodedCollection, direction: Direction, shortlist: int, *, progress: bool = False
) -> Shortlists:
    """Every query's `shortlist` best candidates in `direction`, scored."""
    scorer = partial(score_pairs, ranker, collection)
    at_once = _QUERIES if ranker.runtime.device == "cpu" else _QUERIES_ON_GPU
    blocks = shortlist_blocks(ranker, collection, direction, scorer, shortlist, at_once=at_once, progress=progress)
    return Shortlists.joined(list(blocks))


def shortlist_blocks(
    ranker: Ranker,
    collection: EncodedCollection,
    direction: Direction,
    scorer: Scorer,
    count: int,
    *,
    at_once: int = _QUERIES,
    progress: bool = False,
) -> Iterator[Shortlists]:
    """Shortlists of `at_once` queries at a time, scored by `scorer`: memory does not grow with the queries."""
    queries, candidates = collection.sides(direction, ranker.photo_vectors)
    hubness = collection.photos.hubness if direction == "text_to_image" else np.zeros(1, dtype=np.float32)
    step = max(1, min(at_once, _MAX_SIMILARITIES // len(candidates.photos)))
    for start in tqdm(range(0, len(queries.photos), step), desc=direction, unit="block", disable=not progress):
        rows = np.arange(start, min(start + step, len(queries.photos)))
        similarities = queries.embeddings[rows] @ candidates.embeddings.T  # (B, N)
        scores = queries.vectors[rows] @ candidates.vectors.T  # (B, N)
        relevant = queries.photos[rows, None] == candidates.photos
        best = best_candidates(scores, relevant, count)  # (B, K)
        query_rows, candidate_rows = np.repeat(rows, best.shape[1]), best.ravel()
        pairs = (query_rows, candidate_rows) if direction == "text_to_image" else (candidate_rows, query_rows)
        yield Shortlists(
            queries.photos[rows],
            best,
            np.take_along_axis(scores, best, 1),
            scorer(*pairs).reshaped(*best.shape),
            np.take_along_axis(relevant, best, 1),
            ranks(scores, relevant),
            ranks(similarities, relevant),
            ranks(similarities - hubness, relevant),
        )


def first_ranked(
    ranker: Ranker,
    collection: EncodedCollection,
    direction: Direction,
    lists: Shortlists,
    scores: Mapping[str, NDArray[np.float32]],
    length: int,
) -> dict[str, NDArray[np.int64]]:
    """The rows (Q, L) of the first `length` candidates in the whole ranking by each of `scores` (Q, K).

    The candidates of `lists` come first, ordered by score; all others follow as the shortlist would.
    """
    queries, candidates = collection.sides(direction, ranker.photo_vectors)
    count = lists.candidates.shape[1]
    blocks: dict[str, list[NDArray[np.int64]]] = {name: [] for name in scores}
    for start in range(0, len(queries.photos), _QUERIES):
        rows = slice(start, start + _QUERIES)
        products = queries.vectors[rows] @ candidates.vectors.T  # (B, N)
        relevant = queries.photos[rows, None] == candidates.photos
        nearest = best_candidates(products, relevant, count + length)
        listed = (nearest[:, :, None] == lists.candidates[rows, None, :]).any(axis=2)
        behind = np.argsort(listed, axis=1, kind="stable")[:, : nearest.shape[1] - count]
        tail = np.take_along_axis(nearest, behind, 1)
        for name, rankings in blocks.items():
            order = best_candidates(scores[name][rows], lists.relevant[rows], count)
            head = np.take_along_axis(lists.candidates[rows], order, 1)
            rankings.append(np.concatenate([head, tail], axis=1)[:, :length])
    return {name: np.concatenate(rankings) for name, rankings in blocks.items()}


def score_all_pairs(ranker: Ranker, collection: EncodedCollection, *, progress: bool = False) -> ScoreParts:
    """The parts (M, N) of the scores of every caption with every photo: 24 bytes a pair."""
    captions, photos = len(collection.caption_to_image), len(collection.photos)
    parts = np.empty((len(fields(ScoreParts)), captions * photos), dtype=np.float32)
    step = _pairs_at_once(ranker)
    for start in tqdm(range(0, parts.shape[1], step), desc="all pairs", unit="batch", disable=not progress):
        rows = np.divmod(np.arange(start, min(start + step, parts.shape[1])), photos)
        parts[:, start : start + step] = list(vars(score_pairs(ranker, collection, *rows)).values())
    return ScoreParts(*parts).reshaped(captions, photos)


def score_pairs(
    ranker: Ranker,
    collection: EncodedCollection,
    captions: NDArray[np.int64],
    photos: NDArray[np.int64],
    *,
    progress: bool = False,
) -> ScoreParts:
    """The parts (B,) of the scores of caption i with photo i, both named by their row (B,) in `collection`.

    Raises WeightsError when one is not finite: nothing that is measured or fitted with such weights means anything.
    """
    batches, step = [], _pairs_at_once(ranker)
    for start in tqdm(range(0, len(captions), step), desc="pairs", unit="batch", disable=not progress):
        rows = slice(start, start + step)
        text = collection.text.select(captions[rows].tolist())
        batches.append(ranker.score(text, collection.photos, photos[rows]).parts)
    parts = ScoreParts.joined(batches)
    for name, values in vars(parts).items():
        if not np.isfinite(values).all():
            raise WeightsError(f"the weights are of no use: the {name} of photos and sentences is not finite.")
    return parts


def _pairs_at_once(ranker: Ranker) -> int:
    return _PAIRS if ranker.runtime.device == "cpu" else _PAIRS_ON_GPU
