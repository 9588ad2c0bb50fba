"""A search engine over a library: what a caller may ask. The stages of a search are in `engine.pipeline`."""

from __future__ import annotations

import weakref
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore, Lock
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from engine import pipeline
from engine.answers import Answers, ask
from engine.duplicates import Copy, duplicates_of, near_copies
from engine.errors import EngineReplaced, QueryError
from engine.example_sentences import SAMPLE, example_sentences, plain_texts
from engine.explain import Explanation, WordEvidence, in_sentence_order, with_maps, word_evidence
from engine.filter_hints import hints_about_names, hints_where_none_is_good, hints_where_none_passes
from engine.grouping import best_count
from engine.hints import absence_hint, hint_about_depth, hint_about_reranker, word_hints
from engine.models import open_model
from engine.phrases import Phrase, PhraseReader
from engine.pipeline import Candidate, Clock, EncodedQuery, Shortlist
from engine.query import Query, parse
from engine.results import Hint, Hit, SearchResult
from engine.seen_words import seen_words
from engine.teaching import SUGGESTED, Quality, Teaching
from engine.validation import (
    Sort,
    check_excluded,
    check_limit,
    check_query,
    check_shortlist,
    check_sort,
    require_photos,
)
from indexer.library.defaults import default_library
from indexer.library.facets import Facets
from indexer.library.filters import NO_FILTERS, Filters
from indexer.library.library import require_photo
from indexer.library.lifetime import Lifetime, while_open
from indexer.library.photo import PhotoRecord
from indexer.library.settings import Settings
from indexer.library.taught_words import TaughtWord
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.errors import RerankerAway
from model.paths import expanded
from model.runtime.protocol import EncodedImages
from model.weights import WeightsError

if TYPE_CHECKING:
    from engine.files import PhotoFile

_COMBINED = 64
"""How many photos near to a photo and words together are reranked by the words."""


class SearchEngine:
    """Searches a library with the model that encoded it; a context manager.

    Threads may share one: as many calls as `at_once` are answered at once, others wait. After `close` every method
    raises LibraryClosed.
    """

    def __init__(self, library: LibraryView, model: TrainedModel) -> None:
        self.lifetime = Lifetime(f"the search engine over {library.path}")
        """Keeps the engine open for the calls that are running."""
        self._library = library
        self._model = model
        self._runtime = model.runtime
        self._ranker = model.ranker
        self._reranker = model.reranker
        self._teaching = Teaching(library, model.photo_vectors)
        self._phrases = PhraseReader(library, model, self._teaching)
        self._reading = Lock()  # taught words are read by one thread at a time
        self._turns = BoundedSemaphore(model.at_once)

    @classmethod
    def open(
        cls, library: str | Path | None = None, *, weights: str | Path | None = None, device: str | None = None
    ) -> Self:
        """Open the library in folder `library` (default: the user's own) with `weights` (a name or a folder; default:
        those that encoded it). `device` is `auto`, `cpu`, `cuda`, ...; None: that of the library's settings.

        Raises LibraryError when there is no such library, WeightsError when there are no such weights, and
        EngineError when the library holds no photo, or other weights search it: all before the network is loaded.
        """
        folder = default_library() if library is None else expanded(library)
        return cls.over(folder, open_model(folder, weights, device))

    @classmethod
    def over(cls, library: str | Path, model: TrainedModel) -> Self:
        """Open the library in folder `library` with a loaded model. Raises what `open` raises."""
        opened = LibraryView.open(
            library, generation=model.generation, photo_vectors=model.photo_vectors, device=model.device
        )
        try:
            require_photos(opened, model.name)
            return cls(opened, model)
        except BaseException:
            opened.close()
            raise

    @property
    def generation(self) -> str:
        """The generation of the model that it searches with, a digest of weights and settings."""
        return self._model.generation

    @while_open
    def search(
        self,
        query: str | Query,
        *,
        limit: int = 20,
        shortlist: int | None = None,
        rerank: bool = True,
        filters: Filters = NO_FILTERS,
        exclude: Sequence[str] = (),
        sort: Sort = "match",
    ) -> SearchResult:
        """The `limit` photos that fit `query` best.

        `query` is a sentence with, if you like, excluded terms and filters in it (`engine.query`), parsed or not;
        `filters` and `exclude` add to those. Only photos that pass the filters are looked at. A photo that shows an
        excluded term ranks lower.

        Filters without a sentence list the photos that pass them, the newest first.

        The `shortlist` nearest photos (by default as many as the settings of the library say), and with them those
        whose annotations match, are reranked by score and come first; photos beyond them follow in order of nearness,
        without a match. `rerank=False` leaves everything in that order. Nearness is the score without the joint pass:
        what similarity and word detectors say. Equal photos go by id. The order does not depend on `limit`. A sentence
        longer than the model reads is cut at its last word.

        The first `line` photos of the result are the best ones. With `sort="date"` these come newest first, those
        without a date last of them; the others keep their order.

        Raises QueryError when the sentence is blank, over MAX_CHARACTERS or not valid Unicode, a filter is invalid,
        a number is out of range, or photos without a match are to be sorted by date.
        """
        query = parse(query)
        query = replace(query, excluded=(*query.excluded, *exclude), filters=query.filters.combined(filters))
        check_sort(sort, rerank=rerank)
        check_query(query)
        check_limit(limit)
        shortlist = self._shortlist_size(shortlist)
        with self._answering():
            encoded = self._encode(query)
            if not rerank:
                return self._nearest(encoded, limit, Clock(encoded.timings_ms))
            return self._rerank(pipeline.shortlist(self._library, encoded, shortlist), limit, sort)

    @while_open
    def shortlist(self, query: str | Query, *, size: int | None = None) -> Shortlist:
        """The photos that `search` reranks for `query` with a shortlist of that size, and their order before.

        Raises QueryError as `search` does.
        """
        query = parse(query)
        check_query(query)
        size = self._shortlist_size(size)
        with self._answering():
            candidates = pipeline.shortlist(self._library, self._encode(query), size)
            clock = Clock(candidates.timings_ms)
            with clock.stage("total"):
                in_order = candidates.visual if query.words else pipeline.newest(self._library, query, size)
                hits = pipeline.to_hits(self._library, in_order)
            return replace(candidates, hits=hits, timings_ms=clock.timings_ms)

    @while_open
    def rerank(
        self, shortlist: Shortlist, *, limit: int = 20, sort: Sort = "match", depth: int | None = None
    ) -> SearchResult:
        """The `limit` photos that fit the query of `shortlist` best: what `search` returns, but nothing is encoded.

        With a `depth` it is as if the shortlist were of that size where it is larger, and a hint says so: for a machine
        that many people wait for.

        Raises EngineReplaced where the shortlist was made with other weights, and QueryError as `search` does.
        """
        check_limit(limit)
        self._require_generation(shortlist.encoded)
        shorter = shortlist if depth is None else pipeline.shortened(shortlist, depth)
        with self._answering():
            result = self._rerank(shorter, limit, sort)
        if shorter is not shortlist and result.reranked:
            result.hints.append(hint_about_depth(shortlist.encoded.query, result.reranked))
        return result

    @while_open
    def encode(self, query: str | Query) -> EncodedQuery:
        """The query as `nearest` takes it. Raises QueryError as `search` does."""
        query = parse(query)
        check_query(query)
        with self._answering():
            return self._encode(query)

    @while_open
    def nearest(self, encoded: EncodedQuery, *, limit: int = 20) -> SearchResult:
        """The `limit` photos in order of nearness: what `search(rerank=False)` returns, but nothing is encoded.

        Raises EngineReplaced where the query was encoded with other weights, and QueryError as `search` does.
        """
        check_limit(limit)
        self._require_generation(encoded)
        with self._answering():
            return self._nearest(encoded, limit, Clock(encoded.timings_ms))

    @while_open
    def similar(self, photo: int | str | Path | PhotoFile, query: str | Query = "", *, limit: int = 20) -> list[Hit]:
        """The `limit` photos most similar to `photo`, best first, equal ones by id; without a match.

        `photo` is the id of a photo in the library, or a file anywhere. A file is decoded in a process of its own,
        under the limits of indexing, and nothing of it is stored. If the library has its bytes, it is that photo. The
        photo itself is no hit.

        Filters and excluded terms in `query` hold as in a search. Where it has words, photo and words are wanted as
        much: the photos nearest to the sum of both vectors are reranked by the words, and have a match.

        Raises PhotoMissing when the library does not have the photo, and QueryError when the file cannot be read as a
        photo, the limit is out of range, or as `search` does.
        """
        check_limit(limit)
        query = parse(query)
        check_excluded(query)
        # Before its turn, because decoding takes its time.
        known = self.read_photo(photo) if isinstance(photo, str | Path) else photo
        library = self._library
        with self._answering():
            photo_id, embedding = self._embedding(known)
            among = pipeline.filtered(library, query)
            encoded = self._encode(query)
            itself = [] if photo_id is None else [Candidate(photo_id)]

            (photo_vector,) = self._model.photo_vectors.of_embeddings(embedding[None])

            def nearest(wanted: NDArray[np.float32], count: int, after: Sequence[Candidate]) -> list[Candidate]:
                direction = encoded.direction_with(wanted, embedding)
                return pipeline.tail(library, direction, count, among, after=after)

            if not query.words:
                return self._hits(nearest(photo_vector, limit, itself))
            both = np.asarray((photo_vector + encoded.wanted) / 2, dtype=np.float32)
            combined = nearest(both, _COMBINED, itself)
            by_words = pipeline.with_similarity(library, encoded, combined)
            try:
                ranked = pipeline.rerank(library, self._reranker, encoded, by_words, Clock())
            except RerankerAway:  # which is logged
                ranked = by_words
            if limit > len(ranked):
                following = nearest(both, limit - len(ranked), [*itself, *combined])
                ranked += pipeline.with_similarity(library, encoded, following)
            return self._hits(ranked[:limit])

    @while_open
    def read_photo(self, path: str | Path) -> PhotoFile:
        """The photo at `path`, for `similar`. Raises QueryError when it cannot be read as a photo."""
        from engine.files import read_file  # slow to import, and a sentence does not need it

        return read_file(Path(path), self._model.processor.image_processor)

    @while_open
    def duplicates(self, photo_id: int) -> list[Copy]:
        """The files that hold a photo of the library or nearly the same one, the largest first.

        Raises PhotoMissing when the library does not have the photo.
        """
        return duplicates_of(self._library, self._library.photo(photo_id).id)

    @while_open
    def word_evidence(self, photo_id: int, query: str | Query) -> list[WordEvidence]:
        """How much evidence for a photo of the library each word of `query` is. The photo is not opened.

        Raises what `explain` raises, but no WeightsError.
        """
        with self._answering():
            pooled = require_photo(self._library.pooled_features([photo_id]), photo_id)
            phrase = self._read(parse(query).words)
            return self._with_taught(phrase, self._word_evidence(phrase, pooled), photo_id)

    @while_open
    def seen_words(self, photo_ids: Sequence[int]) -> dict[int, list[str]]:
        """What the word detectors say of each of these photos that is still encoded: at most three words."""
        pooled = self._library.pooled_features(photo_ids)
        return seen_words(self._ranker.parameters.detectors, self._model.processor, pooled)

    @while_open
    def explain(self, photo_id: int, query: str | Query) -> Explanation:
        """How much evidence for a photo of the library each word of `query` is, and where in the photo it is seen.

        Filters and excluded terms are left out. A map is computed from the file. So there is none while that cannot be
        read, or has changed since it was indexed.

        Raises PhotoMissing when the library does not have the photo, QueryError where there is no word in the query,
        and WeightsError where the weights have graphs of an older Pixelseek, which cannot make maps.
        """
        sentence = parse(query).words
        library, model = self._library, self._model
        photo = library.photo(photo_id)
        with self._answering():
            embedding = require_photo(library.embeddings([photo_id]), photo_id)
            features = require_photo(library.pixel_features([photo_id]), photo_id)
            pooled = require_photo(library.pooled_features([photo_id]), photo_id)
            photos = self._ranker.prepare(EncodedImages(embedding[None], [features], pooled[None]))
            phrase = self._read(sentence)
            words = self._word_evidence(phrase, pooled)
            match = pipeline.match_of_sentence(library, self._ranker, self._encode(Query(sentence)), photos, photo_id)
        # It takes no turn, because decoding takes its time.
        pixels = self._pixels(photo) if any(word.can_be_shown for word in words) else None
        if pixels is not None:
            with self._answering():
                cells, size = self._runtime.cells(pixels), (photo.width, photo.height)
                detectors = self._ranker.parameters.detectors
                words = with_maps(words, model.processor, phrase.others, detectors, cells, size)
        return Explanation(sentence, match, self._with_taught(phrase, words, photo_id))

    @while_open
    def ask(self, photo_id: int, question: str, *, top: int = 5) -> Answers:
        """The `top` answers to a question about a photo of the library. The photo is not decoded again.

        Raises PhotoMissing when the library does not have the photo, WeightsError when the weights have no head for
        questions, and QueryError when the question is blank, over MAX_CHARACTERS or not valid Unicode.
        """
        with self._answering():
            photo = self._library.photo(photo_id)
            features = require_photo(self._library.pixel_features([photo.id]), photo.id)
            return ask(self._model, question, features, top)

    @while_open
    def can_answer(self) -> bool:
        """Whether the weights have a head for questions."""
        try:
            self._model.head("vqa")
        except WeightsError:
            return False
        return True

    @while_open
    def example_sentences(self) -> list[str]:
        """Sentences that may find something in this library, the most promising first: tags and captions that people
        wrote, and what the word detectors see in some of the photos. Nothing was searched for yet."""
        photo_ids = self._library.photo_ids()
        some = photo_ids[np.linspace(0, len(photo_ids) - 1, min(len(photo_ids), SAMPLE), dtype=np.int64)]
        written = plain_texts(self._library.common_texts(SAMPLE))
        with self._answering():
            pooled = list(self._library.pooled_features(some.tolist()).values())
            detected = self._ranker.detect_words(np.stack(pooled)) if pooled else None
        return written + ([] if detected is None else example_sentences(self._model.processor, detected))

    @while_open
    def facets(self, query: str | Query = "") -> Facets:
        """How many photos there are of each month, camera, folder and place among those that pass the filters of
        `query`, and resemble its sentence where it has one (`pipeline.resembling`).

        Raises QueryError when `query` is over MAX_CHARACTERS or not valid Unicode, or a filter is invalid.
        """
        query = parse(query)
        if not query.words:
            return self._library.facets(query.filters)
        check_excluded(query)
        with self._answering():
            among = pipeline.resembling(self._library, self._encode(query))
        return self._library.facets(query.filters, among)

    @while_open
    def taught_quality(self, word: TaughtWord) -> Quality:
        """How well the photos of a taught word are told from others."""
        with self._answering(), self._reading:
            return self._teaching.quality(word)

    @while_open
    def suggestions(self, word: TaughtWord, *, count: int = SUGGESTED, leave_out: Collection[int] = ()) -> list[int]:
        """Ids of up to `count` photos of which it helps most to know whether they show a taught word, best first.

        None is an example of it already, or among `leave_out`. Before any photo shows it, they are those that a search
        for its name finds.
        """
        with self._answering():
            wanted = None if word.shown else pipeline.encode(self._model, Query(word.name)).wanted
            with self._reading:
                return self._teaching.suggestions(word, count, leave_out=leave_out, wanted=wanted)

    @while_open
    def photo(self, photo_id: int) -> PhotoRecord:
        """The record of one photo. Raises PhotoMissing when the library does not have the photo."""
        return self._library.photo(photo_id)

    @while_open
    def is_current(self) -> bool:
        """Whether these weights still search the library: others may have encoded it since."""
        return self._library.is_current()

    @while_open
    def version(self) -> object:
        """A value that changes when other weights, or anything in the library, do."""
        return self.generation, self._library.version()

    @while_open
    def photo_count(self) -> int:
        """How many photos a search looks through."""
        return self._library.photo_count()

    def close(self) -> None:
        """Close the library for good, once the calls of other threads have ended; later ones raise LibraryClosed."""
        self.lifetime.close()
        self._library.close()

    def close_when_unused(self) -> None:
        """Close the library once nothing refers to this engine any more; until then it can be used."""
        weakref.finalize(self, self._library.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def at_once(self) -> int:
        """How many calls of different threads are answered at once."""
        return self._model.at_once

    @property
    def max_reranked(self) -> int:
        """How many photos are reranked at most where a search does not name a shortlist size."""
        return pipeline.max_reranked(self._shortlist_size(None))

    def _shortlist_size(self, wanted: int | None) -> int:
        """The size that a caller names, or else the one that the library's settings name now."""
        size = Settings.load(self._library.path).shortlist if wanted is None else wanted
        check_shortlist(size)
        return size

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """The turn of a call. Raises EngineReplaced where other weights have encoded the library since."""
        with self._turns:
            if not self._library.is_current():
                raise EngineReplaced(
                    f"the photos in {self._library.path} were encoded by other weights meanwhile: open it again."
                )
            yield

    def _encode(self, query: Query) -> EncodedQuery:
        return pipeline.encode(self._model, query, self._read)

    def _read(self, text: str) -> Phrase:
        """The phrase of that text, with the taught words in it."""
        with self._reading:
            return self._phrases.read(text)

    def _word_evidence(self, phrase: Phrase, pooled: NDArray[np.float32]) -> list[WordEvidence]:
        """The evidence of the words that are not taught. Raises QueryError where there is no word in the phrase."""
        processor = self._model.processor
        if phrase.taught and not processor.words(phrase.others):
            return []
        return word_evidence(processor, phrase.others, self._ranker.detect_words(pooled[None]))

    def _with_taught(self, phrase: Phrase, others: list[WordEvidence], photo_id: int) -> list[WordEvidence]:
        """The evidence of all words, given that of those that are not taught."""
        if not phrase.taught:
            return others
        vectors = pipeline.vectors_of(self._library, [photo_id])
        taught = [
            WordEvidence(name.name, float(name.log_odds([photo_id], vectors)[0]), is_taught=True)
            for name in phrase.taught
        ]
        return in_sentence_order(phrase, others, taught, self._model.processor)

    def _pixels(self, photo: PhotoRecord) -> NDArray[np.uint8] | None:
        """The photo as the model reads it; None where its file is not to be read, or holds another photo by now."""
        try:
            file = self.read_photo(photo.path)
        except QueryError:
            return None
        return file.picture.pixels if self._library.find(file.identity) == photo.id else None

    def _embedding(self, photo: int | PhotoFile) -> tuple[int | None, NDArray[np.float32]]:
        """The id of `photo` (None outside the library) and its embedding (E,)."""
        if isinstance(photo, int):
            photo_id = self._library.photo(photo).id
            return photo_id, require_photo(self._library.embeddings([photo_id]), photo_id)
        known = self._library.find(photo.identity)
        if known is None:
            return None, self._runtime.encode_image([photo.picture.pixels]).embeddings[0]
        return known, require_photo(self._library.embeddings([known]), known)

    def _hits(self, candidates: list[Candidate]) -> list[Hit]:
        """The candidates as hits, which know of copies among them."""
        copies = near_copies(self._library, [candidate.photo_id for candidate in candidates])
        return [
            replace(hit, copies=copies[hit.photo_id]) if hit.photo_id in copies else hit
            for hit in pipeline.to_hits(self._library, candidates)
        ]

    def _nearest(self, encoded: EncodedQuery, limit: int, clock: Clock) -> SearchResult:
        library, query = self._library, encoded.query
        with clock.stage("total"):
            if query.words:
                with clock.stage("shortlist"):
                    among = pipeline.filtered(library, query)
                    ordered = pipeline.nearest(library, encoded.direction, limit, among)
            else:
                ordered = pipeline.newest(library, query, limit)
            hits = self._hits(ordered)
            hints = hints_about_names(query) + ([] if hits else hints_where_none_passes(library, query))
        return SearchResult(query.text, hits, 0, 0, clock.timings_ms, hints)

    def _rerank(self, shortlist: Shortlist, limit: int, sort: Sort) -> SearchResult:
        """The reranked photos; those of the shortlist in its order, and a hint, where the reranker is away."""
        try:
            return self._reranked(shortlist, limit, sort)
        except RerankerAway as error:
            nearest = self._nearest(shortlist.encoded, limit, Clock(shortlist.timings_ms))
            nearest.hints.append(hint_about_reranker(shortlist.encoded.query, str(error)))
            return nearest

    def _reranked(self, shortlist: Shortlist, limit: int, sort: Sort) -> SearchResult:
        library, encoded, clock = self._library, shortlist.encoded, Clock(shortlist.timings_ms)
        if not encoded.query.words:
            return self._nearest(encoded, limit, clock)
        candidates = [*shortlist.visual, *shortlist.annotated]
        with clock.stage("total"):
            ranked = pipeline.rerank(library, self._reranker, encoded, candidates, clock)
            words = word_hints(library, self._model, encoded.query.words)
            absent = absence_hint(library, self._model, encoded.phrases[0], ranked) if words.understood else None
            line = self._line(ranked) if words.understood and absent is None else 0
            hints = [*([] if absent is None else [absent]), *hints_about_names(encoded.query), *words.hints]
            filter_hints = self._filter_hints(shortlist, clock) if line == 0 and words.understood else []
            if not candidates and not filter_hints:
                filter_hints = hints_where_none_passes(library, encoded.query)
            hints += filter_hints
            if sort == "date":
                ranked = pipeline.newest_first(library, ranked, line)
            reranked = len(ranked)
            if limit > reranked:
                with clock.stage("shortlist"):
                    count, among = limit - reranked, shortlist.among
                    ranked += pipeline.tail(library, encoded.direction, count, among, after=candidates)
            hits = self._hits(ranked[:limit])
        return SearchResult(encoded.query.text, hits, line, reranked, clock.timings_ms, hints)

    def _line(self, ranked: Sequence[Candidate]) -> int:
        """How many of the first of these reranked candidates are the best."""
        matches = [candidate.match for candidate in ranked if candidate.match is not None]
        return best_count(matches, self._ranker.cutoff)

    def _filter_hints(self, shortlist: Shortlist, clock: Clock) -> list[Hint]:
        """Which filters leave nothing good of a search with that shortlist."""
        encoded = shortlist.encoded
        if encoded.query.filters == NO_FILTERS:
            return []
        unfiltered = replace(encoded, query=replace(encoded.query, filters=NO_FILTERS))
        with clock.stage("shortlist"):
            others = pipeline.shortlist(self._library, unfiltered, shortlist.size)
        candidates = [*others.visual, *others.annotated]
        known = {candidate.photo_id for candidate in (*shortlist.visual, *shortlist.annotated)}
        if known.issuperset(candidate.photo_id for candidate in candidates):
            return []
        ranked = pipeline.rerank(self._library, self._reranker, unfiltered, candidates, clock)
        if absence_hint(self._library, self._model, encoded.phrases[0], ranked) is not None:
            return []
        return hints_where_none_is_good(self._library, encoded.query, ranked, self._line)

    def _require_generation(self, encoded: EncodedQuery) -> None:
        if encoded.generation != self.generation:
            raise EngineReplaced("the query was encoded by other weights than these: search again.")
