"""What the requests of one application share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import cast

from flask import Flask, current_app, request

from engine.errors import EngineError
from engine.search import SearchEngine
from indexer.chosen import recorded_weights
from indexer.library import Library, LibraryClosed, LibraryMissing, LibraryStatus
from model.weights import find_weights, generation
from web.explanations import Explanations
from web.indexing import IndexJob
from web.metrics import Metrics
from web.searches import Searches
from web.thumbnails import Thumbnails

_KEY = "pixelseek"


class Service:
    """A library that is served: the engine, opened once there is something to search, and what stands around it.

    Threads may share one.
    """

    def __init__(self, library: Path, weights: str | Path, roots: Sequence[Path]) -> None:
        self.library = library
        self._weights = weights
        find_weights(weights)
        self._engine: SearchEngine | None = None
        self._is_closed = False
        self._lock = Lock()
        self.thumbnails = Thumbnails(library)
        self.searches = Searches(self.engine)
        self.explanations = Explanations(self.engine, self.searches)
        self.indexing = IndexJob(library, self.weights, roots)
        self.metrics = Metrics(photos=self.photo_count, waiting=lambda: self.searches.turns.waiting)

    def engine(self) -> SearchEngine:
        """The engine. Raises what `SearchEngine.open` raises while there is no library, or nothing in it."""
        with self._lock:
            self._follow()
            if self._is_closed:
                raise LibraryClosed("the server is stopping.")
            if self._engine is None:
                self._engine = SearchEngine.open(self.library, weights=self._weights)
            return self._engine

    def weights(self) -> str | Path:
        """The weights that the library is searched with."""
        with self._lock:
            self._follow()
            return self._weights

    def _follow(self) -> None:
        """Go over to other weights once they have encoded the library anew."""
        if self._engine is not None and not self._is_closed and not self._engine.is_current():
            self._engine.close_when_unused()  # other requests may be about to ask it
            self._engine = None
            self._weights = recorded_weights(self.library) or self._weights

    def photo_count(self) -> int:
        """How many photos a search looks through; none before there is a library."""
        try:
            return self.engine().photo_count()
        except (EngineError, LibraryMissing):
            return 0

    def status(self) -> LibraryStatus:
        """Where the library stands. Raises LibraryMissing, and what `Library.open` raises."""
        with Library.open(self.library, generation=generation(find_weights(self.weights()))) as library:
            return library.status()

    def close(self) -> None:
        """Stop what is running, and close the library."""
        self.indexing.close()
        self.searches.turns.close()
        self.thumbnails.close()
        with self._lock:
            self._is_closed = True
            if self._engine is not None:
                self._engine.close()


def attach(app: Flask, service: Service) -> None:
    """Make `service` the one that `app` answers with."""
    app.extensions[_KEY] = service


def service_of(app: Flask) -> Service:
    """The service that `app` answers with."""
    return cast(Service, app.extensions[_KEY])


def current_service() -> Service:
    """The service of the application that handles the request."""
    return service_of(current_app)


def hung_up() -> Callable[[], bool]:
    """What tells whether the client of this request has gone, where the server can say; from any thread."""
    told: Callable[[], bool] = request.environ.get("waitress.client_disconnected", bool)
    return told
