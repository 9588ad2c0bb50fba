"""Searches that wait in one queue for the model, and snapshots of their results, so that paging keeps one order.

A cursor names a snapshot, and how its results were found: who does not have the snapshot, such as another server of the
same library, searches again and compares.

Where many wait, fewer photos are reranked for each; where it would take too long all the same, they are told to come
again.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from threading import Lock
from typing import TypeVar

from engine.answers import Answers
from engine.errors import EngineReplaced
from engine.files import PhotoFile
from engine.pipeline import EncodedQuery, Shortlist
from engine.query import Query
from engine.results import Hit, SearchResult
from engine.search import SearchEngine
from engine.validation import Sort, check_sort
from indexer.library.errors import LibraryClosed
from model.errors import PixelseekError
from web.disconnection import ClientDisconnected, disconnection_check

_FORGOTTEN = "this search is no longer remembered: search again."
MAX_WAITING = 64
_MAX_WAIT_S = 10.0
"""Who would wait longer for a turn is told to come again."""
_MIN_RETRY_S = 5
_TARGET_S = 1.0
"""Fewer photos are reranked where those who wait would wait longer otherwise."""
_MIN_RERANKED = 16
"""But not fewer than these: they bring most of what a rerank brings."""
_LATEST = 16
"""So many of the latest calls tell how long the next ones will take."""
_MAX_DEPTH = 2000
_MAX_SNAPSHOTS = 128
_NEAREST = "n"
"""The order of a search without a rerank, in `ResultSnapshot.how`; that of others is the first letter of their sort."""
Result = TypeVar("Result")

_CURSOR = re.compile(r"([\w-]{8,32})\.(\d{1,4})(?:\.([nmd])([1-9]\d{0,3})\.([\w-]{8,16}))?")
"""Key of the snapshot, position; order (`n`: by nearness), depth of the rerank, digest of the order."""


class Busy(PixelseekError):  # noqa: N818
    """Too many searches are waiting for the model; after `retry_after_s` there may be fewer."""

    def __init__(self, message: str, retry_after_s: int = _MIN_RETRY_S) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CursorUnknown(PixelseekError):  # noqa: N818
    """A cursor of another search, or of one that is no longer remembered and finds other photos by now."""


class ModelQueue:
    """Runs calls that need the model, each in its turn: `at_once` at once, and at most `max_waiting` wait.

    They run in so many threads and no more: PyTorch keeps memory for each thread that calls it.
    """

    def __init__(self, max_waiting: int, at_once: Callable[[], int] = lambda: 1) -> None:
        """`at_once` is asked when the first call comes."""
        self._max_waiting = max_waiting
        self._ask_at_once = at_once
        self._threads: ThreadPoolExecutor | None = None
        self._admitted = 0
        self._is_closed = False
        self._lock = Lock()
        self._seconds = deque[float](maxlen=_LATEST)
        self.at_once = 1
        self.waiting = 0

    def wait_s(self) -> float:
        """How long a call will wait for its turn, as far as the latest calls tell."""
        seconds = list(self._seconds)
        return self.waiting * median(seconds) / self.at_once if len(seconds) == _LATEST else 0.0

    def run(self, call: Callable[[], Result], is_disconnected: Callable[[], bool]) -> Result:
        """Wait for the calls before this one, run `call`, and return what it returns.

        Raises Busy when too many calls wait or its turn would come too late, ClientDisconnected when
        `is_disconnected` once its turn has come, and LibraryClosed after `close`.
        """

        def run_unless_disconnected() -> Result:
            with self._lock:
                self.waiting -= 1
            if is_disconnected():
                raise ClientDisconnected("the client has closed the connection.")
            start = time.perf_counter()
            try:
                return call()
            finally:
                self._seconds.append(time.perf_counter() - start)

        future = self._submit(run_unless_disconnected)
        try:
            return future.result()
        except CancelledError as error:
            raise LibraryClosed("the server is stopping.") from error
        finally:
            with self._lock:
                self._admitted -= 1

    def _submit(self, call: Callable[[], Result]) -> Future[Result]:
        with self._lock:
            if self._is_closed:
                raise LibraryClosed("the server is stopping.")
            if self._threads is None:
                self.at_once = self._ask_at_once()
                self._threads = ThreadPoolExecutor(self.at_once, thread_name_prefix="model")
            wait_s = self.wait_s()
            if self._admitted >= self._max_waiting + self.at_once or wait_s > _MAX_WAIT_S:
                retry_after_s = max(_MIN_RETRY_S, math.ceil(wait_s))
                raise Busy(
                    f"too many searches are waiting already. Try again in {retry_after_s} seconds.", retry_after_s
                )
            self._admitted += 1
            self.waiting += 1
            return self._threads.submit(call)

    def close(self) -> None:
        """Wait for the calls that are running, and cancel those that wait."""
        with self._lock:
            self._is_closed = True
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)


@dataclass
class ResultSnapshot:
    """The hits of one search as far as pages have asked for them. No hit ever changes its position."""

    key: str
    how: str
    """How it was found, and what: whoever searches in the same way again finds out whether the result is the same."""
    encoded: EncodedQuery
    """Without word features: what the pages past the reranked photos need."""
    result: SearchResult
    sort: Sort
    is_complete: bool
    """Whether there is nothing after these hits."""
    version: object
    """`SearchEngine.version` when it was found."""
    lock: Lock = field(default_factory=Lock)

    @property
    def is_reranked(self) -> bool:
        """Whether it was to be reranked, as it is for a page, and not found by nearness alone."""
        return not self.how.startswith(_NEAREST)

    @property
    def query(self) -> Query:
        """The query that was searched for."""
        return self.encoded.query

    def cursor(self, position: int) -> str | None:
        """The cursor of a position in this snapshot; None behind its end."""
        return None if position >= len(self.result.hits) and self.is_complete else f"{self.key}.{position}.{self.how}"


@dataclass(frozen=True)
class Page:
    """Some hits of a snapshot, from position `start` on."""

    snapshot: ResultSnapshot
    start: int
    hits: list[Hit]

    @property
    def next(self) -> str | None:
        """The cursor of the next page; None after the last."""
        return self.snapshot.cursor(self.start + len(self.hits))


@dataclass(frozen=True)
class Position:
    """A hit of a snapshot, with the hits before and after it."""

    snapshot: ResultSnapshot
    index: int
    before: Hit | None
    hit: Hit
    after: Hit | None


class Searches:
    """Asks the engine, and keeps snapshots of the latest results. Threads may share one."""

    def __init__(self, engine: Callable[[], SearchEngine]) -> None:
        self._engine = engine
        self._snapshots: OrderedDict[str, ResultSnapshot] = OrderedDict()
        self._lock = Lock()
        self._seconds_a_photo = deque[float](maxlen=_LATEST)
        self.queue = ModelQueue(MAX_WAITING, at_once=lambda: engine().at_once)

    def run(self, ask: Callable[[SearchEngine], Result]) -> Result:
        """Run `ask` with the engine that is current when its turn comes. Raises what `ModelQueue.run` raises."""

        def call() -> Result:
            while True:
                engine = self._engine()
                try:
                    return ask(engine)
                except EngineReplaced:
                    if engine is self._engine():
                        raise

        return self.queue.run(call, disconnection_check())

    def shortlist(self, query: Query) -> Shortlist:
        """The shortlist of `query`, which `rerank` takes. Raises what `SearchEngine.search` and `run` raise."""
        return self.run(lambda engine: engine.shortlist(query))

    def rerank(self, shortlist: Shortlist, limit: int, *, sort: Sort = "match") -> Page:
        """The first `limit` photos that fit the query of `shortlist`.

        Where other weights have taken over since it was made, it is made anew. Raises as `shortlist` does.
        """

        def ask(engine: SearchEngine) -> Page:
            if shortlist.encoded.generation == engine.generation:
                return self._reranked(engine, shortlist, limit, sort)
            return self._reranked(engine, engine.shortlist(shortlist.encoded.query), limit, sort)

        return self.run(ask)

    def first(
        self,
        query: Query,
        limit: int,
        *,
        rerank: bool = True,
        sort: Sort = "match",
    ) -> Page:
        """The first `limit` photos that fit `query`. Raises as `shortlist` does."""

        def ask(engine: SearchEngine) -> Page:
            if rerank:
                return self._reranked(engine, engine.shortlist(query), limit, sort)
            check_sort(sort, rerank=rerank)
            return self._nearest(engine, query, limit)

        return self.run(ask)

    def similar(self, photo: int | PhotoFile, query: Query, limit: int) -> list[Hit]:
        """The `limit` photos most similar to a photo, of the library or not, and to `query` where it has words.

        Raises PhotoMissing, and as `shortlist` does.
        """
        return self.run(lambda engine: engine.similar(photo, query, limit=limit))

    def ask(self, photo_id: int, question: str, top: int) -> Answers:
        """The `top` answers to a question about a photo. Raises what `SearchEngine.ask` and `run` raise."""
        return self.run(lambda engine: engine.ask(photo_id, question, top=top))

    def page(self, query: Query, cursor: str, limit: int) -> Page:
        """The `limit` photos from `cursor` on in the snapshot of `query`, also when photos came or went since.

        Raises CursorUnknown, and as `shortlist` does.
        """
        return self._page_of(*self._find(query, cursor), limit)

    def position(self, query: Query, cursor: str) -> Position:
        """The hit at `cursor`, and its neighbours. Raises what `page` raises."""
        position = self._position_in(*self._find(query, cursor))
        if position is None:
            raise CursorUnknown("there is no photo at this place: search again.")
        return position

    def _page_of(self, snapshot: ResultSnapshot, start: int, limit: int) -> Page:
        with snapshot.lock:
            hits = snapshot.result.hits
            if start + limit > len(hits) and not snapshot.is_complete:
                self._extend(snapshot, min(2 * (start + limit), _MAX_DEPTH))
            return Page(snapshot, start, hits[start : start + limit])

    def _position_in(self, snapshot: ResultSnapshot, index: int) -> Position | None:
        hits = self._page_of(snapshot, index, 2).hits
        if not hits:
            return None
        before = snapshot.result.hits[index - 1] if index else None
        return Position(snapshot, index, before, hits[0], hits[1] if len(hits) > 1 else None)

    def locate(self, query: Query, photo_id: int, sort: Sort, cursor: str = "") -> Position | None:
        """The place of a photo in the results of `query`; None where it is not among them.

        `cursor` is where it was found. Where those results are no longer kept, it is looked for in later ones of the
        same query, and then by searching anew. Raises as `shortlist` does.
        """
        with suppress(CursorUnknown):
            position = self.position(query, cursor)
            if position.hit.photo_id == photo_id:
                return position
        parts = _CURSOR.fullmatch(cursor)
        near = int(parts[2]) if parts else 0
        kept = self._latest(query, sort)
        found = None if kept is None else self._locate_in(kept, photo_id, near)
        return found or self._locate_in(self.first(query, 1, sort=sort).snapshot, photo_id, near)

    def _latest(self, query: Query, sort: Sort) -> ResultSnapshot | None:
        """The latest snapshot of that very query as a page searches for it, in the library as it is now."""
        version = self._engine().version()
        with self._lock:
            same = (
                snapshot
                for snapshot in reversed(self._snapshots.values())
                if snapshot.is_reranked
                and (snapshot.query.text, snapshot.sort, snapshot.version) == (query.text, sort, version)
            )
            return next(same, None)

    def _locate_in(self, snapshot: ResultSnapshot, photo_id: int, near: int) -> Position | None:
        """The place of a photo in a snapshot, which is extended to a little beyond position `near`."""
        if near >= len(snapshot.result.hits):
            self._page_of(snapshot, near, 2)
        hits = snapshot.result.hits
        index = next((index for index, hit in enumerate(hits) if hit.photo_id == photo_id), None)
        return None if index is None else self._position_in(snapshot, index)

    def _nearest(self, engine: SearchEngine, query: Query, limit: int) -> Page:
        version, kept = engine.version(), max(limit, engine.max_reranked)
        encoded = engine.encode(query)
        result = engine.nearest(encoded, limit=kept + 1)
        return self._page(engine, version, encoded, result, limit, kept, "match", f"{_NEAREST}{engine.max_reranked}")

    def _reranked(
        self, engine: SearchEngine, shortlist: Shortlist, limit: int, sort: Sort, depth: int | None = None
    ) -> Page:
        """`depth` photos are reranked; None: as many as there is time for."""
        version = engine.version()
        kept = max(limit, engine.max_reranked)  # every reranked photo, because the next pages show them
        depth = min(shortlist.size, self._depth(shortlist.size) if depth is None else depth)
        result = engine.rerank(shortlist, limit=kept + 1, sort=sort, depth=depth)
        if result.reranked:
            milliseconds = result.timings_ms["features"] + result.timings_ms["rerank"]
            self._seconds_a_photo.append(milliseconds / 1000 / result.reranked)
        return self._page(engine, version, shortlist.encoded, result, limit, kept, sort, f"{sort[0]}{depth}")

    def _depth(self, size: int) -> int:
        """How many photos of a shortlist of that size are reranked: all for who searches alone."""
        seconds = list(self._seconds_a_photo)
        if not seconds:
            return size
        wait_s = self.queue.waiting * size * median(seconds) / self.queue.at_once
        return size if wait_s <= _TARGET_S else max(_MIN_RERANKED, int(size * _TARGET_S / wait_s))

    def _page(
        self,
        engine: SearchEngine,
        version: object,
        encoded: EncodedQuery,
        result: SearchResult,
        limit: int,
        kept: int,
        sort: Sort,
        order: str,
    ) -> Page:
        """The first page of a result. A snapshot keeps its first `kept` hits; it has one more where there are more."""
        is_complete = len(result.hits) <= kept
        how = f"{order}.{_digest(engine.generation, result.hits[: engine.max_reranked])}"
        del result.hits[kept:]
        key, encoded = secrets.token_urlsafe(9), encoded.embeddings_only()
        snapshot = ResultSnapshot(key, how, encoded, result, sort, is_complete, version)
        self._keep(snapshot)
        return Page(snapshot, 0, result.hits[:limit])

    def _keep(self, snapshot: ResultSnapshot) -> None:
        with self._lock:
            self._snapshots[snapshot.key] = snapshot
            while len(self._snapshots) > _MAX_SNAPSHOTS:
                self._snapshots.popitem(last=False)

    def _find(self, query: Query, cursor: str) -> tuple[ResultSnapshot, int]:
        parts = _CURSOR.fullmatch(cursor)
        if parts is None:
            raise CursorUnknown(_FORGOTTEN)
        key, position, order, depth, digest = parts.groups()
        with self._lock:
            snapshot = self._snapshots.get(key)
            if snapshot is not None:
                self._snapshots.move_to_end(key)
        if snapshot is None and order is not None:
            snapshot = self._again(query, order, int(depth))
            if snapshot.how != f"{order}{depth}.{digest}":
                raise CursorUnknown(_FORGOTTEN)
            snapshot.key = key
            self._keep(snapshot)
        if snapshot is None or snapshot.query.text != query.text:
            raise CursorUnknown(_FORGOTTEN)
        return snapshot, int(position)

    def _again(self, query: Query, order: str, depth: int) -> ResultSnapshot:
        """A new snapshot of a search as it was made before."""

        def ask(engine: SearchEngine) -> Page:
            if order == _NEAREST:
                return self._nearest(engine, query, 1)
            return self._reranked(engine, engine.shortlist(query), 1, "date" if order == "d" else "match", depth)

        return self.run(ask).snapshot

    def _extend(self, snapshot: ResultSnapshot, depth: int) -> None:
        """Append the hits that follow in order of nearness, down to `depth`."""

        def ask(engine: SearchEngine) -> SearchResult:
            if snapshot.encoded.generation != engine.generation:
                snapshot.encoded = engine.encode(snapshot.query).embeddings_only()
            return engine.nearest(snapshot.encoded, limit=depth)

        nearest = self.run(ask).hits
        known = {hit.photo_id for hit in snapshot.result.hits}
        snapshot.result.hits.extend(hit for hit in nearest if hit.photo_id not in known)
        snapshot.is_complete = len(nearest) < depth or depth >= _MAX_DEPTH


def _digest(generation: str, hits: Sequence[Hit]) -> str:
    """A short digest of the photos in their order, and of the weights that found them."""
    text = " ".join([generation, *(str(hit.photo_id) for hit in hits)])
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
