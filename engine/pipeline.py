"""The stages of a search, each a function on a parsed query: encode, shortlist, rerank, tail, hits.

Another process may remove photos at any time. Each stage leaves out those that have gone since the stage before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.annotation_match import word_bonus, word_logits
from engine.exclusion import exclusion_penalties, search_direction
from engine.query import Query
from engine.results import Hit
from indexer.library.filters import NO_FILTERS
from indexer.library.photo import PhotoRecord
from indexer.library.text_analysis import search_words
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.runtime.protocol import EncodedImages, EncodedText
from model.scoring.ranker import Ranker, Scored

_VISUAL_PER_ANNOTATED = 4
"""One annotation candidate per four visual candidates."""
_SCORE_DECIMALS = 4
"""Round off batch-dependent float noise so that identical images tie."""
_STAGES = ("text", "shortlist", "features", "rerank", "total")


@dataclass(frozen=True)
class Candidate:
    """A photo that may become a hit."""

    photo_id: int
    similarity: float | None = None
    score: float | None = None
    match: float | None = None


@dataclass(frozen=True)
class EncodedQuery:
    """A query, and its sentence and excluded terms as one model encodes them."""

    query: Query
    generation: str
    """Of the model: no other can use it."""
    text: EncodedText
    """The sentence, where there is one, and the excluded terms behind it."""
    vectors: NDArray[np.float32]
    """(P, D) The vector of each, which the shortlist compares with those of photos. It begins with the embedding."""
    timings_ms: Mapping[str, float]

    @property
    def wanted(self) -> NDArray[np.float32]:
        """(D,) The vector of the sentence, where there is one."""
        return np.asarray(self.vectors[0])

    @property
    def excluded(self) -> NDArray[np.float32]:
        """(X, D) The vectors of the excluded terms."""
        return self.vectors[len(self.vectors) - len(self.query.excluded) :]

    def embeddings_only(self) -> EncodedQuery:
        """The same without the word features, which are large and only the rerank reads."""
        return replace(self, text=EncodedText(self.text.embeddings, []))


@dataclass(frozen=True)
class Shortlist:
    """The candidates of a query that the rerank reads, with what was computed to find them.

    It is a value: it keeps no library open, and `SearchEngine.rerank` may take it at any later time, from any thread.
    """

    encoded: EncodedQuery
    visual: list[Candidate]
    """The photos nearest to the sentence, best first; none where the query has no sentence."""
    annotated: list[Candidate]
    """Other photos, whose annotations or the text in them match the sentence."""
    among: NDArray[np.int64] | None
    """(N,) Ids of the photos that pass the filters; None where there are no filters."""
    size: int
    """How many photos near to the sentence were asked for."""
    timings_ms: Mapping[str, float]
    """What it took, encoding the query included."""
    hits: list[Hit] = field(default_factory=list)
    """The photos in order of nearness, without a match; of a query without a sentence, the newest first."""


class Clock:
    """Adds up the milliseconds that each stage takes."""

    def __init__(self, before: Mapping[str, float] | None = None) -> None:
        """`before` is what earlier calls took for the same search."""
        self.timings_ms = dict.fromkeys(_STAGES, 0.0) | dict(before or {})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the stage `name`: `text`, `shortlist`, `features` or `rerank`, or `total` around all of them."""
        start = time.perf_counter()
        yield
        self.timings_ms[name] += 1000 * (time.perf_counter() - start)


def max_reranked(shortlist: int) -> int:
    """How many photos are reranked at most where the shortlist has that size: it takes annotation candidates too."""
    return shortlist + max(1, shortlist // _VISUAL_PER_ANNOTATED)


def encode(model: TrainedModel, query: Query) -> EncodedQuery:
    """Encode the sentence of `query` and its excluded terms; nothing is computed where it has neither."""
    clock, phrases = Clock(), [query.words, *query.excluded] if query.words else list(query.excluded)
    text = EncodedText(np.empty((0, 0), dtype=np.float32), [])
    vectors = text.embeddings
    if phrases:
        with clock.stage("total"), clock.stage("text"):
            text = model.runtime.encode_text(phrases)
            vectors = model.photo_vectors.of_sentences(text).vectors
    return EncodedQuery(query, model.generation, text, vectors, clock.timings_ms)


def filtered(library: LibraryView, query: Query) -> NDArray[np.int64] | None:
    """(N,) Ids of the photos that pass the filters of `query`; None where it has no filters."""
    return None if query.filters == NO_FILTERS else library.matching(query.filters)


def shortlist(library: LibraryView, encoded: EncodedQuery, size: int) -> Shortlist:
    """The candidates for a rerank: the `size` photos that the score ranks first without a joint pass, and annotation
    candidates.

    A query without a sentence has no candidates: its photos come by date.
    """
    clock = Clock(encoded.timings_ms)
    if not encoded.query.words:
        return Shortlist(encoded, [], [], None, size, clock.timings_ms)
    with clock.stage("total"), clock.stage("shortlist"):
        among = filtered(library, encoded.query)
        visual = nearest(library, encoded.wanted, encoded.excluded, size, among)
        annotated = _annotated(library, encoded, max_reranked(size) - size, among, leave_out=visual)
    return Shortlist(encoded, visual, annotated, among, size, clock.timings_ms)


def nearest(
    library: LibraryView,
    wanted: NDArray[np.float32],
    excluded: NDArray[np.float32],
    count: int,
    among: NDArray[np.int64] | None,
) -> list[Candidate]:
    """The `count` photos that the vector `wanted` (D,) ranks first, away from `excluded` (X, D), best first.

    Their similarity is that of embeddings, which vectors begin with.
    """
    ids, _ = library.shortlist(search_direction(wanted, excluded), count, among)
    embeddings = library.embeddings(ids.tolist())
    if not embeddings:
        return []
    stacked = np.stack(list(embeddings.values()))
    # Not BLAS: there the sum of a row depends on the rows beside it.
    similarities = np.einsum("ke,e->k", stacked, wanted[: stacked.shape[1]])
    return [
        Candidate(photo_id, similarity) for photo_id, similarity in zip(embeddings, similarities.tolist(), strict=True)
    ]


def resembling(library: LibraryView, encoded: EncodedQuery) -> NDArray[np.int64]:
    """(N,) Ids of the photos that count as being of the sentence, whatever the filters.

    A sentence ranks every photo. Those count that reach half of the way from the typical photo, the median, up to the
    best one, and those whose annotations hold all words. It costs one inner product for each photo.
    """
    ids, products = library.shortlist(search_direction(encoded.wanted, encoded.excluded), library.photo_count())
    if not ids.size:
        return ids
    half_way = (products.max() + np.median(products)) / 2
    words = search_words(encoded.query.words)
    annotated = [photo_id for photo_id, count in library.annotation_matches(words).items() if count == len(words)]
    return np.union1d(ids[products >= half_way], np.array(annotated, dtype=np.int64))


def with_similarity(library: LibraryView, encoded: EncodedQuery, candidates: list[Candidate]) -> list[Candidate]:
    """The candidates with their similarity to the sentence."""
    embeddings = library.embeddings([candidate.photo_id for candidate in candidates])
    return [
        replace(candidate, similarity=float(embeddings[candidate.photo_id] @ encoded.text.embeddings[0]))
        for candidate in _present(candidates, embeddings)
    ]


def rerank(
    library: LibraryView, ranker: Ranker, encoded: EncodedQuery, candidates: list[Candidate], clock: Clock
) -> list[Candidate]:
    """The candidates in order of their score, of equal ones by id: words and pixels are read together."""
    photo_ids = [candidate.photo_id for candidate in candidates]
    with clock.stage("features"):
        pixels_of = library.pixel_features(photo_ids)
        pooled_of = library.pooled_features(photo_ids)
        embedding_of = library.embeddings(photo_ids)
    candidates = _present(candidates, pixels_of.keys() & pooled_of.keys() & embedding_of.keys())
    if not candidates:
        return []
    photo_ids = [candidate.photo_id for candidate in candidates]
    with clock.stage("rerank"):
        photos = ranker.prepare(
            EncodedImages(
                np.stack([embedding_of[photo_id] for photo_id in photo_ids]),
                [pixels_of[photo_id] for photo_id in photo_ids],
                np.stack([pooled_of[photo_id] for photo_id in photo_ids]),
            )
        )

        def score(row: int, phrase: str) -> tuple[NDArray[np.float32], Scored]:
            of_model = ranker.score(encoded.text.select([row]), photos)
            return of_model.scores + word_bonus(word_logits(library, phrase), photo_ids, ranker), of_model

        scores, of_model = score(0, encoded.query.words)
        if encoded.query.excluded:
            excluded = [score(row, phrase)[0] for row, phrase in enumerate(encoded.query.excluded, start=1)]
            scores = scores - exclusion_penalties(np.stack(excluded))
        scores = scores.round(_SCORE_DECIMALS)
        matches = ranker.match(scores, of_model.parts.prior_log_odds)
        return [
            replace(candidates[row], score=float(scores[row]), match=float(matches[row]))
            for row in np.lexsort((np.array(photo_ids), -scores)).tolist()
        ]


def newest_first(library: LibraryView, ranked: list[Candidate], count: int) -> list[Candidate]:
    """The first `count` candidates by date, those without a date last; the others behind them, in their order."""
    best = ranked[:count]
    local_times = {
        photo.id: (-math.inf, 0)
        if photo.taken_at is None
        else (photo.taken_at + (photo.taken_offset or 0), photo.taken_microsecond or 0)
        for photo in library.photos([candidate.photo_id for candidate in best])
    }
    by_date = sorted(_present(best, local_times), key=lambda candidate: local_times[candidate.photo_id], reverse=True)
    return by_date + ranked[count:]


def tail(
    library: LibraryView,
    wanted: NDArray[np.float32],
    excluded: NDArray[np.float32],
    count: int,
    among: NDArray[np.int64] | None,
    *,
    after: Sequence[Candidate],
) -> list[Candidate]:
    """The `count` photos that follow the candidates `after` in the order of `nearest`.

    They come from a search of their own, so that the order of the reranked photos cannot depend on `count`.
    """
    before = {candidate.photo_id for candidate in after}
    following = nearest(library, wanted, excluded, count + len(before), among)
    return [candidate for candidate in following if candidate.photo_id not in before][:count]


def newest(library: LibraryView, query: Query, count: int) -> list[Candidate]:
    """The `count` newest photos that pass the filters of `query`."""
    return [Candidate(photo_id) for photo_id in library.newest(query.filters, count)]


def to_hits(library: LibraryView, candidates: list[Candidate]) -> list[Hit]:
    """The candidates as hits."""
    photos = {photo.id: photo for photo in library.photos([candidate.photo_id for candidate in candidates])}
    return [_hit(photos[candidate.photo_id], candidate) for candidate in _present(candidates, photos)]


def _hit(photo: PhotoRecord, candidate: Candidate) -> Hit:
    return Hit(
        path=photo.path,
        photo_id=photo.id,
        similarity=candidate.similarity,
        match=candidate.match,
        score=candidate.score,
        width=photo.width,
        height=photo.height,
        size=photo.size,
        taken_at=photo.taken_iso(),
        online=photo.online,
    )


def _annotated(
    library: LibraryView,
    encoded: EncodedQuery,
    count: int,
    among: NDArray[np.int64] | None,
    *,
    leave_out: list[Candidate],
) -> list[Candidate]:
    """The up to `count` photos whose words say most for the sentence (`word_logits`), of equal ones the nearest."""
    logits = word_logits(library, encoded.query.words)
    if among is not None:
        logits = {photo_id: logits[photo_id] for photo_id in np.intersect1d(among, list(logits)).tolist()}
    annotated: list[Candidate] = []
    for level in sorted(set(logits.values()), reverse=True):
        ids = np.array([photo_id for photo_id, added in logits.items() if added == level], dtype=np.int64)
        annotated += nearest(library, encoded.wanted, encoded.excluded, count - len(annotated), ids)
        if len(annotated) == count:
            break
    known = {candidate.photo_id for candidate in leave_out}
    return [candidate for candidate in annotated if candidate.photo_id not in known]


def _present(candidates: Sequence[Candidate], photo_ids: Container[int]) -> list[Candidate]:
    """Those of the candidates that are among `photo_ids`."""
    return [candidate for candidate in candidates if candidate.photo_id in photo_ids]
