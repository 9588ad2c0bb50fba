"""All photos of the library that are nearly the same, compared in the background: a large library takes a while."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Condition, Thread

from engine.duplicates import EXISTING, Copy, find_groups, still_duplicates
from indexer.library.view import LibraryView
from model.errors import PixelseekError

_MIN_AGE_S = 30.0
_log = logging.getLogger("pixelseek.copies")


class _Closed(PixelseekError):  # noqa: N818
    """Ends the comparison from inside its progress callback."""


@dataclass(frozen=True)
class Comparison:
    """What the latest comparison of all photos has found."""

    groups: list[list[Copy]] = field(default_factory=list)
    """The largest groups first, in each the largest file first."""
    is_ready: bool = False
    """Whether the photos have been compared at least once."""
    compared: int = 0
    """How many photos the comparison that is running has compared."""
    photos: int = 0
    """How many it compares; 0 while none is running."""
    problem: str | None = None
    """Why the latest one failed."""

    @property
    def files(self) -> int:
        """How many files are in the groups."""
        return sum(map(len, self.groups))

    @property
    def smaller_bytes(self) -> int:
        """What all files but the largest of each group take."""
        return sum(copy.size for group in self.groups for copy in group[1:] if copy.state in EXISTING)


class Copies:
    """Compares all photos once they are asked for, and again when they have changed. Threads may share one.

    Their files are looked at each time: one that is gone may come back.
    """

    def __init__(self, view: Callable[[], LibraryView]) -> None:
        self._view = view
        self._changed = Condition()
        self._latest = Comparison()
        self._groups: list[list[int]] = []
        self._compared: object = None
        """`LibraryView.photos_version` of the photos that were compared."""
        self._ended_at = -math.inf
        self._thread: Thread | None = None
        self._is_closed = False

    def latest(self, wait_s: float = 0.0) -> Comparison:
        """The latest comparison; while the first one runs it waits for at most `wait_s` seconds.

        Raises what `LibraryView.open` raises.
        """
        view = self._view()
        with self._changed:
            is_recent = time.monotonic() - self._ended_at < _MIN_AGE_S
            if not is_recent and self._thread is None and not self._is_closed:
                self._thread = Thread(target=self._compare, args=(view,), name="copies", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._latest.is_ready or self._thread is None, wait_s)
            return self._latest

    def page(self, start: int, count: int) -> list[list[Copy]]:
        """Groups from `start` on as they are on disk now; those with fewer than two files left are left out."""
        groups = self._latest.groups[start : start + count]
        ids = [list(dict.fromkeys(copy.photo_id for copy in group)) for group in groups]
        return still_duplicates(self._view(), ids)

    def close(self) -> None:
        """Compare no more."""
        with self._changed:
            self._is_closed = True
            thread = self._thread
        if thread is not None:
            thread.join()

    def _compare(self, view: LibraryView) -> None:
        before = self._latest
        ended = Comparison(before.groups, before.is_ready, problem="this is a fault of the server; its log says more")
        try:
            version = view.photos_version()
            if version != self._compared:
                self._note(0, view.photo_count())
                self._groups = find_groups(view, progress=self._note)
                self._compared = version
            ended = Comparison(still_duplicates(view, self._groups), is_ready=True)
        except PixelseekError as error:  # the server stops, or the library is gone
            ended = Comparison(before.groups, before.is_ready, problem=str(error))
            _log.info("the photos were not compared: %s", error)
        except Exception:
            _log.exception("the photos were not compared")
        with self._changed:
            self._latest, self._ended_at, self._thread = ended, time.monotonic(), None
            self._changed.notify_all()

    def _note(self, compared: int, photos: int) -> None:
        if self._is_closed:
            raise _Closed("the server is stopping.")
        with self._changed:
            self._latest = Comparison(self._latest.groups, self._latest.is_ready, compared, photos)
