"""Make thumbnails in other processes, under the limits of indexing."""

from __future__ import annotations

import os
from threading import Lock

from pebble import ProcessPool

from indexer.decoding import Failure, make_thumbnail
from indexer.workers import MEMORY_LIMIT_BYTES, TIME_LIMIT_S, limit_worker, outcome_of, start_pool, stop_pool

_MAX_WORKERS = 4


class ThumbnailMaker:
    """Makes thumbnails in a few processes, which it keeps: starting one takes long. Threads may share this object."""

    def __init__(self, *, time_limit_s: float = TIME_LIMIT_S, memory_limit_bytes: int = MEMORY_LIMIT_BYTES) -> None:
        self._time_limit_s = time_limit_s
        self._memory_limit_bytes = memory_limit_bytes
        self.workers = min(os.cpu_count() or 1, _MAX_WORKERS)
        self._pool: ProcessPool | None = None
        self._lock = Lock()

    def make(self, path: str, side: int) -> bytes | Failure:
        """The result of `decoding.make_thumbnail`; also a Failure if it takes too much time or memory."""
        with self._lock:
            if self._pool is None:
                self._pool = start_pool(self.workers, limit_worker, self._memory_limit_bytes)
            pool = self._pool
        return outcome_of(pool.schedule(make_thumbnail, args=(path, side), timeout=self._time_limit_s))

    def close(self) -> None:
        """End the processes. They are started again when needed."""
        with self._lock:
            if self._pool is not None:
                stop_pool(self._pool)
                self._pool = None
