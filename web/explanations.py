"""Why photos matched: computed when somebody asks, and kept, since a page asks for each word by itself."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from weakref import ReferenceType, ref

import numpy as np
from numpy.typing import NDArray

from engine.errors import QueryError
from engine.explain import Explanation, heat
from engine.query import Query
from engine.search import SearchEngine
from web.searches import Searches

_KEPT = 256
_SIDE_OF_A_CELL = 32  # pixels: browsers smooth the rest
_QUALITY = 80
_ROWS, _COLUMNS = ("top", "", "bottom"), ("left", "", "right")


class Explanations:
    """Asks the engine in turn with the searches, and remembers its latest answers. Threads may share one."""

    def __init__(self, engine: Callable[[], SearchEngine], searches: Searches) -> None:
        self._engine = engine
        self._searches = searches
        self._asked: ReferenceType[SearchEngine] | None = None  # it must not keep the engine open
        self._kept: OrderedDict[tuple[int, str], Explanation] = OrderedDict()
        self._lock = Lock()

    def find(self, photo_id: int, query: Query) -> Explanation:
        """Where the words of `query` look. Raises what `SearchEngine.explain` and `Searches.run` raise."""
        key = photo_id, query.words
        engine = self._engine()
        engine.photo(photo_id)  # which may have gone since it was explained
        with self._lock:
            if self._asked is None or engine is not self._asked():  # other weights, which look elsewhere
                self._kept.clear()
                self._asked = ref(engine)
            found = self._kept.get(key)
        if found is None:
            found = self._searches.run(lambda engine: engine.explain(photo_id, query))
        with self._lock:
            if engine is not self._asked():
                return found
            self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def map_of(explanation: Explanation, word: int | None) -> NDArray[np.float32]:
    """(h, w) The map of one word, by its place in the sentence; without one, of all of them.

    Raises QueryError where there is no such word.
    """
    if word is None:
        return explanation.overall
    if word >= len(explanation.words):
        raise QueryError(f"there is no word {word}: the sentence has {len(explanation.words)}, counted from 0.")
    return np.asarray(explanation.maps[word])


def heat_webp(attention: NDArray[np.float32]) -> bytes:
    """A map (h, w) as a small WebP to stretch over the photo."""
    rows, columns = attention.shape
    packed = io.BytesIO()
    heat(attention, (columns * _SIDE_OF_A_CELL, rows * _SIDE_OF_A_CELL)).save(packed, "WEBP", quality=_QUALITY)
    return packed.getvalue()


def strongest_at(attention: NDArray[np.float32]) -> str:
    """Where a map (h, w) is strongest, in words."""
    row, column = np.unravel_index(attention.argmax(), attention.shape)
    rows, columns = attention.shape
    corner = f"{_ROWS[3 * int(row) // rows]} {_COLUMNS[3 * int(column) // columns]}".strip()
    return f"at the {corner}" if corner else "in the middle"
