"""Explanations of matches. The latest are kept, because a page asks for the map of each word separately."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from engine.errors import QueryError
from engine.explain import MIN_MAP_ODDS, Explanation, heat
from engine.query import Query
from engine.search import SearchEngine
from model.errors import PixelseekError
from web.searches import Searches

_MAX_EXPLANATIONS = 256
_QUALITY = 80
_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")


class MapMissing(PixelseekError):  # noqa: N818
    """A word whose place in the photo is not known."""


class Explanations:
    """Asks the engine, in one queue with the searches, and keeps its latest explanations until the library changes.

    Threads may share one.
    """

    def __init__(self, engine: Callable[[], SearchEngine], searches: Searches) -> None:
        self._engine = engine
        self._searches = searches
        self._version: object = None
        """The state of the library and the weights that are explained by."""
        self._explanations: OrderedDict[tuple[int, str], Explanation] = OrderedDict()
        self._lock = Lock()

    def find(self, photo_id: int, query: Query) -> Explanation:
        """Why the photo matches the words of `query`. Raises what `SearchEngine.explain` and `Searches.run` raise."""
        key = photo_id, query.words
        version = self._engine().version()
        with self._lock:
            if version != self._version:
                self._explanations.clear()
                self._version = version
            if (kept := self._explanations.get(key)) is not None:
                self._explanations.move_to_end(key)
                return kept
        explanation = self._searches.run(lambda engine: engine.explain(photo_id, query))
        with self._lock:
            if version == self._version and explanation.is_whole:
                self._explanations[key] = explanation
                while len(self._explanations) > _MAX_EXPLANATIONS:
                    self._explanations.popitem(last=False)
        return explanation


def map_of(explanation: Explanation, word: int) -> NDArray[np.float32]:
    """(h, w) The map of the word with that index in the sentence.

    Raises QueryError where there is no such word, and MapMissing where there is no map of it.
    """
    if word >= len(explanation.words):
        raise QueryError(f"there is no word {word}: the sentence has {len(explanation.words)}, counted from 0.")
    evidence = explanation.words[word]
    if evidence.map is None:
        reason = f"it speaks for the photo less than {MIN_MAP_ODDS:g} times"
        if evidence.can_be_shown:
            reason = "the photo's file cannot be read, or has changed"
        elif evidence.is_taught:
            reason = "it was taught by whole photos"
        raise MapMissing(f"there is no map of {evidence.word}: {reason}.")
    return evidence.map


def heat_webp(strength: NDArray[np.float32], size: tuple[int, int]) -> bytes:
    """A map (h, w) as a WebP of that width and height, to lay over the photo."""
    file = io.BytesIO()
    heat(strength, size).save(file, "WEBP", quality=_QUALITY)
    return file.getvalue()


def strongest_at(strength: NDArray[np.float32]) -> str:
    """The place where a map (h, w) is strongest, as text."""
    row, column = np.unravel_index(strength.argmax(), strength.shape)
    rows, columns = strength.shape
    corner = f"{_ROWS[3 * int(row) // rows]} {_COLUMNS[3 * int(column) // columns]}".strip()
    return f"at the {corner}" if corner else "in the middle"
