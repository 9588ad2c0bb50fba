"""The stages of a search, each a function on a parsed query: encode, shortlist, rerank, tail, hits.

Another process may remove photos at any time. Each stage leaves out those that have gone since the stage before.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from engine.annotation_match import word_bonus, word_logits
from engine.exclusion import exclusion_penalties, search_direction
from engine.phrases import Phrase
from engine.query import Query
from engine.results import Hit
from indexer.library.filters import NO_FILTERS
from indexer.library.photo import PhotoRecord
from indexer.library.text_analysis import search_words
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.runtime.protocol import EncodedImages, EncodedText
from model.scoring.parts import PreparedPhotos
from model.scoring.ranker import TAUGHT_PRIOR, Ranker

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
class Direction:
    """Where the photos lie that are looked for."""

    vector: NDArray[np.float32]
    """(D,) Their vectors have the largest inner products with it."""
    embedding: NDArray[np.float32]
    """(E,) Their similarity is that to it."""
    lowered: Mapping[int, float] = field(default_factory=dict)
    """What the inner product of a photo is lowered by, by photo id."""


@dataclass(frozen=True)
class EncodedQuery:
    """A query, and its sentence and excluded terms as one model encodes them."""

    query: Query
    generation: str
    """Of the model: no other can use it."""
    phrases: tuple[Phrase, ...]
    """The sentence, where there is one, and the excluded terms behind it."""
    text: EncodedText
    """What the network reads of each; the whole phrase where that is nothing."""
    vectors: NDArray[np.float32]
    """(P, D) The vector of each, which the shortlist compares with those of photos. It begins with the embedding, to
    which taught words may have added something."""
    lowered: Mapping[int, float]
    """What a photo's inner product with the vector of the sentence is lowered by, by photo id: those of which a person
    said that they do not show a taught word."""
    timings_ms: Mapping[str, float]

    @property
    def wanted(self) -> NDArray[np.float32]:
        """(D,) The vector of the sentence, where there is one."""
        return np.asarray(self.vectors[0])

    @property
    def excluded(self) -> NDArray[np.float32]:
        """(X, D) The vectors of the excluded terms."""
        return self.vectors[len(self.vectors) - len(self.query.excluded) :]

    @property
    def has_taught(self) -> bool:
        """Whether there are taught words in it."""
        return any(phrase.taught for phrase in self.phrases)

    @property
    def direction(self) -> Direction:
        """Where the photos of the sentence lie, where there is one."""
        return self.direction_with(self.wanted, self.text.embeddings[0])

    def direction_with(self, vector: NDArray[np.float32], embedding: NDArray[np.float32]) -> Direction:
        """Where the photos lie that have the largest inner product with `vector`, away from the excluded terms."""
        return Direction(search_direction(vector, self.excluded), embedding, self.lowered)

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
        try:
            yield
        finally:
            self.timings_ms[name] += 1000 * (time.perf_counter() - start)


def max_reranked(shortlist: int) -> int:
    """How many photos are reranked at most where the shortlist has that size: it takes annotation candidates too."""
    return shortlist + max(1, shortlist // _VISUAL_PER_ANNOTATED)


def encode(model: TrainedModel, query: Query, read: Callable[[str], Phrase] = Phrase.plain) -> EncodedQuery:
    """Encode the sentence of `query` and its excluded terms; nothing is computed where it has neither.

    `read` finds the taught words of a library in each.
    """
    clock, texts = Clock(), [query.words, *query.excluded] if query.words else list(query.excluded)
    text = EncodedText(np.empty((0, 0), dtype=np.float32), [])
    if not texts:
        return EncodedQuery(query, model.generation, (), text, text.embeddings, {}, clock.timings_ms)
    with clock.stage("total"), clock.stage("text"):
        phrases = tuple(read(text) for text in texts)
        text = model.runtime.encode_text([phrase.read or phrase.text for phrase in phrases])
        vectors = model.photo_vectors.of_sentences(text).vectors
        encoded = EncodedQuery(query, model.generation, phrases, text, vectors, {}, clock.timings_ms)
        if encoded.has_taught:
            encoded = _with_taught(model, encoded)
    return encoded


def _with_taught(model: TrainedModel, encoded: EncodedQuery) -> EncodedQuery:
    """The query with the detectors of its taught words in its vectors."""
    vectors, lowered = encoded.vectors.copy(), dict[int, float]()
    for row, phrase in enumerate(encoded.phrases):
        words = float(encoded.text.lengths()[row])
        if phrase.taught and not phrase.read:
            vectors[row], words = 0, 1.0
        for name in phrase.taught:
            scale = name.share * model.photo_vectors.taught_scale(words)
            vectors[row] += np.float32(scale) * name.detector.weights
            if row == 0 and encoded.query.words:
                for photo_id, excess in name.too_likely.items():
                    lowered[photo_id] = lowered.get(photo_id, 0.0) + scale * excess
    return replace(encoded, vectors=vectors, lowered=lowered)


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
        visual = nearest(library, encoded.direction, size, among)
        annotated = _annotated(library, encoded, max_reranked(size) - size, among, leave_out=visual)
    return Shortlist(encoded, visual, annotated, among, size, clock.timings_ms)


def shortened(shortlist: Shortlist, size: int) -> Shortlist:
    """The shortlist as it were with that size; itself where it has no more candidates."""
    visual, annotated = shortlist.visual[:size], shortlist.annotated[: max_reranked(size) - size]
    if len(visual) + len(annotated) == len(shortlist.visual) + len(shortlist.annotated):
        return shortlist
    return replace(shortlist, visual=visual, annotated=annotated, size=size)


def nearest(library: LibraryView, direction: Direction, count: int, among: NDArray[np.int64] | None) -> list[Candidate]:
    """The `count` photos that lie farthest in `direction`, best first."""
    ids, _ = _ranked(library, direction, count, among)
    embeddings = library.embeddings(ids.tolist())
    if not embeddings:
        return []
    stacked = np.stack(list(embeddings.values()))
    # Not BLAS: there the sum of a row depends on the rows beside it.
    similarities = np.einsum("ke,e->k", stacked, direction.embedding)
    return [
        Candidate(photo_id, similarity) for photo_id, similarity in zip(embeddings, similarities.tolist(), strict=True)
    ]


def _ranked(
    library: LibraryView, direction: Direction, count: int, among: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids (K,) and inner products (K,) of the K <= `count` photos that lie farthest in `direction`, best first."""
    lowered = direction.lowered
    ids, products = library.shortlist(direction.vector, count + len(lowered), among)
    if lowered:
        products = products - np.array([lowered.get(photo_id, 0.0) for photo_id in ids.tolist()], dtype=np.float32)
        order = np.lexsort((ids, -products))[:count]
        ids, products = ids[order], products[order]
    return ids, products


def resembling(library: LibraryView, encoded: EncodedQuery) -> NDArray[np.int64]:
    """(N,) Ids of the photos that count as being of the sentence, whatever the filters.

    A sentence ranks every photo. Those count that reach half of the way from the typical photo, the median, up to the
    best one, and those whose annotations hold all words. It costs one inner product for each photo.
    """
    ids, products = _ranked(library, encoded.direction, library.photo_count())
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

        vectors = vectors_of(library, photo_ids) if encoded.has_taught else None

        def score(row: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            scores, priors = score_phrase(ranker, encoded, row, photos, photo_ids, vectors)
            logits = word_logits(library, encoded.phrases[row].text)
            return scores + word_bonus(logits, photo_ids, ranker), priors

        scores, priors = score(0)
        if encoded.query.excluded:
            excluded = [score(row)[0] for row in range(1, 1 + len(encoded.query.excluded))]
            scores = scores - exclusion_penalties(np.stack(excluded))
        scores = scores.round(_SCORE_DECIMALS)
        matches = ranker.match(scores, priors)
        return [
            replace(candidates[row], score=float(scores[row]), match=float(matches[row]))
            for row in np.lexsort((np.array(photo_ids), -scores)).tolist()
        ]


def score_phrase(
    ranker: Ranker,
    encoded: EncodedQuery,
    row: int,
    photos: PreparedPhotos,
    photo_ids: Sequence[int],
    vectors: NDArray[np.float32] | None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The scores (K,) of K photos for phrase `row`, and its prior log-odds (K,).

    `vectors` (K, D) are those of the photos; without them taught words count for nothing.
    """
    phrase = encoded.phrases[row]
    if phrase.read:
        of_network = ranker.score(encoded.text.select([row]), photos)
        scores, priors = of_network.scores, of_network.parts.prior_log_odds
    else:
        scores, priors = np.zeros((2, len(photo_ids)), dtype=np.float32)
    if phrase.taught and vectors is not None:
        log_odds = sum(name.share * name.log_odds(photo_ids, vectors) for name in phrase.taught)
        scores = scores + ranker.taught_scores(np.asarray(log_odds, dtype=np.float32))
        priors = priors + np.float32(phrase.unread * TAUGHT_PRIOR)
    return scores, priors


def match_of_sentence(
    library: LibraryView, ranker: Ranker, encoded: EncodedQuery, photo: PreparedPhotos, photo_id: int
) -> float:
    """The match of a photo for the sentence alone."""
    return float(ranker.match(*score_phrase(ranker, encoded, 0, photo, [photo_id], vectors_of(library, [photo_id])))[0])


def vectors_of(library: LibraryView, photo_ids: Sequence[int]) -> NDArray[np.float32]:
    """(K, D) The vectors of these photos; zeros for photos that have gone."""
    ids, vectors = library.photo_vectors(np.array(photo_ids, dtype=np.int64))
    row_of = {photo_id: row for row, photo_id in enumerate(photo_ids)}
    in_order = np.zeros((len(photo_ids), vectors.shape[1]), dtype=np.float32)
    in_order[[row_of[photo_id] for photo_id in ids.tolist()]] = vectors
    return in_order


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
    direction: Direction,
    count: int,
    among: NDArray[np.int64] | None,
    *,
    after: Sequence[Candidate],
) -> list[Candidate]:
    """The `count` photos that follow the candidates `after` in the order of `nearest`.

    They come from a search of their own, so that the order of the reranked photos cannot depend on `count`.
    """
    before = {candidate.photo_id for candidate in after}
    following = nearest(library, direction, count + len(before), among)
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
    """Up to `count` other photos whose words say most for the sentence (`word_logits`), of equal ones the nearest."""
    known = {candidate.photo_id for candidate in leave_out}
    of_all = word_logits(library, encoded.query.words)
    logits = {photo_id: added for photo_id, added in of_all.items() if photo_id not in known}
    if among is not None:
        logits = {photo_id: logits[photo_id] for photo_id in np.intersect1d(among, list(logits)).tolist()}
    annotated: list[Candidate] = []
    for level in sorted(set(logits.values()), reverse=True):
        ids = np.array([photo_id for photo_id, added in logits.items() if added == level], dtype=np.int64)
        annotated += nearest(library, encoded.direction, count - len(annotated), ids)
        if len(annotated) == count:
            break
    return annotated


def _present(candidates: Sequence[Candidate], photo_ids: Container[int]) -> list[Candidate]:
    """Those of the candidates that are among `photo_ids`."""
    return [candidate for candidate in candidates if candidate.photo_id in photo_ids]
