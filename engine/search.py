"""From a sentence to photos: text embedding, FAISS shortlist, cross-modal rerank, calibrated match."""

from __future__ import annotations

import math
import shlex
import time
import weakref
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from engine.answers import Answers, ask
from engine.duplicates import Copy, duplicates_of
from engine.errors import EngineError, EngineReplaced, QueryError
from engine.explain import Explanation, explain
from engine.query import Query, parse
from engine.results import Hit, SearchResult
from engine.sentences import checked_text
from engine.without import direction, penalties
from engine.written import bonus
from indexer.library.defaults import recorded_weights
from indexer.library.facets import Facets
from indexer.library.filters import NO_FILTERS, Filters
from indexer.library.library import Library, still_there
from indexer.library.lifetime import Lifetime, while_open
from indexer.library.photo import Photo
from indexer.library.words import words_of
from model.bundle import TrainedModel
from model.runtime.protocol import EncodedText
from model.weights import DEFAULT, WeightsError

if TYPE_CHECKING:
    from engine.files import PhotoFile

MAX_SHORTLIST = 1000
"""The rerank holds the whole shortlist's pixel features in memory: about 100 KB a photo."""
MAX_WITHOUT = 8
"""More words to keep out are refused: each costs a rerank."""
Sort: TypeAlias = Literal["match", "date"]
_COMBINED = 64
"""How many photos near to a photo and words together are reranked by the words."""
_PARTS = 4
"""To every so many photos that the shortlist holds for what they show comes one for what is written about it."""
_SCORE_DECIMALS = 4
"""What lies below is float noise that differs between the rows of a batch: photos that look the same shall tie."""


@dataclass(frozen=True)
class _Candidate:
    """A photo on its way to being a hit."""

    photo_id: int
    similarity: float | None = None
    score: float | None = None
    match: float | None = None


class SearchEngine:
    """A library and the model that encoded it, ready for questions; a context manager.

    Threads may share one: searches wait for each other. After `close` every method raises LibraryClosed.
    """

    def __init__(self, library: Library, model: TrainedModel) -> None:
        self.lifetime = Lifetime(f"the search engine over {library.path}")
        """Keeps the engine open for whoever is inside."""
        self._library = library
        self._model = model
        self._runtime = model.runtime
        self._calibration = model.fitted.calibration
        self._querybank = model.fitted.querybank
        self._lock = Lock()

    @classmethod
    def open(cls, library: Path, *, weights: str | Path | None = None, device: str = "auto") -> Self:
        """Open the library in folder `library` with `weights` (a name or a folder), or else those that encoded it.

        Raises LibraryError when there is no such library, WeightsError when there are no such weights, and
        EngineError when the library holds no photo, or other weights search it: all before the network is loaded.
        """
        return cls.over(library, TrainedModel(weights or recorded_weights(library) or DEFAULT, device=device))

    @classmethod
    def over(cls, library: Path, model: TrainedModel) -> Self:
        """Open the library in folder `library` with a model that is at hand. Raises what `open` raises."""
        opened = Library.open(library, generation=model.generation)
        try:
            _require_photos(opened, model.name)
            return cls(opened, model)
        except BaseException:
            opened.close()
            raise

    @while_open
    def search(
        self,
        query: str | Query,
        *,
        limit: int = 20,
        shortlist: int = 64,
        rerank: bool = True,
        filters: Filters = NO_FILTERS,
        without: Sequence[str] = (),
        sort: Sort = "match",
    ) -> SearchResult:
        """The `limit` photos that fit `query` best.

        `query` is a sentence with, if you like, words to keep out and filters in it (`engine.query`), parsed or not;
        `filters` and `without` add to those. Only photos for which the filters hold are looked at. A photo that shows
        what is to be kept out ranks lower.

        Filters without a sentence list the photos for which they hold, the newest first.

        The `shortlist` nearest photos, and with them those about which the words are written, are reranked by score
        and come first; photos beyond them follow in order of nearness, without a match. `rerank=False` leaves
        everything in that order. It is the order of similarity, but for words to keep out. Equal photos go by id.
        The order does not depend on `limit`. A sentence longer than the model reads is cut at its last word.

        With `sort="date"` the photos whose match is not weak come newest first, those without a date last of them;
        the others follow as ever.

        Raises QueryError when the sentence is blank, over MAX_CHARACTERS or not text, a filter makes no sense, a
        number is out of range, or photos without a match shall be sorted by date.
        """
        asked = parse(query)
        if sort == "date" and not rerank:
            raise QueryError("only reranked photos can be sorted by date: the others have no match.")
        asked = replace(asked, without=(*asked.without, *without), filters=asked.filters.combined(filters))
        _check(asked, limit, shortlist)
        with self._answering():
            clock = _Clock()
            if not asked.words:
                newest = [_Candidate(photo_id) for photo_id in self._library.newest(asked.filters, limit)]
                return SearchResult(asked.text, self._hits(newest), self._calibration.cutoff, 0, clock.timings_ms())
            with clock.stage("text"):
                encoded = self._runtime.encode_text([asked.words, *asked.without])
            with clock.stage("shortlist"):
                among = None if asked.filters == NO_FILTERS else self._library.matching(asked.filters)
                ranked = self._nearest(*_apart(encoded), shortlist if rerank else limit, among)
                if rerank:
                    ranked += self._written(asked, encoded, _written_places(shortlist), among, leave_out=ranked)
            block = {candidate.photo_id for candidate in ranked}
            if rerank:
                ranked = self._reranked(asked, encoded, ranked, clock)
            if sort == "date":
                ranked = self._newest_first(ranked)
            reranked = len(ranked) if rerank else 0
            if rerank and limit > reranked:
                # The tail comes from a search of its own, so that the reranked block cannot depend on `limit`.
                with clock.stage("shortlist"):
                    nearest = self._nearest(*_apart(encoded), limit + len(block) - reranked, among)
                    ranked += [candidate for candidate in nearest if candidate.photo_id not in block]
            hits = self._hits(ranked[:limit])
            return SearchResult(asked.text, hits, self._calibration.cutoff, reranked, clock.timings_ms())

    @while_open
    def similar(self, photo: int | Path | PhotoFile, query: str | Query = "", *, limit: int = 20) -> list[Hit]:
        """The `limit` photos most similar to `photo`, best first, equal ones by id; without a match.

        `photo` is the id of a photo in the library, or a file anywhere. A file is decoded in a process of its own,
        under indexing's limits, and nothing of it is stored. If the library has its bytes, it is that photo. The photo
        itself is no hit.

        Filters and words to keep out in `query` hold as in a search. Where it has words, photo and words are wanted as
        much: the photos nearest to the sum of both embeddings are reranked by the words, and have a match.

        Raises PhotoMissing when the library has no such photo, or has it no more, and QueryError when the file
        cannot be read as a photo, the limit is out of range, or as `search` does.
        """
        _check_limit(limit)
        asked = parse(query)
        _check_without(asked)
        # Before the lock, because decoding takes its time.
        known = self.read_photo(photo) if isinstance(photo, Path) else photo
        with self._answering():
            itself, embedding = self._embedding(known)
            among = None if asked.filters == NO_FILTERS else self._library.matching(asked.filters)
            phrases = [asked.words, *asked.without] if asked.words else list(asked.without)
            text = self._runtime.encode_text(phrases) if phrases else None
            told = embedding[:0].reshape(0, len(embedding)) if text is None else text.embeddings
            unwanted = told[len(told) - len(asked.without) :]

            def nearest(wanted: NDArray[np.float32], count: int) -> list[_Candidate]:
                found = self._nearest(wanted, unwanted, count + 1, among)
                return [one for one in found if one.photo_id != itself][:count]

            if text is None or not asked.words:
                return self._hits(nearest(embedding, limit))
            both = (embedding + text.embeddings[0]) / 2
            combined = nearest(both, _COMBINED)
            ranked = self._reranked(asked, text, self._by_words(combined, text), _Clock())
            if limit > len(ranked):
                block = {candidate.photo_id for candidate in combined}
                after = nearest(both, limit + len(block) - len(ranked))
                ranked += self._by_words([one for one in after if one.photo_id not in block], text)
            return self._hits(ranked[:limit])

    @while_open
    def read_photo(self, path: Path) -> PhotoFile:
        """The photo at `path`, for `similar`. Raises QueryError when it cannot be read as a photo."""
        from engine.files import read_file  # needless for a sentence, and slow to import

        return read_file(path, self._model.processor)

    @while_open
    def duplicates(self, photo_id: int) -> list[Copy]:
        """The files that hold a photo of the library or nearly the same one, the largest first.

        Raises PhotoMissing when the library has no such photo, or has it no more.
        """
        return duplicates_of(self._library, self._library.photo(photo_id).id)

    @while_open
    def explain(self, photo_id: int, query: str | Query) -> Explanation:
        """Where in a photo of the library each word of `query` looks, and how much it speaks for it.

        Filters and words to keep out do neither.

        Raises PhotoMissing when the library has no such photo, or has it no more, and QueryError as `search` does.
        """
        asked = parse(query)
        with self._answering():
            photo = self._library.photo(photo_id)
            features = still_there(self._library.pixel_features([photo_id]), photo_id)
            pooled = still_there(self._library.pooled_features([photo_id]), photo_id)
            words = self._model.fitted.evidence.read(pooled[None])
            size = photo.width, photo.height
            return explain(self._runtime, self._model.processor, asked.words, features, words, size)

    @while_open
    def ask(self, photo_id: int, question: str, *, top: int = 5) -> Answers:
        """The `top` answers to a question about a photo of the library, of which nothing is decoded.

        Raises PhotoMissing when the library has no such photo, or has it no more, WeightsError when the weights have
        not learned to answer, and QueryError when the question is blank, over MAX_CHARACTERS or not text.
        """
        with self._answering():
            photo = self._library.photo(photo_id)
            features = still_there(self._library.pixel_features([photo.id]), photo.id)
            return ask(self._model, question, features, top)

    @while_open
    def can_answer(self) -> bool:
        """Whether the weights have learned to answer questions."""
        try:
            self._model.head("vqa")
        except WeightsError:
            return False
        return True

    @while_open
    def facets(self, query: str | Query = "") -> Facets:
        """How many photos there are of each month, camera, folder and place among those that the filters in `query` let
        pass. Its words make no difference.

        Raises QueryError when `query` is over MAX_CHARACTERS or not text, or a filter makes no sense.
        """
        return self._library.facets(parse(query).filters)

    @while_open
    def photo(self, photo_id: int) -> Photo:
        """What is known of one photo. Raises PhotoMissing when the library has no such photo, or has it no more."""
        return self._library.photo(photo_id)

    @while_open
    def is_current(self) -> bool:
        """Whether the library is still searched with these weights: others may have encoded it anew."""
        return self._library.is_current()

    @while_open
    def photo_count(self) -> int:
        """How many photos a search looks through."""
        return self._library.photo_count()

    def close(self) -> None:
        """Close the library for good, once the calls of other threads have ended; later ones raise LibraryClosed."""
        self.lifetime.close()
        self._library.close()

    def close_when_unused(self) -> None:
        """Close the library once nobody holds this engine any more. Whoever does may go on with it."""
        weakref.finalize(self, self._library.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """One search at a time, and none of a library that other weights have encoded meanwhile."""
        with self._lock:
            if not self._library.is_current():
                raise EngineReplaced(
                    f"the photos in {self._library.path} were encoded by other weights meanwhile: open it anew."
                )
            yield

    def _embedding(self, photo: int | PhotoFile) -> tuple[int | None, NDArray[np.float32]]:
        """The id of `photo` (None outside the library) and its embedding (E,)."""
        if isinstance(photo, int):
            photo_id = self._library.photo(photo).id
            return photo_id, still_there(self._library.embeddings([photo_id]), photo_id)
        known = self._library.find(photo.identity)
        if known is None:
            return None, self._runtime.encode_image([photo.picture.pixels]).embeddings[0]
        return known, still_there(self._library.embeddings([known]), known)

    def _by_words(self, candidates: list[_Candidate], text: EncodedText) -> list[_Candidate]:
        """The candidates with their similarity to the first sentence."""
        embeddings = self._library.embeddings([one.photo_id for one in candidates])
        return [
            replace(candidate, similarity=float(embeddings[candidate.photo_id] @ text.embeddings[0]))
            for candidate in _present(candidates, embeddings)
        ]

    def _nearest(
        self,
        wanted: NDArray[np.float32],
        unwanted: NDArray[np.float32],
        count: int,
        among: NDArray[np.int64] | None,
    ) -> list[_Candidate]:
        """The `count` photos among those nearest to `wanted` (E,) and away from `unwanted` (U, E), best first."""
        ids, similarities = self._library.shortlist(direction(wanted, unwanted), count, among)
        photo_ids = ids.tolist()
        if len(unwanted) and photo_ids:
            embeddings = self._library.embeddings(photo_ids)
            photo_ids = list(embeddings)
            # BLAS would sum a row as its neighbours have it.
            similarities = np.einsum("ke,e->k", np.array(list(embeddings.values())).reshape(-1, len(wanted)), wanted)
        return [_Candidate(*pair) for pair in zip(photo_ids, similarities.tolist(), strict=True)]

    def _written(
        self,
        asked: Query,
        text: EncodedText,
        count: int,
        among: NDArray[np.int64] | None,
        *,
        leave_out: list[_Candidate],
    ) -> list[_Candidate]:
        """The up to `count` photos among those about which most of the words are written, of equal ones the nearest."""
        counts = self._library.written(words_of(asked.words))
        if among is not None:
            counts = {photo_id: counts[photo_id] for photo_id in np.intersect1d(among, list(counts)).tolist()}
        found: list[_Candidate] = []
        for level in sorted(set(counts.values()), reverse=True):
            ids = np.array([photo_id for photo_id, words in counts.items() if words == level], dtype=np.int64)
            found += self._nearest(*_apart(text), count - len(found), ids)
            if len(found) == count:
                break
        known = {one.photo_id for one in leave_out}
        return [one for one in found if one.photo_id not in known]

    def _shares_written(self, phrase: str, photo_ids: list[int]) -> NDArray[np.float32]:
        """(K,) Which share of the words of `phrase` is written about each photo."""
        words = words_of(phrase)
        counts = self._library.written(words)
        return np.array([counts.get(photo_id, 0) / max(1, len(words)) for photo_id in photo_ids], dtype=np.float32)

    def _reranked(self, asked: Query, text: EncodedText, nearest: list[_Candidate], clock: _Clock) -> list[_Candidate]:
        """Those photos in order of their score, words and pixels read together; without any that has vanished."""
        photo_ids = [one.photo_id for one in nearest]
        with clock.stage("features"):
            pixels_of = self._library.pixel_features(photo_ids)
            pooled_of = self._library.pooled_features(photo_ids)
            embedding_of = self._library.embeddings(photo_ids)
        nearest = _present(nearest, pixels_of.keys() & pooled_of.keys() & embedding_of.keys())
        if not nearest:
            return []
        photo_ids = [one.photo_id for one in nearest]
        with clock.stage("rerank"):
            features = [pixels_of[photo_id] for photo_id in photo_ids]
            pooled = np.stack([pooled_of[photo_id] for photo_id in photo_ids])
            embeddings = np.stack([embedding_of[photo_id] for photo_id in photo_ids])
            hubness = self._querybank.hubness(embeddings)
            words, rows = self._model.fitted.evidence.read(pooled), np.arange(len(nearest))

            def score(row: int, phrase: str, similarities: NDArray[np.float32]) -> NDArray[np.float32]:
                sentence = text.select([row])
                itm, evidence = self._runtime.match(sentence, features), words.evidence(sentence, rows)
                found = self._calibration.score(itm, similarities - hubness, evidence)
                return found + bonus(self._shares_written(phrase, photo_ids), self._calibration)

            scores = score(0, asked.words, np.array([one.similarity for one in nearest], dtype=np.float32))
            if asked.without:
                unwanted = [
                    score(row, phrase, embeddings @ text.embeddings[row])
                    for row, phrase in enumerate(asked.without, start=1)
                ]
                scores = scores - penalties(np.stack(unwanted))
            scores = scores.round(_SCORE_DECIMALS)
            matches = self._calibration.match(scores)
            return [
                replace(nearest[row], score=float(scores[row]), match=float(matches[row]))
                for row in np.lexsort((np.array(photo_ids), -scores)).tolist()
            ]

    def _newest_first(self, ranked: list[_Candidate]) -> list[_Candidate]:
        strong = [one for one in ranked if one.match is not None and one.match >= self._calibration.cutoff]
        clocks = {
            photo.id: (-math.inf, 0)
            if photo.taken_at is None
            else (photo.taken_at + (photo.taken_offset or 0), photo.taken_microsecond or 0)
            for photo in self._library.photos([candidate.photo_id for candidate in strong])
        }
        newest = sorted(_present(strong, clocks), key=lambda candidate: clocks[candidate.photo_id], reverse=True)
        return newest + ranked[len(strong) :]

    def _hits(self, ranked: list[_Candidate]) -> list[Hit]:
        """The candidates as hits, without any that has vanished meanwhile."""
        photos = {photo.id: photo for photo in self._library.photos([candidate.photo_id for candidate in ranked])}
        return [
            Hit(
                path=photos[candidate.photo_id].path,
                photo_id=candidate.photo_id,
                similarity=candidate.similarity,
                match=candidate.match,
                score=candidate.score,
                width=photos[candidate.photo_id].width,
                height=photos[candidate.photo_id].height,
                online=photos[candidate.photo_id].online,
            )
            for candidate in _present(ranked, photos)
        ]


class _Clock:
    """Adds up the milliseconds of each stage, and of everything since it was made."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self._milliseconds = dict.fromkeys(("text", "shortlist", "features", "rerank"), 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._milliseconds[name] += 1000 * (time.perf_counter() - start)

    def timings_ms(self) -> dict[str, float]:
        return self._milliseconds | {"total": 1000 * (time.perf_counter() - self._start)}


def most_reranked(shortlist: int) -> int:
    """How many photos a search with that shortlist reranks at most: it adds those about which the words are written."""
    return shortlist + _written_places(shortlist)


def _written_places(shortlist: int) -> int:
    return max(1, shortlist // _PARTS)


def _present(candidates: Sequence[_Candidate], photo_ids: Container[int]) -> list[_Candidate]:
    """Those of the candidates that are still there, among `photo_ids`: another process may remove photos."""
    return [candidate for candidate in candidates if candidate.photo_id in photo_ids]


def _apart(text: EncodedText) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The embeddings of the sentence (E,) and of what is to be kept out (U, E)."""
    return text.embeddings[0], text.embeddings[1:]


def _check(asked: Query, limit: int, shortlist: int) -> None:
    if not asked.words and (asked.filters == NO_FILTERS or asked.without):
        raise QueryError('there is nothing to search for: describe a photo, for example "a dog on the beach".')
    _check_without(asked)
    _check_limit(limit)
    if not 1 <= shortlist <= MAX_SHORTLIST:
        raise QueryError(f"the shortlist must be 1 to {MAX_SHORTLIST:,} photos, not {shortlist:,}.")


def _check_without(asked: Query) -> None:
    if len(asked.without) > MAX_WITHOUT:
        raise QueryError(f"{len(asked.without)} words to keep out are more than {MAX_WITHOUT}.")
    for words in asked.without:
        if not checked_text(words):
            raise QueryError("what is to be kept out is blank.")


def _check_limit(limit: int) -> None:
    if limit < 1:
        raise QueryError(f"the limit must be 1 or more, not {limit}.")


def _require_photos(library: Library, weights: str) -> None:
    """Raise EngineError, naming the command that helps, when there is nothing these weights can search.

    Photos that they have encoded while others answer for the library are not searched: they are not all of them.
    """
    if library.is_current() and library.photo_count():
        return
    status = library.status()
    if not status.photos and not status.waiting:
        raise EngineError(f"the library {library.path} holds no photos: index a folder first: pixelseek index FOLDER")
    command = shlex.join(["pixelseek", "index", "--weights", weights, "--library", str(library.path)])
    if library.is_current():
        raise EngineError(f"the {status.waiting:,} photos in {library.path} are not encoded yet: {command}")
    others, photos = recorded_weights(library.path) or "the others", status.photos + status.waiting
    raise EngineError(
        f"the {photos:,} photos in {library.path} were encoded by other weights than {weights}, "
        f"which have encoded {status.photos:,} so far. Search with {others}, or encode the rest with these: {command}"
    )
