"""The vector store on Milvus: the server proposes the photos nearest to a query vector, and this machine compares them.

Their inner products are computed here from the vectors that Milvus returns, as `faiss_index` does: so the photos, their
order and the numbers are those of an exact search among the photos that it proposed.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from indexer.library.database import Database
from indexer.library.encodings import Encodings
from indexer.library.errors import REMEDY, LibraryError, ServerUnreachable, VectorsMissing, VectorsUnreachable
from indexer.library.faiss_index import inner_products
from indexer.library.file_version import file_version
from indexer.library.generations import visible_photos
from indexer.library.milvus_collection import (
    Stamp,
    building_path,
    covering_stamp,
    delete_collection,
    generation_stamps,
    read_stamp,
    replaced_path,
    search_parameters,
    stamp_path,
    update_collection,
)
from indexer.library.milvus_server import MAX_NUMBERS, MAX_ROWS, MilvusServer
from indexer.library.photo_vectors import NewerVectors, PhotoVectors

Result = TypeVar("Result")

_log = logging.getLogger("pixelseek.index")
MAX_PROPOSED = 1024
"""At most so many photos of a result are compared here. Those after them come in Milvus's order, of all photos."""
_CANDIDATES = MAX_PROPOSED + 64
"""How many photos Milvus proposes: a few more, so that it does not choose among equally near ones."""
_FEW = 256
"""So few photos are all compared here."""
_SPARSITY = 8
"""If more than one photo in so many may be found, the nearest of all are looked through first."""
_SURPLUS = 1.5
"""So many times more of them are looked through than if the photos that may be found were as near as others."""
_SETTLING_S = 10.0
"""A search sees all that was written longer ago, although it does not wait for what is being written: Milvus promises 5
seconds."""
_FP16_TOLERANCE = 2e-3
"""How much a stored component may differ from the encoding's: fp16 rounds."""
_ROUNDING = 2.0**-24
"""The relative error of one float32 operation."""
_TRIES = 5


@dataclass(frozen=True)
class Photos:
    """The photos that a search can find, at one moment."""

    stamp: Stamp | None
    """What the collection covers; None if it is not used."""
    sequences: NDArray[np.int64]
    """(N,) Numbers of the photos that are searched by Milvus, ascending."""
    ids: NDArray[np.int64]
    """(N,) Their ids."""
    newer_ids: NDArray[np.int64]
    """(M,) Ids of the others."""
    newer_vectors: NDArray[np.float16]
    """(M, D) float16 as in the collection, so that an inner product does not change when that takes them in."""

    @classmethod
    def take(
        cls,
        catalog: Database,
        encodings: Encodings,
        generation: str,
        stamp: Stamp | None,
        newer_vectors: NewerVectors,
    ) -> Photos:
        """Read the library as it is now."""
        covered = 0 if stamp is None else stamp.sequence
        sequences, ids = encodings.sequences_and_ids()
        found = newer_vectors.after(covered)
        # Encodings are read before their marks: an encoding that has no mark yet is not visible.
        visible = visible_photos(catalog, generation)
        newer = found.select(np.isin(found.photo_ids, visible))
        held = (sequences <= covered) & np.isin(ids, visible) & ~np.isin(ids, newer.photo_ids)
        return cls(stamp, sequences[held], ids[held], newer.photo_ids, newer.vectors)

    def __len__(self) -> int:
        return len(self.ids) + len(self.newer_ids)


@dataclass(frozen=True)
class _Whole:
    """A collection that was seen to be whole."""

    stamp: Stamp
    rows: int
    """How many it had."""
    seen_at: float
    """By `time.monotonic`."""


class MilvusStore:
    """A `vector_store.VectorStore`: a collection on a server, and the encodings that it does not hold yet.

    Consistency: the stamp of the collection says what a writer has added and the server has acknowledged. In the first
    seconds after the stamp has changed a search waits until Milvus sees all of it (Strong). After that a search does
    not wait (Bounded), and sees all of it nevertheless.
    """

    def __init__(
        self,
        library: Path,
        server: MilvusServer,
        catalog: Database,
        encodings: Encodings,
        generation: str,
        photo_vectors: PhotoVectors | None = None,
    ) -> None:
        """See `open_vector_store`. The server is asked when it is first needed."""
        self._library = library
        self._path = stamp_path(library, generation)
        self._server = server
        self._catalog = catalog
        self._encodings = encodings
        self._generation = generation
        self._photo_vectors = photo_vectors
        self._newer_vectors = NewerVectors(encodings, photo_vectors)
        self._lock = threading.Lock()
        self._version: object = None
        self._photos: Photos | None = None
        self._whole: _Whole | None = None

    @property
    def name(self) -> str:
        """The server's URL, without the password."""
        return self._server.name

    def version(self) -> object:
        """A value that changes when the catalog, the encodings or the stamp do."""
        with self._lock:
            return self._version_now()

    def count(self) -> int:
        """How many photos a search can find. The server is not asked."""
        with self._lock:
            if self._photos is not None and self._version == self._version_now():
                return len(self._photos)
        return len(np.intersect1d(self._encodings.photo_ids(), visible_photos(self._catalog, self._generation)))

    def search(
        self, query: NDArray[np.float32], count: int, among: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) and inner products (K,) of the K <= `count` photos with the largest ones: see `VectorStore`.

        The first photos do not depend on `count`. Raises VectorsUnreachable.
        """
        return self._with_photos(lambda photos: self._nearest(photos, query, count, among))

    def vectors_of(self, photo_ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Ids (K,) and vectors (K, D) of those of these photos that a search can find, ascending by id."""

        def read(photos: Photos) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
            held, newer = np.isin(photos.ids, photo_ids), np.isin(photos.newer_ids, photo_ids)
            parts = [
                part
                for part in (self._vectors(photos, photos.sequences[held]), photos.newer_vectors[newer])
                if len(part)
            ]
            ids = np.concatenate([photos.ids[held], photos.newer_ids[newer]])
            order = np.argsort(ids)
            return ids[order], np.concatenate(parts)[order] if parts else photos.newer_vectors[:0]

        return self._with_photos(read)

    def covered(self) -> int:
        """How many encodings the collection holds, by its stamp. The server is not asked."""
        stamp = covering_stamp(self._path, self._encodings, self._photo_vectors)
        return 0 if stamp is None else self._encodings.count(up_to=stamp.sequence)

    def sync(self, *, factory: str, newer_allowed: int = 0, progress: Callable[[int, int], None] | None = None) -> None:
        """Extend the collection, or make a new one: see `milvus_collection.update_collection`."""
        update_collection(
            self._server,
            self._path,
            self._encodings,
            factory,
            photo_vectors=self._photo_vectors,
            newer_allowed=newer_allowed,
            progress=progress,
        )

    def problems(self) -> Iterator[str]:
        """What is wrong with the collection."""
        stamp = read_stamp(self._path)
        if stamp is None:
            if self._path.exists():
                yield f"the file {self._path.name} is damaged; {REMEDY}"
            elif self._encodings.count():
                yield "holds no vectors of this library yet; searches are slower until the next `pixelseek index`"
            return
        if covering_stamp(self._path, self._encodings) is None:
            yield f"its vectors were made from other encodings, and are not used; {REMEDY}"
            return
        try:
            yield from self._differences(stamp)
        except VectorsMissing:
            yield f"the collection {stamp.alias} is not there; {REMEDY}"
        except ServerUnreachable as error:
            yield str(error)

    def clear(self) -> None:
        """Delete the collection."""
        for path in (self._path, building_path(self._path), replaced_path(self._path)):
            delete_collection(self._server, path)

    def drop_others(self, kept: Collection[str]) -> None:
        """Delete the collections of all generations but these. While the server is away they stay."""
        for path in generation_stamps(self._library):
            if path.name.partition("-")[2].partition(".")[0] not in kept:
                with suppress(ServerUnreachable):
                    delete_collection(self._server, path)

    def close(self) -> None:
        """End the connection."""
        self._photos = self._whole = None
        self._server.close()

    def _version_now(self) -> tuple[object, ...]:
        if not self._encodings.exists():
            return (self._catalog.version(),)
        return self._catalog.version(), self._encodings.database.version(), file_version(self._path)

    def _with_photos(self, use: Callable[[Photos], Result]) -> Result:
        """What `use` makes of the photos as they are now. If a writer replaces the collection meanwhile, once more."""
        for _ in range(_TRIES):
            before = file_version(self._path)
            try:
                return use(self._photos_now())
            except VectorsMissing:
                pass
            except VectorsUnreachable:  # also what a search ends with when its collection is deleted
                if file_version(self._path) == before:
                    raise
            with self._lock:
                self._photos = self._whole = None
        raise LibraryError(f"{self.name} lacks vectors that it should have; {REMEDY}.")

    def _photos_now(self) -> Photos:
        with self._lock:
            version = self._version_now()
            if self._photos is None or version != self._version:
                stamp = self._usable_stamp()
                self._photos = Photos.take(self._catalog, self._encodings, self._generation, stamp, self._newer_vectors)
                self._version = version
            return self._photos

    def _usable_stamp(self) -> Stamp | None:
        """The stamp, if the collection has all rows that it should have. Otherwise no row of it is used."""
        stamp = covering_stamp(self._path, self._encodings, self._photo_vectors)
        if stamp is None:
            if covering_stamp(self._path, self._encodings) is not None:
                self._warn("were made with other parameters of the score")
            return None
        if self._whole is not None and self._whole.stamp == stamp:
            return stamp
        try:
            rows = self._server.count(stamp.alias)
        except VectorsMissing:
            self._warn("are not there, or a copy of this library has taken them over")
            return None
        if rows < (stored := self._encodings.count(up_to=stamp.sequence)):
            self._warn(f"are incomplete: {rows} of {stored}")
            return None
        self._whole = _Whole(stamp, rows, time.monotonic())
        return stamp

    def _warn(self, fault: str) -> None:
        _log.warning(
            "The vectors of %s at %s %s. Until `pixelseek index` has made them again, searches start slowly.",
            self._library,
            self.name,
            fault,
        )

    def _nearest(
        self, photos: Photos, query: NDArray[np.float32], count: int, among: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        sequences, newer = photos.sequences, np.arange(len(photos.newer_ids))
        if among is not None:
            sequences = sequences[np.isin(photos.ids, among)]
            newer = np.flatnonzero(np.isin(photos.newer_ids, among))
        count = min(count, len(sequences) + len(newer))
        newer_ids, newer_products = photos.newer_ids[newer], inner_products(photos.newer_vectors, newer, query)
        search = _Search(self._server, photos, query, is_strong=self._is_settling()) if len(sequences) else None

        def ordered(
            numbers: NDArray[np.int64], products: NDArray[np.float32]
        ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            """Photos in the collection and newer ones, best first, equal ones by id."""
            ids = np.concatenate([photos.ids[np.searchsorted(photos.sequences, numbers)], newer_ids])
            products = np.concatenate([products, newer_products])
            order = np.lexsort((ids, -products))
            return ids[order], products[order]

        nothing = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        first = min(count, MAX_PROPOSED)
        ids, products = ordered(*(nothing if search is None else search.nearest(sequences, first, self._rows())))
        ids, products = ids[:first], products[:first]
        if count == first:
            return ids, products
        others, their_products = ordered(*(nothing if search is None else search.all(sequences)))
        after = np.flatnonzero(~np.isin(others, ids))[: count - first]
        lower = np.minimum(their_products[after], products[-1])
        return np.concatenate([ids, others[after]]), np.concatenate([products, lower])

    def _vectors(self, photos: Photos, sequences: NDArray[np.int64]) -> NDArray[np.float16]:
        """(K, D) The vectors of these photos in the collection."""
        if photos.stamp is None or not len(sequences):
            return photos.newer_vectors[:0]
        return _vectors(self._server, photos.stamp, sequences, is_strong=self._is_settling())

    def _is_settling(self) -> bool:
        """Whether the stamp changed so short a time ago that a search has to wait for its rows."""
        whole = self._whole
        return whole is None or time.monotonic() - whole.seen_at < _SETTLING_S

    def _rows(self) -> int:
        whole = self._whole
        return 0 if whole is None else whole.rows

    def _differences(self, stamp: Stamp) -> Iterator[str]:
        """What differs between the collection and the encodings."""
        stored = self._encodings.sequences(0)
        total, covered = len(stored), stored[stored <= stamp.sequence]
        if len(covered) != total:
            yield f"covers {len(covered)} of {total} encodings; index again to speed up searches"
        present = self._server.sequences(stamp.alias, after=0, up_to=stamp.sequence)
        if lacking := len(np.setdiff1d(covered, present)):
            yield f"lacks {lacking} vectors that it should have; {REMEDY}"
        if (rows := self._server.count(stamp.alias)) != len(present):
            yield f"holds {rows - len(present)} vectors twice; {REMEDY}"
        if left_over := len(np.setdiff1d(present, stored)):
            yield f"holds {left_over} vectors of removed encodings; index again"
        wrong, origin = 0, self._encodings.origin()
        for block in self._encodings.after(0):
            chosen = np.isin(block.sequences, present) & (block.sequences <= stamp.sequence)
            if origin is None or not chosen.any():
                continue
            vectors = _vectors(self._server, stamp, block.sequences[chosen], is_strong=True)
            differences = np.abs(vectors[:, : origin.embedding_size] - block.vectors[chosen]).max(axis=1)
            wrong += int((differences > _FP16_TOLERANCE).sum())
        if wrong:
            yield f"{wrong} vectors differ from the encodings; {REMEDY}"


@dataclass(frozen=True)
class _Search:
    """A search for one query among the photos in a collection. Products are Milvus's unless it says otherwise."""

    server: MilvusServer
    photos: Photos
    query: NDArray[np.float32]
    """(Q,)"""
    is_strong: bool

    @property
    def stamp(self) -> Stamp:
        """The stamp of the collection."""
        assert self.photos.stamp is not None
        return self.photos.stamp

    def nearest(
        self, sequences: NDArray[np.int64], count: int, rows: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers and exact inner products of at least the `count` nearest of these photos, of which Milvus has `rows`.

        There are more where several are so near that the smallest error decides.
        """
        count = min(count, len(sequences))
        if len(sequences) > _FEW:
            numbers, products, missed = self._propose(sequences, rows)
            if len(numbers) < count or missed > (last := self._least(products, count)):
                numbers, products = self.all(sequences)
                last = self._least(products, count)
            sequences = np.sort(numbers[products >= last])
        vectors = _vectors(self.server, self.stamp, sequences, is_strong=self.is_strong)
        return sequences, inner_products(vectors, np.arange(len(vectors)), self.query)

    def all(self, sequences: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers and inner products of all of these photos."""
        numbers, products = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.float32)]
        while len(sequences):
            part = sequences[: np.searchsorted(sequences, sequences[0] + MAX_ROWS)]
            sequences = sequences[len(part) :]
            found, values = self._ask(MAX_ROWS, between=(int(part[0]), int(part[-1])))
            wanted = np.isin(found, part)
            numbers.append(found[wanted])
            products.append(values[wanted])
            if len(missed := np.setdiff1d(part, found)):  # by an index that does not look at all rows
                vectors = _vectors(self.server, self.stamp, missed, is_strong=self.is_strong)
                numbers.append(missed)
                products.append(inner_products(vectors, np.arange(len(vectors)), self.query))
        return np.concatenate(numbers), np.concatenate(products)

    def _propose(self, sequences: NDArray[np.int64], rows: int) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
        """Numbers and inner products of the nearest of these photos; none of the others has a larger one than the last.

        Where many photos may be found, these are taken from the nearest of all, else Milvus gets a filter expression.
        """
        if len(sequences) * _SPARSITY >= rows:
            surplus = _SURPLUS if rows > len(sequences) else 1.0
            count = min(MAX_ROWS, math.ceil(surplus * _CANDIDATES * max(rows, len(sequences)) / len(sequences)))
            numbers, products = self._ask(count)
            wanted = np.isin(numbers, sequences)
            if int(np.count_nonzero(wanted)) >= min(_CANDIDATES, len(sequences)):
                missed = float(products[-1]) if len(numbers) == count else -math.inf
                return numbers[wanted], products[wanted], missed
        parts = [sequences[start : start + MAX_NUMBERS] for start in range(0, len(sequences), MAX_NUMBERS)]
        found = [self._ask(min(_CANDIDATES, len(part)), among=part) for part in parts]
        lowest = [
            float(values[-1]) for part, (_, values) in zip(parts, found, strict=True) if 0 < len(values) < len(part)
        ]
        numbers, products = (np.concatenate(column) for column in zip(*found, strict=True))
        return numbers, products, max(lowest, default=-math.inf)

    def _ask(
        self, count: int, *, among: NDArray[np.int64] | None = None, between: tuple[int, int] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        whole = np.zeros(self.stamp.width, dtype=np.float32)
        whole[: len(self.query)] = self.query
        parameters = search_parameters(self.stamp.factory, count)
        return self.server.nearest(
            self.stamp.alias,
            whole,
            count,
            among=among,
            between=between,
            parameters=parameters,
            is_strong=self.is_strong,
        )

    def _least(self, products: NDArray[np.float32], count: int) -> float:
        """The smallest product, by Milvus, of a photo that may be one of the `count` nearest ones."""
        error = self.stamp.width * _ROUNDING * float(np.linalg.norm(self.query)) * self.stamp.longest
        return float(np.partition(products, -count)[-count]) - 4 * error


def _vectors(
    server: MilvusServer, stamp: Stamp, sequences: NDArray[np.int64], *, is_strong: bool
) -> NDArray[np.float16]:
    """(K, D) The vectors of these rows. Raises VectorsMissing if one is not there."""
    found, vectors = server.vectors(stamp.alias, sequences, is_strong=is_strong)
    if len(found) != len(sequences):
        raise VectorsMissing(f"{server.name} lacks {len(sequences) - len(found)} vectors of {stamp.alias}.")
    return vectors
