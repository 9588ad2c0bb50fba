"""Searches that wait for the model in turn, and the orders they found, kept so that paging stays in them."""

from __future__ import annotations

import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from engine.answers import Answers
from engine.errors import EngineReplaced
from engine.files import PhotoFile
from engine.query import Query
from engine.results import Hit, SearchResult
from engine.search import SearchEngine, Sort, most_reranked
from indexer.library.errors import LibraryClosed
from model.errors import PixelseekError

RERANKED = 64
"""How many of the photos nearest to the sentence a search reads together with it."""
MOST_WAITING = 64
_DEEPEST = 2000
_ORDERS_KEPT = 128
Answer = TypeVar("Answer")

_CURSOR = re.compile(r"([\w-]{8,32})\.(\d{1,4})")


class Busy(PixelseekError):  # noqa: N818
    """More searches are waiting for the model than may."""


class HungUp(PixelseekError):  # noqa: N818
    """Who asked is no longer there."""


class CursorUnknown(PixelseekError):  # noqa: N818
    """A cursor of another search, or of one that is no longer remembered."""


class Turns:
    """Runs what needs the model one after another; at most `most_waiting` wait.

    All in one thread: PyTorch keeps threads and memory for each thread that calls it.
    """

    def __init__(self, most_waiting: int) -> None:
        self._places = BoundedSemaphore(most_waiting + 1)
        self._model = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._counting = Lock()
        self.waiting = 0

    def run(self, call: Callable[[], Answer], hung_up: Callable[[], bool]) -> Answer:
        """What `call` returns when its turn has come.

        Raises Busy when too many wait, HungUp when `hung_up` by then, and LibraryClosed after `close`.
        """
        if not self._places.acquire(blocking=False):
            raise Busy("too many searches are waiting already. Try again in a few seconds.")

        def take_turn() -> Answer:
            self._count(-1)
            if hung_up():
                raise HungUp("nobody waits for this answer any more.")
            return call()

        try:
            self._count(+1)
            return self._submit(take_turn).result()
        except CancelledError as error:
            raise LibraryClosed("the server is stopping.") from error
        finally:
            self._places.release()

    def _submit(self, call: Callable[[], Answer]) -> Future[Answer]:
        try:
            return self._model.submit(call)
        except RuntimeError as error:
            raise LibraryClosed("the server is stopping.") from error

    def _count(self, more: int) -> None:
        with self._counting:
            self.waiting += more

    def close(self) -> None:
        """Wait for the one at the model, and send the others away."""
        self._model.shutdown(cancel_futures=True)


@dataclass
class Order:
    """What a search found, as far as it has been asked for; what is in it stays where it is."""

    key: str
    query: Query
    result: SearchResult
    sort: Sort
    complete: bool
    """Whether there is nothing after these hits."""
    lock: Lock = field(default_factory=Lock)

    def cursor(self, position: int) -> str | None:
        """What names the place of `position` in this order; None behind its end."""
        return None if position >= len(self.result.hits) and self.complete else f"{self.key}.{position}"


@dataclass(frozen=True)
class Page:
    """Some hits of an order, from `start` on."""

    order: Order
    start: int
    hits: list[Hit]

    @property
    def next(self) -> str | None:
        """The cursor of the next page; None after the last."""
        return self.order.cursor(self.start + len(self.hits))


@dataclass(frozen=True)
class Place:
    """A hit in an order, between its neighbours."""

    order: Order
    position: int
    before: Hit | None
    hit: Hit
    after: Hit | None


class Searches:
    """Asks the engine, and remembers the latest orders. Threads may share one."""

    def __init__(self, engine: Callable[[], SearchEngine]) -> None:
        self._engine = engine
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._lock = Lock()
        self.turns = Turns(MOST_WAITING)

    def run(self, ask: Callable[[SearchEngine], Answer], hung_up: Callable[[], bool]) -> Answer:
        """What `ask` is answered by the engine of the moment when its turn comes. Raises what `Turns.run` raises."""

        def answer() -> Answer:
            while True:
                engine = self._engine()
                try:
                    return ask(engine)
                except EngineReplaced:
                    if engine is self._engine():
                        raise

        return self.turns.run(answer, hung_up)

    def first(
        self,
        query: Query,
        limit: int,
        *,
        rerank: bool = True,
        sort: Sort = "match",
        hung_up: Callable[[], bool] = bool,
    ) -> Page:
        """The first `limit` photos that fit `query`. Raises what `SearchEngine.search` and `Turns.run` raise."""
        depth = max(limit, most_reranked(RERANKED))  # the order keeps every reranked photo: the next pages show them

        def search(engine: SearchEngine) -> SearchResult:
            return engine.search(query, limit=depth + 1, shortlist=RERANKED, rerank=rerank, sort=sort)

        result = self.run(search, hung_up)
        complete = len(result.hits) <= depth
        del result.hits[depth:]
        order = Order(secrets.token_urlsafe(9), query, result, sort, complete)
        with self._lock:
            self._orders[order.key] = order
            while len(self._orders) > _ORDERS_KEPT:
                self._orders.popitem(last=False)
        return Page(order, 0, result.hits[:limit])

    def shortlist(self, query: Query, limit: int, *, hung_up: Callable[[], bool] = bool) -> SearchResult:
        """The shortlist's own order, which is there at once."""
        return self.run(lambda engine: engine.search(query, limit=limit, rerank=False), hung_up)

    def similar(
        self, photo: int | PhotoFile, query: Query, limit: int, *, hung_up: Callable[[], bool] = bool
    ) -> list[Hit]:
        """The `limit` photos most similar to a photo, of the library or not, and to `query` where it has words.

        Raises PhotoMissing, and what `first` raises.
        """
        return self.run(lambda engine: engine.similar(photo, query, limit=limit), hung_up)

    def ask(self, photo_id: int, question: str, top: int, *, hung_up: Callable[[], bool] = bool) -> Answers:
        """The `top` answers to a question about a photo. Raises what `SearchEngine.ask` and `Turns.run` raise."""
        return self.run(lambda engine: engine.ask(photo_id, question, top=top), hung_up)

    def page(self, query: Query, cursor: str, limit: int, *, hung_up: Callable[[], bool] = bool) -> Page:
        """The `limit` photos at `cursor` in the order found for `query`, also when photos came or went since.

        Raises CursorUnknown, and what `first` raises.
        """
        order, start = self._order_at(query, cursor)
        with order.lock:
            hits = order.result.hits
            if start + limit > len(hits) and not order.complete:
                self._extend(order, min(2 * (start + limit), _DEEPEST), hung_up)
            return Page(order, start, hits[start : start + limit])

    def place(self, query: Query, cursor: str, *, hung_up: Callable[[], bool] = bool) -> Place:
        """The hit at `cursor`, and its neighbours. Raises what `page` raises."""
        page = self.page(query, cursor, 2, hung_up=hung_up)
        if not page.hits:
            raise CursorUnknown("there is no photo at this place: search again.")
        before = page.order.result.hits[page.start - 1] if page.start else None
        return Place(page.order, page.start, before, page.hits[0], page.hits[1] if len(page.hits) > 1 else None)

    def _order_at(self, query: Query, cursor: str) -> tuple[Order, int]:
        found = _CURSOR.fullmatch(cursor)
        with self._lock:
            order = self._orders.get(found[1]) if found else None
            if found is None or order is None or order.query.text != query.text:
                raise CursorUnknown("this search is no longer remembered: search again.")
            self._orders.move_to_end(order.key)
            return order, int(found[2])

    def _extend(self, order: Order, depth: int, hung_up: Callable[[], bool]) -> None:
        """Find more, and append what is new: what was found before keeps its place."""
        result = self.run(lambda engine: engine.search(order.query, limit=depth, rerank=False), hung_up)
        known = {hit.photo_id for hit in order.result.hits}
        order.result.hits.extend(hit for hit in result.hits if hit.photo_id not in known)
        order.complete = len(result.hits) < depth or depth >= _DEEPEST
