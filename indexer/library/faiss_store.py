"""The vector store on FAISS: it finds the photos nearest to a query vector while another process may be indexing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexer.library.database import Database
from indexer.library.encodings import Encodings
from indexer.library.errors import REMEDY
from indexer.library.faiss_file import Stamp, covering_stamp, read_index, read_stamp, update_index
from indexer.library.faiss_index import MAX_EXACT, MAX_PROPOSED, SearchableIndex, inner_products
from indexer.library.file_version import file_version
from indexer.library.generations import visible_photos
from indexer.library.photo_vectors import NewerVectors, PhotoVectors

_log = logging.getLogger("pixelseek.index")
_FP16_TOLERANCE = 2e-3
"""How much a stored component may differ from the encoding's: fp16 rounds."""


@dataclass(frozen=True)
class Snapshot:
    """The searchable state at one moment: the FAISS index, and the vectors that it does not hold yet."""

    index: SearchableIndex | None
    stamp: Stamp | None
    """The stamp of the index."""
    version: tuple[int, ...] | None
    """The version of its file."""
    visible: NDArray[np.bool_] | None
    """(N,) Which rows of the index belong to visible photos; None: all."""
    newer_ids: NDArray[np.int64]
    """(M,) Ids of visible photos that are not in the index."""
    newer_vectors: NDArray[np.float16]
    """(M, D) float16 as in the index, so that an inner product does not change when the index takes them in."""

    @classmethod
    def take(
        cls,
        catalog: Database,
        encodings: Encodings,
        generation: str,
        index_path: Path,
        *,
        photo_vectors: PhotoVectors | None = None,
        newer_vectors: NewerVectors | None = None,
        before: Snapshot | None = None,
        device: str = "cpu",
    ) -> Snapshot:
        """Read the library as it is now. The index of the snapshot `before` is reused if its file is the same, and the
        vectors that `newer_vectors` has made already. `device` compares the vectors of the index."""
        version = file_version(index_path)
        stamp = covering_stamp(index_path, encodings, photo_vectors)
        if before is not None and (stamp, version) == (before.stamp, before.version):
            index = before.index
        else:
            if before is not None and before.index is not None:
                device = before.index.device  # the CPU, once a GPU was not able to
                before.index.leave_gpu()  # which may not hold both
            index = None if stamp is None else read_index(index_path, stamp, device)
        covered = 0 if stamp is None or index is None else stamp.sequence
        found = (newer_vectors or NewerVectors(encodings, photo_vectors)).after(covered)
        # Encodings are read before their marks: an encoding that has no mark yet is not visible.
        visible_ids = visible_photos(catalog, generation)
        newer = found.select(np.isin(found.photo_ids, visible_ids))
        visible = None if index is None else np.isin(index.ids, visible_ids)
        if visible is not None and visible.all():
            visible = None
        return cls(index, stamp, version, visible, newer.photo_ids, newer.vectors)

    def __len__(self) -> int:
        """How many photos a search can find."""
        if self.index is None:
            return len(self.newer_ids)
        indexed = len(self.index.ids) if self.visible is None else int(np.count_nonzero(self.visible))
        return indexed + len(self.newer_ids)

    def nearest(
        self, query: NDArray[np.float32], count: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) and inner products (K,) of the K <= `count` photos with the largest inner product with `query` (Q,).

        They come best first, equal ones by id. Numbers that a photo's vector has beyond Q count for nothing: an
        L2-normalised embedding finds photos by their cosine. The first photos do not depend on `count`: photos that a
        coarse index missed come after the MAX_PROPOSED photos that it proposed. With `among`, only photos with these
        ids are found; the ids may have any order, and unknown and hidden ones are ignored. Up to MAX_EXACT of them are
        all compared.
        """
        newer = np.arange(len(self.newer_ids)) if among is None else np.flatnonzero(np.isin(self.newer_ids, among))
        newer_ids, newer_products = self.newer_ids[newer], inner_products(self.newer_vectors, newer, query)
        allowed = self.visible
        if self.index is not None and among is not None:
            allowed = np.isin(self.index.ids, among)
            if self.visible is not None:
                allowed &= self.visible

        def nearest(count: int, *, exactly: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            ids, products = newer_ids, newer_products
            if self.index is not None:
                rows, indexed = self.index.nearest(query, count, allowed, exactly=exactly)
                ids, products = np.concatenate([self.index.ids[rows], ids]), np.concatenate([indexed, products])
            best = np.lexsort((ids, -products))[:count]
            return ids[best], products[best]

        if self.index is None or not self.index.has_coarse_index():
            return nearest(count, exactly=True)
        if among is not None and allowed is not None and int(np.count_nonzero(allowed)) <= MAX_EXACT:
            return nearest(count, exactly=True)
        first = nearest(min(count, MAX_PROPOSED), exactly=False)
        if count <= MAX_PROPOSED:
            return first
        exact = nearest(count, exactly=True)
        after = ~np.isin(exact[0], first[0])
        return np.concatenate([first[0], exact[0][after]])[:count], np.concatenate([first[1], exact[1][after]])[:count]

    def vectors_of(self, photo_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids (K,) and vectors (K, D) of those of these photos that can be found, ascending by id."""
        newer = np.isin(self.newer_ids, photo_ids)
        ids, vectors = self.newer_ids[newer], self.newer_vectors[newer]
        if self.index is not None:
            wanted = np.isin(self.index.ids, photo_ids)
            if self.visible is not None:
                wanted &= self.visible
            of_index = self.index.vectors[wanted]
            ids = np.concatenate([self.index.ids[wanted], ids])
            vectors = np.concatenate([of_index, vectors]) if len(vectors) else of_index
        order = np.argsort(ids)
        return ids[order], vectors[order]


class FaissStore:
    """A `vector_store.VectorStore`: a FAISS index in a file, and the encodings that it does not hold yet.

    It keeps a snapshot in memory and takes a new one when the library has changed on disk.
    """

    def __init__(
        self,
        path: Path,
        catalog: Database,
        encodings: Encodings,
        generation: str,
        photo_vectors: PhotoVectors | None = None,
        device: str = "cpu",
    ) -> None:
        """`path` is the file of the index. `photo_vectors` makes the vectors, `device` compares them: see
        `open_vector_store`."""
        self._path = path
        self._catalog = catalog
        self._encodings = encodings
        self._generation = generation
        self._photo_vectors = photo_vectors
        self._device = device
        self._newer_vectors = NewerVectors(encodings, photo_vectors)
        self._lock = threading.Lock()
        self._version: tuple[object, ...] | None = None
        self._snapshot: Snapshot | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self._path.name

    def version(self) -> object:
        """A value that changes when the catalog, the encodings or the index do."""
        with self._lock:
            return self._version_now()

    def count(self) -> int:
        """How many photos a search can find."""
        return len(self.snapshot())

    def search(
        self, query: NDArray[np.float32], count: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The photos nearest to `query` (Q,): see `Snapshot.nearest`."""
        return self.snapshot().nearest(query, count, among)

    def vectors_of(self, photo_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """The vectors of photos: see `Snapshot.vectors_of`."""
        return self.snapshot().vectors_of(photo_ids)

    def covered(self) -> int:
        """How many encodings the index holds; 0 if the index is not used."""
        stamp = covering_stamp(self._path, self._encodings, self._photo_vectors)
        return 0 if stamp is None else stamp.count

    def sync(self, *, factory: str, newer_allowed: int = 0, progress: Callable[[int, int], None] | None = None) -> None:
        """Extend or rebuild the index: see `faiss_file.update_index`."""
        update_index(
            self._path,
            self._encodings,
            factory,
            photo_vectors=self._photo_vectors,
            newer_allowed=newer_allowed,
            progress=progress,
        )

    def problems(self) -> Iterator[str]:
        """What is wrong with the index."""
        total = self._encodings.count()
        if not self._path.exists():
            if total:
                yield "missing; searches are slower until the next `pixelseek index`"
            return
        stamp = covering_stamp(self._path, self._encodings)
        if stamp is None:
            fault = "incomplete" if read_stamp(self._path) is None else "made from other encodings"
            yield f"{fault}, and not used; {REMEDY}"
            return
        if stamp.count != total:
            yield f"covers {stamp.count} of {total} encodings; index again to speed up searches"
        index, origin = read_index(self._path, stamp), self._encodings.origin()
        if index is None or origin is None or index.vectors.shape[1] < origin.embedding_size:
            yield f"cannot be read by FAISS, and is not used; {REMEDY}"
            return
        order, wrong = np.argsort(index.ids), 0
        for block in self._encodings.after(0):
            covered = block.sequences <= stamp.sequence
            if not covered.any():
                break
            rows = order[np.searchsorted(index.ids, block.photo_ids[covered], sorter=order).clip(max=len(order) - 1)]
            if (index.ids[rows] != block.photo_ids[covered]).any():
                yield f"lacks a photo that it should cover; {REMEDY}"
                return
            embeddings = index.vectors[rows, : origin.embedding_size]
            differences = np.abs(embeddings - block.vectors[covered]).max(axis=1)
            wrong += int((differences > _FP16_TOLERANCE).sum())
        if wrong:
            yield f"{wrong} vectors differ from the encodings; {REMEDY}"

    def clear(self) -> None:
        """Delete the index."""
        self._path.unlink(missing_ok=True)

    def drop_others(self, kept: Collection[str]) -> None:
        """Nothing: the files of other generations are deleted together."""

    def close(self) -> None:
        """Release the mapped index."""
        self._snapshot = self._version = None

    def snapshot(self) -> Snapshot:
        """The library as it is now."""
        with self._lock:
            version = self._version_now()
            if self._snapshot is None or version != self._version:
                self._snapshot = Snapshot.take(
                    self._catalog,
                    self._encodings,
                    self._generation,
                    self._path,
                    photo_vectors=self._photo_vectors,
                    newer_vectors=self._newer_vectors,
                    before=self._snapshot,
                    device=self._device,
                )
                self._version = version
                if self._snapshot.index is None and covering_stamp(self._path, self._encodings) is not None:
                    _log.warning(
                        "%s was made with other parameters of the score. Until `pixelseek index` has made it again, "
                        "searches start slowly.",
                        self._path,
                    )
            return self._snapshot

    def _version_now(self) -> tuple[object, ...]:
        if not self._encodings.exists():
            return (self._catalog.version(),)
        return self._catalog.version(), self._encodings.database.version(), file_version(self._path)
