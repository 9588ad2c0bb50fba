"""What the start page shows of a library. It is looked for once and kept, so that the page is there at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from threading import Condition, Lock, Thread

from engine.duplicates import near_copies
from engine.search import SearchEngine
from indexer.library.overview import Overview
from indexer.library.view import LibraryView
from model.errors import PixelseekError, RerankerAway
from web.searches import ModelQueue

NEWEST = 12
_EXAMPLES = 6
_MIN_MATCH = 0.35
_SHORTLIST = 16  # small, so that a person's search waits for a moment only
_MIN_AGE_S = 60.0
_QUICK_S = 1.0
_log = logging.getLogger("pixelseek.start")


class Overviews:
    """Keeps the overview of a library until that changes. Threads may share one."""

    def __init__(self, view: Callable[[], LibraryView]) -> None:
        self._view = view
        self._lock = Lock()
        self._key: tuple[str, object] | None = None
        self._latest: Overview | None = None
        self._read_at = self._took_s = 0.0
        self._is_reading = False

    def warm_up(self) -> None:
        """Read the overview beside the first requests, so that no page waits for it."""

        def read() -> None:
            with suppress(PixelseekError):  # there is no library yet, or the server stops: a page says so
                self.latest()

        Thread(target=read, name="overview", daemon=True).start()

    def latest(self) -> Overview:
        """The overview. Where it takes long to read, it may be one from before the last change.

        Raises what `LibraryView.open` raises.
        """
        view = self._view()
        key = view.generation, view.version()
        with self._lock:
            latest, is_old = self._latest, time.monotonic() - self._read_at > _MIN_AGE_S
            if latest is not None and key == self._key:
                return latest
            if latest is None or self._took_s < _QUICK_S or key[0] != (self._key or key)[0]:
                return self._read(view, key)
            if is_old and not self._is_reading:
                self._is_reading = True
                Thread(target=self._read_aside, args=(view, key), name="overview", daemon=True).start()
            return latest

    def _read(self, view: LibraryView, key: tuple[str, object]) -> Overview:
        started = time.monotonic()
        overview = view.overview(newest=2 * NEWEST)
        self._latest, self._key = replace(overview, newest=_without_copies(view, overview.newest)[:NEWEST]), key
        self._read_at = time.monotonic()
        self._took_s = self._read_at - started
        return self._latest

    def _read_aside(self, view: LibraryView, key: tuple[str, object]) -> None:
        try:
            self._read(view, key)
        except PixelseekError as error:  # the server stops, or the library is gone: the next page says so
            _log.info("the overview was not read: %s", error)
        finally:
            self._is_reading = False


def _without_copies(view: LibraryView, photo_ids: Sequence[int]) -> list[int]:
    """The photos but for those that are nearly the same as one before them."""
    copies, shown = near_copies(view, photo_ids), list[int]()
    for photo_id in photo_ids:
        if not set(copies.get(photo_id, ())).intersection(shown):
            shown.append(photo_id)
    return shown


@dataclass(frozen=True)
class _Examples:
    version: object | None
    """`SearchEngine.version` before they were looked for; None where not all sentences were tried."""
    sentences: list[str]
    found_at: float


class Examples:
    """Finds sentences that have a good first hit in the library, one search at a time, beside the requests of people.

    Threads may share one.
    """

    def __init__(self, engine: Callable[[], SearchEngine], queue: ModelQueue) -> None:
        self._engine = engine
        self._queue = queue
        self._changed = Condition()
        self._latest: _Examples | None = None
        self._thread: Thread | None = None
        self._is_closed = False

    def latest(self, wait_s: float = 0.0) -> list[str] | None:
        """The sentences; None while the first ones are looked for, which it waits for at most `wait_s` seconds.

        Where the library has changed, new ones are looked for, and those of before serve meanwhile. Raises what
        `SearchEngine.open` raises.
        """
        engine = self._engine()
        version = engine.version()
        with self._changed:
            latest = self._latest
            is_recent = latest is not None and time.monotonic() - latest.found_at <= _MIN_AGE_S
            is_outdated = latest is None or (latest.version != version and not is_recent)
            if is_outdated and self._thread is None and not self._is_closed:
                self._thread = Thread(target=self._find, args=(engine, version), name="examples", daemon=True)
                self._thread.start()
            if self._latest is None:
                self._changed.wait_for(lambda: self._latest is not None or self._thread is None, wait_s)
            return None if self._latest is None else self._latest.sentences

    def close(self) -> None:
        """Look for no more."""
        with self._changed:
            self._is_closed = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _find(self, engine: SearchEngine, version: object) -> None:
        sentences: list[str] = []
        tried: object | None = version
        try:
            for sentence in self._queue.run(engine.example_sentences, bool):
                if self._is_closed:
                    break
                if self._is_good(engine, sentence):
                    sentences.append(sentence)
                if len(sentences) == _EXAMPLES:
                    break
        except PixelseekError as error:  # the server stops, other weights took over, or too many searches wait
            _log.info("no more examples were looked for: %s", error)
            tried = None
        finally:
            with self._changed:
                self._latest = _Examples(tried, sentences, time.monotonic())
                self._thread = None
                self._changed.notify_all()

    def _is_good(self, engine: SearchEngine, sentence: str) -> bool:
        """Whether the first photo that a search finds is a good one."""
        result = self._queue.run(lambda: engine.search(sentence, limit=1, shortlist=_SHORTLIST), bool)
        if any(hint.kind == "not_reranked" for hint in result.hints):
            raise RerankerAway("whether a photo is good is not known while none is reranked.")
        first = result.hits[0].match if result.hits else None
        return result.line > 0 and first is not None and first >= _MIN_MATCH
