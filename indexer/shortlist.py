"""The photos nearest to a sentence, exactly, while another process may be indexing."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, exists, select

from indexer import sqlite
from indexer.catalog import Encoded, Location
from indexer.encodings import Encodings
from indexer.vectors import covering_stamp, read_index

if TYPE_CHECKING:
    import faiss


def visible_photos(catalog: Engine, generation: str) -> NDArray[np.int64]:
    """(N,) ids of the photos that have a location and are encoded, rising."""
    query = (
        select(Encoded.photo_id)
        .where(Encoded.generation == generation, exists().where(Location.photo_id == Encoded.photo_id))
        .order_by(Encoded.photo_id)
    )
    with catalog.connect() as connection:
        return np.fromiter(connection.execute(query).scalars(), dtype=np.int64)


@dataclass(frozen=True)
class Snapshot:
    """What can be searched at one moment: the FAISS index, and beside it the embeddings it does not cover."""

    index: faiss.Index | None
    hidden: NDArray[np.int64]
    """Photos in the index that must not be found."""
    newer_ids: NDArray[np.int64]
    """(M,) Visible photos that are not in the index."""
    newer_vectors: NDArray[np.float32]
    """(M, E)"""

    @classmethod
    def take(cls, catalog: Engine, encodings: Encodings, generation: str, index_path: Path) -> Snapshot:
        """Read the library as it is now."""
        stamp = covering_stamp(index_path, encodings)
        index = None if stamp is None else read_index(index_path, stamp)
        covered = 0 if stamp is None or index is None else stamp.sequence
        parts = list(encodings.after(covered))
        # Encodings are read before the marks: one without its mark yet is not visible, and is left out.
        visible = visible_photos(catalog, generation)
        ids = np.concatenate([np.empty(0, dtype=np.int64), *(part.photo_ids for part in parts)])
        newer = np.isin(ids, visible)
        vectors = np.concatenate([part.vectors for part in parts]) if parts else np.empty((0, 0), dtype=np.float32)
        indexed = _ids(index)
        return cls(index, indexed[~np.isin(indexed, visible)], ids[newer], vectors[newer])

    def nearest(
        self, embedding: NDArray[np.float32], count: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) and similarities (K,) of the K <= `count` photos nearest to `embedding` (E,), best first.

        With `among`, of the photos with these ids only (any order; unknown and hidden ones do no harm). The
        similarity is the inner product: the cosine, where `embedding` is L2-normalised.
        """
        newer = np.arange(len(self.newer_ids)) if among is None else np.flatnonzero(np.isin(self.newer_ids, among))
        ids, similarities = self.newer_ids[newer], np.empty(0, dtype=np.float32)
        if len(newer):
            similarities = self.newer_vectors[newer] @ embedding
        if self.index is not None:
            indexed_ids, indexed_similarities = self._search_index(embedding, count, among)
            ids = np.concatenate([indexed_ids, ids])
            similarities = np.concatenate([indexed_similarities, similarities])
        best = np.argsort(-similarities, kind="stable")[:count]
        return ids[best], similarities[best]

    def _search_index(
        self, embedding: NDArray[np.float32], count: int, among: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        import faiss

        assert self.index is not None
        allowed = None
        if among is not None:
            allowed = np.setdiff1d(np.intersect1d(among, _ids(self.index)), self.hidden)
            selector = faiss.IDSelectorBatch(allowed)
        else:
            selector = faiss.IDSelectorNot(faiss.IDSelectorBatch(self.hidden)) if len(self.hidden) else None
        wanted = min(count, self.index.ntotal - len(self.hidden) if allowed is None else len(allowed))
        if not wanted:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        only = None if selector is None else faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        similarities, ids = self.index.search(embedding[None], wanted, params=only)
        found = ids[0] >= 0
        return ids[0][found], similarities[0][found]


class Shortlist:
    """Keeps a snapshot in memory, and takes another when the library has changed on disk."""

    def __init__(self, catalog: Engine, encodings: Encodings, generation: str, index_path: Path) -> None:
        self._library = (catalog, encodings, generation, index_path)
        self._lock = threading.Lock()
        self._watches: list[Connection] = []
        self._version: tuple[object, ...] | None = None
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """The library as it is now."""
        with self._lock:
            version = self._version_now()
            if self._snapshot is None or version != self._version:
                self._snapshot = Snapshot.take(*self._library)
                self._version = version
            return self._snapshot

    def close(self) -> None:
        """Close the connections that watch for changes."""
        for watch in self._watches:
            watch.close()
        self._watches.clear()

    def _version_now(self) -> tuple[object, ...]:
        catalog, encodings, _, index_path = self._library
        if not encodings.exists():
            return (None,)
        if not self._watches:
            self._watches = [catalog.connect(), encodings.engine.connect()]
        index = index_path.stat() if index_path.exists() else None
        return (*map(sqlite.change_counter, self._watches), index and (index.st_mtime_ns, index.st_ino))


def _ids(index: faiss.Index | None) -> NDArray[np.int64]:
    if index is None:
        return np.empty(0, dtype=np.int64)
    import faiss

    return np.asarray(faiss.vector_to_array(index.id_map), dtype=np.int64)  # type: ignore[attr-defined]
