"""The service behind one application: what its requests share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import cast

from flask import Flask, current_app

from engine.models import open_model
from engine.query import Query
from engine.search import SearchEngine
from indexer.library.defaults import recorded_weights
from indexer.library.errors import LibraryClosed, LibraryMissing
from indexer.library.facets import Facets
from indexer.library.library_files import open_file_store
from indexer.library.status import LibraryStatus
from indexer.library.view import LibraryView
from model.bundle import TrainedModel
from model.weights import DEFAULT, WeightsError, find_weights
from web.copies import Copies
from web.explanations import Explanations
from web.indexing import IndexJob
from web.metrics import Metrics
from web.searches import Searches
from web.start import Examples, Overviews
from web.thumbnails import Thumbnails
from web.uploads import Uploads

_KEY = "pixelseek"


class Service:
    """A library and what serves it. The engine is opened once there are photos to search. Threads may share one."""

    def __init__(
        self, library: Path, weights: str | Path | None, roots: Sequence[Path], device: str | None = None
    ) -> None:
        """`weights` must exist; None: those that encoded the library. `device` None: that of the settings.

        Raises WeightsError.
        """
        self.library = library
        self._weights = weights
        self._device = device
        if weights is not None:
            find_weights(weights)
        self._model: TrainedModel | None = None
        self._engine: SearchEngine | None = None
        self._views: list[LibraryView] = []
        self._is_closed = False
        self._lock = Lock()
        self.thumbnails = Thumbnails(library, lambda: open_file_store(library, self.view().catalog))
        self.searches = Searches(self.engine)
        self.uploads = Uploads()
        self.explanations = Explanations(self.engine, self.searches)
        self.copies = Copies(self.view)
        self.overviews = Overviews(self.view)
        self.examples = Examples(self.engine, self.searches.queue)
        self.indexing = IndexJob(library, self.model, roots, self.view)
        self.metrics = Metrics(photos=self.photo_count, waiting=lambda: self.searches.queue.waiting)

    def engine(self) -> SearchEngine:
        """The engine. Raises what `SearchEngine.open` raises while there is no library, or nothing in it."""
        with self._lock:
            self._switch_weights()
            if self._is_closed:
                raise LibraryClosed("the server is stopping.")
            if self._engine is None:
                self._engine = SearchEngine.over(self.library, self._load_model())
            return self._engine

    def model(self) -> TrainedModel:
        """The model that searches the library and encodes new photos. Raises WeightsError."""
        with self._lock:
            self._switch_weights()
            return self._load_model()

    def view(self) -> LibraryView:
        """A view of the library, for requests that need no model. Raises what `LibraryView.open` raises."""
        with self._lock:
            if self._is_closed:
                raise LibraryClosed("the server is stopping.")
            if not self._views or not self._views[-1].is_current():
                # Other requests may use the view before this one: it is closed at the end.
                self._views.append(LibraryView.open(self.library))
            return self._views[-1]

    def _load_model(self) -> TrainedModel:
        name = str(self._weights or recorded_weights(self.library) or DEFAULT)
        if self._model is None or (self._engine is None and self._model.name != name):
            self._model = open_model(self.library, name, self._device)
        return self._model

    def _switch_weights(self) -> None:
        """Switch to other weights once they have encoded the whole library."""
        if self._engine is not None and not self._is_closed and not self._engine.is_current():
            self._engine.close_when_unused()  # other requests may still use it
            self._engine = self._model = None
            self._weights = recorded_weights(self.library) or self._weights

    def photo_count(self) -> int:
        """How many photos can be found; 0 where there is no library."""
        try:
            return self.view().photo_count()
        except LibraryMissing:
            return 0

    def facets(self, query: Query) -> Facets:
        """The facets of a search. Where there is no model to read its sentence, of all photos that pass its filters.

        Raises what `view` and `Searches.run` raise.
        """
        if query.words:
            with suppress(WeightsError):
                return self.searches.run(lambda engine: engine.facets(query))
        return self.view().facets(query.filters)

    def status(self) -> LibraryStatus:
        """The status of the library. Raises what `LibraryView.open` raises."""
        return self.view().status()

    def close(self) -> None:
        """Stop indexing, searches and thumbnails, and close the library."""
        self.indexing.close()
        self.searches.queue.close()
        self.examples.close()
        self.copies.close()
        self.thumbnails.close()
        with self._lock:
            self._is_closed = True
            if self._engine is not None:
                self._engine.close()
            for view in self._views:
                view.close()


def attach(app: Flask, service: Service) -> None:
    """Make `service` the service of `app`."""
    app.extensions[_KEY] = service


def service_of(app: Flask) -> Service:
    """The service of `app`."""
    return cast(Service, app.extensions[_KEY])


def current_service() -> Service:
    """The service of the application that handles this request."""
    return service_of(current_app)
